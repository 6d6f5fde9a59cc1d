"""The commands that made what is in a folder of results."""

from pathlib import Path

from experiments.reporting import written

FILE = "commands.json"


def read(folder: Path) -> dict[str, str]:
    """Commands by target; none of a folder that does not say.

    Raises:
        ValueError: the file is damaged; the message names it.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    return {name: str(line) for name, line in written.read(path).items()}
