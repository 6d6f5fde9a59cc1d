r"""Which of the papers' conclusions hold in our results.

  python -m experiments.conclusions --results=results

Reads RESULTS/*/table.json, table3.json, ..., figure6.json (of `make
reproduce-table2`, ...) and writes RESULTS/README.md: for each conclusion what
the paper says, what was measured on which data, and whether it holds. Trains
nothing. It is about the folders that are committed, or those that --only
names.
"""

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import report_flags
from experiments.reporting import claims
from nextitnet_tf import atomic_files

flags.adopt_module_key_flags(report_flags)


def main() -> None:
    text = claims.write_up(report_flags.shown(), claims.CLAIMS)
    atomic_files.write_text(report_flags.root() / "README.md", text)
    print(text)


if __name__ == "__main__":
    command.run(main)
