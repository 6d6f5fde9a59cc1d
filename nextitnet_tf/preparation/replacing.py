"""Files and folders are replaced as a whole, or not at all."""

import contextlib
import fcntl
import glob
import json
import os
import pathlib
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator

from nextitnet_tf.preparation.errors import DataError

_LOCK, _NEW, _OLD = "lock", "new", "old"


@contextlib.contextmanager
def replacing(folder: pathlib.Path, replace: bool) -> Iterator[pathlib.Path]:
    """Yields an empty folder that becomes `folder` if nothing goes wrong.

    An error or Ctrl-C leaves what was there before, and nothing else. What a
    process that was killed has left is tidied up by the next one: in the one
    moment in which `folder` is not there, it is put back.

    Args:
        folder: the one to write, a link to one followed; its parent is made
            if need be.
        replace: whether a prepared folder of that name gives way.

    Raises:
        DataError: what is at `folder` must not be replaced, or nothing can be
            written there.
    """
    folder = pathlib.Path(os.path.realpath(folder))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        check_replaceable(folder, replace)
        partial = pathlib.Path(
            tempfile.mkdtemp(
                prefix=f".{folder.name}.partial-", dir=folder.parent
            )
        )
    except OSError as error:
        raise _not_written("folder", folder, error) from None
    try:
        with open(partial / _LOCK, "wb") as lock:
            with contextlib.suppress(OSError):  # a file system without locks
                _take(lock)
            new, old = partial / _NEW, partial / _OLD
            new.mkdir()  # with the permissions of the umask, unlike mkdtemp's
            yield new
            for path in (*new.iterdir(), new):
                _reach_the_disk(path)
            try:
                if folder.exists():
                    os.rename(folder, old)
                os.rename(new, folder)
            finally:
                if old.exists() and not folder.exists():
                    os.rename(old, folder)
            _reach_the_disk(folder.parent)
    except OSError as error:
        raise _not_written("folder", folder, error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def replace_file(path: pathlib.Path, text: str) -> None:
    """Writes a text file that is either whole or as it was.

    Args:
        path: of the file; the folder it is in is made if need be.
        text: as it shall be, line ends included.

    Raises:
        DataError: nothing can be written there.
    """
    partial = path.with_name(
        f"{path.stem}.{secrets.token_hex(6)}.part{path.suffix}"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL, 0o666))
        partial.write_text(text, encoding="utf-8", newline="")
        _reach_the_disk(partial)
        os.replace(partial, path)
        _reach_the_disk(path.parent)
    except OSError as error:
        raise _not_written("file", path, error) from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def check_replaceable(folder: pathlib.Path, replace: bool) -> None:
    """Checks that `folder` is new, empty or, with `replace`, prepared.

    What a process that was killed has left beside it is tidied up.

    Raises:
        DataError: it is not.
    """
    folder = pathlib.Path(os.path.realpath(folder))
    _tidy_up(folder)
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


def _tidy_up(folder: pathlib.Path) -> None:
    """Ends what processes that were killed have left of `folder`."""
    pattern = f".{glob.escape(folder.name)}.partial-*"
    for partial in folder.parent.glob(pattern):
        try:
            with open(partial / _LOCK, "rb") as lock:
                _take(lock)
                if (partial / _OLD).exists() and not folder.exists():
                    os.rename(partial / _OLD, folder)
                shutil.rmtree(partial, ignore_errors=True)
        except OSError:  # it is alive, or there is no lock yet
            continue


def _take(lock) -> None:
    """Locks a file as long as this process has it open.

    Raises:
        OSError: another process has it.
    """
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _reach_the_disk(path: pathlib.Path) -> None:
    """Waits until a file's content, or a folder's list of names, is stored."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_written(what: str, path: pathlib.Path, error: OSError) -> DataError:
    return DataError(
        f"Expected a {what} that can be written. Received: {path} "
        f"({error.strerror or error or type(error).__name__})"
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
