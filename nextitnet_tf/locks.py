"""One process at a time in a folder."""

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path


def is_left(folder: Path) -> bool:
    """Whether there is a lock, taken or left by a process that was killed."""
    return _path(folder).exists()


def owner(folder: Path) -> str:
    """Who has locked a folder, in words; "" where nobody has."""
    return _owner(_path(folder)) if is_left(folder) else ""


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Keeps other processes from working in a folder.

    The lock is a file beside the folder that the system releases when its
    process ends, however that ends; so there are no stale locks.

    Args:
        folder: of a run, or of answers; it need not exist.

    Raises:
        OSError: another process works there; the message names it.
    """
    path = _path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path) as file:
        file.truncate(0)
        owner = {"host": socket.gethostname(), "pid": os.getpid()}
        file.write(json.dumps(owner))
        file.flush()
        try:
            yield
        finally:
            # While it is still locked: who opens it now finds out below.
            path.unlink(missing_ok=True)


def _path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator:
    """The file, open and locked by this process alone."""
    while True:
        with open(path, "a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OSError(
                    f"{path.with_suffix('')} is in use by {_owner(path)}: "
                    "wait for it, or name another --output"
                ) from None
            except OSError as error:
                path.unlink(missing_ok=True)
                raise OSError(
                    error.errno,
                    f"{error.strerror}: expected a file system that can lock "
                    "files; name another --output",
                    str(path),
                ) from None
            if _is_still_there(file, path):
                yield file
                return


def _is_still_there(file, path: Path) -> bool:
    """Whether the locked file is the one of that name.

    The process before may have removed it between our opening and locking.
    """
    try:
        return os.fstat(file.fileno()).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def _owner(path: Path) -> str:
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return f"process {owner['pid']} on {owner['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
