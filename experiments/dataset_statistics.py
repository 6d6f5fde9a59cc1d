r"""What the prepared data sets hold, beside the paper's (StackRec, Table 1).

  python -m experiments.dataset_statistics --data=data

Writes RESULTS/table1.md and table1.json; trains nothing.
"""

from pathlib import Path

from absl import flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from experiments.papers.stackrec import table1
from nextitnet_tf.commands.flags import RESULTS

_DATA = flags.DEFINE_string("data", "data", "Folder of prepared data sets.")
flags.declare_key_flag("results")


def main() -> None:
    print(table1.write(Path(_DATA.value), Path(RESULTS.value)))


if __name__ == "__main__":
    command.run(main)
