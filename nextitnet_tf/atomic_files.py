"""Files that are either whole or not there."""

import contextlib
import glob
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NUM_BYTES = 6  # of the number in the name of a file that is being written


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A path to write to, which becomes `path` at the end of the block.

    If the block fails, what `path` held before is still there; once it has
    ended, the new content outlives a power cut. Processes may write the same
    file at once: the last one wins.

    Args:
        path: of the file; its folder exists.

    Yields:
        A path beside it, of the same suffix, to an empty file whose name
        nobody can guess: what is written there follows no planted link.

    Raises:
        OSError: the file cannot be written; its text names `path`.
    """
    path = Path(path)
    partial = path.with_name(
        f"{path.stem}.{secrets.token_hex(_NUM_BYTES)}.part{path.suffix}"
    )
    with naming(path, partial):
        try:
            _remove_abandoned(path)
            with _made(partial):
                yield partial
                _reach_the_disk(partial)
                os.replace(partial, path)
                _reach_the_disk(path.parent)
        finally:
            # The error that led here says more than one of tidying up.
            with contextlib.suppress(OSError):
                partial.unlink()


@contextlib.contextmanager
def naming(path: Path, partial: Path | None = None) -> Iterator[None]:
    """Has an OSError of the block name the file that is being written.

    Args:
        path: the file.
        partial: what it is called while it is written, if otherwise.
    """
    try:
        yield
    except OSError as error:
        raise _naming(path, partial or path, error) from error


def file_digest(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file, by which it is known again."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Writes a text file as UTF-8."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Writes a JSON file."""
    write_text(path, json.dumps(content, indent=1) + "\n")


@contextlib.contextmanager
def _made(partial: Path) -> Iterator[None]:
    """A new file, locked as long as this process writes it."""
    while True:
        descriptor = os.open(partial, os.O_CREAT | os.O_EXCL, 0o666)
        try:
            if fcntl is not None:
                # Some file systems have no locks: nobody tidies up there.
                with contextlib.suppress(OSError):
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Another process may have taken it for one that was left.
            if partial.exists():
                yield
                return
        finally:
            os.close(descriptor)


def left_of(path: Path) -> list[Path]:
    """What processes that write a file, or were killed, have of it."""
    stem, suffix = glob.escape(path.stem), glob.escape(path.suffix)
    number = "[0-9a-f]" * (2 * _NUM_BYTES)  # and nobody's answers.old.part.csv
    return list(path.parent.glob(f"{stem}.{number}.part{suffix}"))


def _remove_abandoned(path: Path) -> None:
    """Removes what processes that were killed have left of a file."""
    for other in left_of(path) if fcntl is not None else ():
        with contextlib.suppress(OSError):
            descriptor = os.open(other, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                other.unlink()
            finally:
                os.close(descriptor)


def _reach_the_disk(path: Path) -> None:
    """Waits until a file's content, or a folder's list of names, is stored."""
    if path.is_dir() and os.name == "nt":  # Windows opens no folders.
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _naming(path: Path, partial: Path, error: OSError) -> OSError:
    """The error in terms of the file that was asked for."""
    others = {None, str(partial), str(path), str(path.parent)}
    if error.filename is not None and str(error.filename) not in others:
        return error  # of another file, which the block read or wrote
    if error.errno is None:  # a library's, such as HDF5's
        return OSError(f"Cannot write {path}: {error}")
    return OSError(error.errno, os.strerror(error.errno), str(path))
