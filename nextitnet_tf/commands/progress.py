"""How far a command is, on stderr."""

import sys
import time

# Seconds between two lines where there is no terminal.
_PAUSE = 30.0


class Progress:
    """A moving line in a terminal, a line now and then elsewhere.

    Args:
        what: is counted.

    Attributes:
        num_done: by now.
    """

    def __init__(self, what: str):
        self._what = what
        self._is_terminal = sys.stderr.isatty()
        self._began = self._shown = time.monotonic()
        self._first: int | None = None
        self.num_done = 0

    def __call__(self, num_done: int) -> None:
        """Says how many are done."""
        now = time.monotonic()
        # What was done before is no speed, nor is what comes first.
        if self._first is None:
            self._first, self._began = num_done, now
        self.num_done = num_done
        if not self._is_terminal and now - self._shown < _PAUSE:
            return
        self._shown = now
        seconds = max(now - self._began, 1e-9)
        speed = (num_done - self._first) / seconds
        start, end = ("\r", "") if self._is_terminal else ("", "\n")
        rate = f", {speed:,.0f} a second" * (num_done > self._first)
        print(
            f"{start}{num_done:,} {self._what}{rate}    ",
            end=end,
            file=sys.stderr,
            flush=True,
        )

    def end(self) -> None:
        """Ends the moving line."""
        if self._is_terminal:
            print(file=sys.stderr)
