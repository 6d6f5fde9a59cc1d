"""Signals that would end the process, held until its work is kept."""

import contextlib
import signal
import threading
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def held(notice: Callable[[], None]) -> Iterator[None]:
    """Holds back SIGINT and SIGTERM until the block has ended.

    Only the first one is held: whoever asks twice does not want to wait.
    Signals that are ignored stay so, and a thread that is not the main one,
    which gets none, holds none.

    Args:
        notice: called when a signal comes; it should have the block end.
    """
    came: list[int] = []
    before: dict[int, Any] = {}

    def release() -> None:
        for signum, handler in before.items():
            signal.signal(signum, handler)
        before.clear()

    def hold(signum, frame) -> None:
        came.append(signum)
        if len(came) > 1:
            release()
            signal.raise_signal(signum)
            return
        notice()

    if threading.current_thread() is threading.main_thread():
        for signum in _ENDING:
            # None is a handler that was not set by Python.
            if signal.getsignal(signum) not in (signal.SIG_IGN, None):
                before[signum] = signal.signal(signum, hold)
    try:
        yield
    finally:
        release()
    if came:
        signal.raise_signal(came[0])
