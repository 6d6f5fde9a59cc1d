"""Fields that another character than a comma separates."""

import csv
import io
import itertools
from collections.abc import Iterable
from collections.abc import Iterator
from typing import Any

_BLOCK = 1 << 20
# Lines of fields in quotes that are written at a time.
_LINES = 10_000
_BOM = b"\xef\xbb\xbf"
# Characters of a field, at most; Python's reader has 131,072 as a rule.
_LONGEST = 1 << 26


class WithCommas(io.RawIOBase):
    """A byte stream in which commas separate what `separator` did.

    Fields that hold a comma, or the separator itself within quotes, come out
    quoted; lines stay the ones they are. Several characters separate wherever
    they stand, as in MovieLens' files, which quote nothing.

    Reading raises `csv.Error` at a quote that is not closed where its field
    ends.
    """

    def __init__(self, stream: Any, separator: str):
        super().__init__()
        self._stream = stream
        self._blocks = _converted(io.BufferedReader(stream), separator)
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._ready:
            block = next(self._blocks, None)
            if block is None:
                break
            self._ready = block
        view = memoryview(buffer)
        size = min(len(view), len(self._ready))
        view[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def close(self) -> None:
        self._stream.close()
        super().close()


def reader(lines: Iterable[str], separator: str = ",") -> Any:
    """A strict csv reader."""
    return csv.reader(lines, delimiter=separator, strict=True)


def _converted(source: io.BufferedReader, separator: str) -> Iterator[bytes]:
    is_first = True
    while lines := source.read(_BLOCK):
        lines += source.readline()
        if is_first:
            lines = lines.removeprefix(_BOM)
        is_first = False
        has_quotes = b'"' in lines
        if has_quotes and len(separator) == 1:
            # A field may go on over lines, to a block that nobody has read.
            rest = itertools.chain(io.BytesIO(lines), source)
            yield from _written(reader(_texts(rest), separator))
            return
        if has_quotes or b"," in lines:
            texts = io.StringIO(_text(lines), newline=None)
            yield from _written(
                line.removesuffix("\n").split(separator) if line.strip() else []
                for line in texts
            )
        else:
            yield lines.replace(separator.encode(), b",")


def _texts(lines: Iterable[bytes]) -> Iterator[str]:
    """Lines as a csv reader has them: a carriage return alone ends one, too."""
    for line in lines:
        text = _text(line)
        if "\r" in text.rstrip("\r\n"):
            yield from io.StringIO(text, newline="")
        else:
            yield text


def _text(line: bytes) -> str:
    """What is no UTF-8 comes out as it was."""
    return line.decode("utf-8", "surrogateescape")


def _written(rows: Iterator[list[str]]) -> Iterator[bytes]:
    """Rows as csv; those before an error come before it."""
    while True:
        target = io.StringIO(newline="")
        # With this end of a line a field that has either half of it is quoted.
        writer = csv.writer(target, lineterminator="\r\n")
        error = None
        usual = csv.field_size_limit(_LONGEST)
        try:
            writer.writerows(itertools.islice(rows, _LINES))
        except csv.Error as raised:
            error = raised
        finally:
            csv.field_size_limit(usual)
        if target.tell():
            yield target.getvalue().encode("utf-8", "surrogateescape")
        if error is not None:
            raise error
        if not target.tell():
            return
