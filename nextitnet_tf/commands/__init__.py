"""The commands: `nextitnet-tf NAME --flag=value ...`.

The one place of the package where there are flags and printing. A checkout
has the same commands as `python -m experiments.NAME` and `make NAME`.
"""
