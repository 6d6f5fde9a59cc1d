"""Fields that another character than a comma separates."""

import csv
import io
from typing import Any

_BLOCK = 1 << 20
# A quote that nobody closes does not hold up more bytes.
_LONGEST = 1 << 26
_BOM = "\ufeff"


class WithCommas(io.RawIOBase):
    """A byte stream in which commas separate what `separator` did.

    Fields that hold a comma, or the separator itself within quotes, come out
    quoted; lines stay the ones they are.
    """

    def __init__(self, stream: Any, separator: str):
        super().__init__()
        self._stream = io.BufferedReader(stream)
        self._separator = separator
        self._ready = b""
        self._is_at_start = True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._ready:
            lines = self._whole_lines()
            if self._is_at_start:
                lines = lines.removeprefix(_BOM.encode())
            self._is_at_start = False
            self._ready = with_commas(lines, self._separator)
        view = memoryview(buffer)
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _whole_lines(self) -> bytes:
        """The next ones, no quoted field cut in two; none at the end."""
        found = []
        num_quotes = size = 0
        while block := self._stream.read(_BLOCK):
            line = self._stream.readline()
            found += [block, line]
            num_quotes += block.count(b'"') + line.count(b'"')
            size += len(block) + len(line)
            if num_quotes % 2 == 0 or size > _LONGEST:
                break
        return b"".join(found)

    def close(self) -> None:
        self._stream.close()
        super().close()


def with_commas(lines: bytes, separator: str) -> bytes:
    r"""Lines of fields, separated by commas instead.

    >>> with_commas(b'1;4,5\n"a;b";2\n', ";")
    b'1,"4,5"\na;b,2\n'

    Args:
        lines: whole ones.
        separator: a character, or several: those separate wherever they
            stand, as in MovieLens' files, which quote nothing.

    Raises:
        csv.Error: a quoted field that does not end.
    """
    is_quoted = len(separator) == 1 and b'"' in lines
    if not is_quoted and b"," not in lines:
        return lines.replace(separator.encode(), b",")
    text = lines.decode("utf-8", "surrogateescape")
    rows: Any
    if len(separator) == 1:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    else:
        rows = (
            line.removesuffix("\r").split(separator) if line.strip() else []
            for line in text.removesuffix("\n").split("\n")
        )
    target = io.StringIO(newline="")
    csv.writer(target, lineterminator="\n").writerows(rows)
    return target.getvalue().encode("utf-8", "surrogateescape")
