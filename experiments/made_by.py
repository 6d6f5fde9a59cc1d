"""The command that made a table or a figure, kept beside it."""

import shlex
from pathlib import Path

from absl import flags

from experiments.reporting import kept_commands
from nextitnet_tf import atomic_files

# Of the machine, or of no account for what is shown.
_LEFT_OUT = ("output", "table_only", "verbose", "strategy")
_PATHS = ("raw", "sessions", "target_raw", "pairs")


def command() -> str:
    """The command that runs, as one could type it: paths are names alone."""
    words = ["python", "-m", "experiments.reproduce"]
    ours = {
        flag.name: flag
        for module, of_module in flags.FLAGS.flags_by_module_dict().items()
        if not module.startswith("absl")
        for flag in of_module
        if flag.present and flag.name not in _LEFT_OUT
    }
    # What is made stands first.
    for name in sorted(ours, key=lambda name: (name != "target", name)):
        # One that may be given several times has a line each.
        given = ours[name].serialize().splitlines()
        if name in _PATHS:
            given = [f"--{name}={Path(ours[name].value).name}"]
        words += map(shlex.quote, given)
    return " ".join(words)


def keep(output: Path, name: str) -> None:
    """Writes down the command that runs, in the place of one of this name.

    Args:
        output: folder of the results.
        name: of the target.
    """
    known = kept_commands.read(output) | {name: command()}
    ordered = {key: known[key] for key in sorted(known)}
    atomic_files.write_json(output / kept_commands.FILE, ordered)
