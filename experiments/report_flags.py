"""The flags of commands that report on results, and train nothing."""

from pathlib import Path

from absl import flags

from experiments.reporting import folders

RESULTS = flags.DEFINE_string("results", "results", "Folder of all results.")
ONLY = flags.DEFINE_list(
    "only",
    [],
    "Names of the folders of results that are shown. By default those that "
    "are committed, and all of them where nothing is.",
)


def root() -> Path:
    """The folder of all results."""
    return Path(RESULTS.value)


def shown() -> list[Path]:
    """The folders to report on."""
    return folders.chosen(root(), ONLY.value)
