"""A folder of sessions is replaced as a whole, or not at all."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator

from datasets.errors import DataError


@contextlib.contextmanager
def replacing(folder: pathlib.Path, replace: bool) -> Iterator[pathlib.Path]:
    """Yields an empty folder that becomes `folder` if nothing goes wrong.

    An error or Ctrl-C leaves what was there before, and nothing else.

    Args:
        folder: the one to write; its parent is made if need be.
        replace: whether a prepared folder of that name gives way.

    Raises:
        DataError: what is at `folder` must not be replaced.
    """
    check_replaceable(folder, replace)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = pathlib.Path(
            tempfile.mkdtemp(
                prefix=f".{folder.name}.partial-", dir=folder.parent
            )
        )
    except OSError as error:
        raise DataError(
            "Expected a folder that can be written. Received: "
            f"{folder} ({error.strerror})"
        ) from None
    old = partial.with_name(partial.name + ".old")
    try:
        new = partial / "new"
        new.mkdir()  # with the permissions of the umask, unlike mkdtemp's
        yield new
        if folder.exists():
            os.rename(folder, old)
        os.rename(new, folder)
    except BaseException:  # KeyboardInterrupt, too, must leave nothing behind
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def check_replaceable(folder: pathlib.Path, replace: bool) -> None:
    """Checks that `folder` is new, empty or, with `replace`, prepared.

    Raises:
        DataError: it is not.
    """
    if not folder.exists():
        return
    if folder.is_dir():
        if not any(folder.iterdir()):
            return
        if _is_ours(folder):
            if replace:
                return
            raise DataError(
                "Expected a folder that does not exist yet (or --force). "
                f"Received: {folder}, a prepared folder"
            )
    # Never delete what this package did not write, whatever was asked for.
    raise DataError(
        "Expected a new folder, an empty one or a prepared one. Received: "
        f"{folder}, which holds something else"
    )


def _is_ours(folder: pathlib.Path) -> bool:
    """Whether `meta.json`, or else every file, is one of this format."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if {"format_version", "num_rows", "num_items"} <= set(meta):
            return True
    except (OSError, ValueError, TypeError):
        pass
    pattern = re.compile(
        r"meta\.json|(users|times)\.npy|items\.csv|sessions-\d+\.npy"
    )
    return all(pattern.fullmatch(file.name) for file in folder.iterdir())
