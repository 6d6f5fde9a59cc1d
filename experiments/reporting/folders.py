"""Which folders of results a report is about."""

import subprocess
from collections.abc import Sequence
from pathlib import Path


def chosen(root: Path, only: Sequence[str] = ()) -> list[Path]:
    """The folders that a report shows, by name.

    Args:
        root: holds a folder a data set.
        only: names of folders. Without any, those committed; all of them
            where nothing is.

    Raises:
        ValueError: a folder that is not there.
    """
    missing = [name for name in only if not (root / name).is_dir()]
    if missing:
        raise ValueError(
            f"Expected names of folders in {root}. "
            f"Received: only={','.join(missing)}"
        )
    names = {path.name for path in root.glob("*/")}
    if only:
        names &= set(only)
    else:
        names &= committed(root) or names
    return [root / name for name in sorted(names)]


def committed(root: Path) -> set[str]:
    """Folders and files of a folder that git knows; none where it is not."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return set()
    return {name.split("/")[0] for name in listed.split("\0") if name}
