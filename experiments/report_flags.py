"""The flags of commands that report on results, and train nothing."""

from pathlib import Path

from absl import flags

from experiments.reporting import folders
from nextitnet_tf.commands import flag_values
from nextitnet_tf.commands.flags import RESULTS

ONLY = flags.DEFINE_list(
    "only",
    [],
    "Names of the folders of results that are shown. By default those that "
    "are committed, and all of them where nothing is.",
)
NAMES = ("results", "only")


def chosen(who: str) -> tuple[Path, list[Path]]:
    """The folder of all results, and those in it to report on.

    Args:
        who: the command, in words.

    Raises:
        ValueError: flags that it does not take, or a folder that is not
            there.
    """
    flag_values.check_used(who, NAMES)
    root = Path(RESULTS.value)
    return root, folders.chosen(root, ONLY.value)
