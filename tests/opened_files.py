"""What this process opens for writing, seen and made to fail."""

import contextlib
import errno
import os
import sys
from collections.abc import Callable
from collections.abc import Iterator

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
# What the hook of this process, which cannot be taken back, does at an open.
_at_open: list[Callable[[str], None]] = []


def _hook(event, arguments):
    if event == "open" and _at_open:
        path, mode, flags = arguments
        is_written = bool(flags & _WRITING) if flags else "w" in (mode or "")
        if isinstance(path, str) and is_written:
            _at_open[-1](path)


sys.addaudithook(_hook)


@contextlib.contextmanager
def watched(function: Callable[[str], None]) -> Iterator[None]:
    """Calls a function with the path of each file opened for writing."""
    _at_open.append(function)
    try:
        yield
    finally:
        _at_open.remove(function)


@contextlib.contextmanager
def failing(
    is_meant: Callable[[str], bool], at: int = 1, code: int = errno.ENOSPC
) -> Iterator[None]:
    """Has an open fail, of the paths that are meant the first or a later."""
    count = 0

    def fail(path):
        nonlocal count
        if is_meant(path):
            count += 1
            if count == at:
                raise OSError(code, os.strerror(code), path)

    with watched(fail):
        yield
