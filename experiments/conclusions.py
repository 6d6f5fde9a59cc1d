r"""Which of the papers' conclusions hold in our results.

  python -m experiments.conclusions --results=results

Reads RESULTS/*/table.json, table3.json, ..., figure6.json (of `make
reproduce-table2`, ...) and writes RESULTS/README.md: for each conclusion what
the paper says, what was measured on which data, and whether it holds. Trains
nothing. It is about the folders that are committed, or those that --only
names.
"""

from pathlib import Path

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import table_options
from experiments.reporting import claims
from experiments.reporting import folders
from nextitnet_tf import atomic_files

flags.declare_key_flag("results")
flags.declare_key_flag("only")


def main() -> None:
    root = Path(table_options.RESULTS.value)
    shown = folders.chosen(root, table_options.ONLY.value)
    text = claims.write_up(shown, claims.CLAIMS)
    atomic_files.write_text(root / "README.md", text)
    print(text)


if __name__ == "__main__":
    command.run(main)
