"""Looks at the bytes of a csv file while a fast reader takes them."""

import io
from typing import Any

import numpy as np

from nextitnet_tf.preparation.raw_ids import is_odd

_COMMA, _NEWLINE, _RETURN, _QUOTE = b',\n\r"'


class Watch(io.RawIOBase):
    """A byte stream that notes what passes through it.

    The fast reader is lenient: lines of too many fields, quotes that are not
    closed and zero bytes change what it reads without an error. They leave
    traces in the bytes, which cost little to look for.

    Attributes:
        odd: whether a field may be an integer that is not printed as one.
    """

    def __init__(self, stream: io.BufferedReader):
        super().__init__()
        self._stream = stream
        self._tail = b"\n"  # as if a line had just ended
        self._num_commas = 0
        self._num_lines = 0
        self._num_returns = 0
        self._num_quotes = 0
        self._has_zero = False
        self._has_stray_quote = False
        self.odd = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        size = self._stream.readinto(buffer)
        block = bytes(memoryview(buffer)[:size])
        if not block and not self._tail.endswith(b"\n"):
            block = b"\n"  # as if the last line had an end
        text = self._tail + block
        self._num_commas += block.count(b",")
        self._num_lines += block.count(b"\n")
        # Those without a newline after them are left.
        self._num_returns += block.count(b"\r")
        self._num_returns -= (text[len(self._tail) - 1 :]).count(b"\r\n")
        self._has_zero = self._has_zero or b"\0" in block
        self.odd = self.odd or is_odd(text)
        if b'"' in block or self._tail.endswith(b'"'):
            self._look_at_quotes(text, len(self._tail))
        if block:
            self._tail = text[-2:]
        return size

    def is_suspicious(self, num_rows: int, num_columns: int) -> bool:
        """Whether the fast reader may have read other than what is there.

        Args:
            num_rows: lines that it has read.
            num_columns: fields that each of them has.

        Returns:
            False if it has certainly not.
        """
        return (
            self._num_commas != num_rows * (num_columns - 1)
            or (self._num_quotes > 0 and self._num_lines != num_rows)
            or self._num_quotes % 2 > 0
            or self._num_returns > 0
            or self._has_stray_quote
            or self._has_zero
        )

    def _look_at_quotes(self, text: bytes, start: int) -> None:
        """Finds quotes that neither begin nor end a field.

        Every other one opens. Before it is the end of another field, or the
        first half of a quote that is written twice; after the next one
        likewise.

        Args:
            text: a block and, before it, some bytes that were looked at.
            start: where the block begins.
        """
        data = np.frombuffer(text, np.uint8)
        is_edge = (data == _COMMA) | (data == _QUOTE)
        is_edge |= (data == _NEWLINE) | (data == _RETURN)
        places = np.flatnonzero(data[start:] == _QUOTE) + start
        opens = places[self._num_quotes % 2 :: 2]
        closes = places[(self._num_quotes + 1) % 2 :: 2]
        # What follows a block's last byte is seen with the next block.
        closes = closes[closes < len(data) - 1]
        is_right = is_edge[opens - 1].all() and is_edge[closes + 1].all()
        if self._num_quotes and not self._num_quotes % 2:
            last = data[start - 1] == _QUOTE and start < len(data)
            is_right = is_right and (not last or is_edge[start])
        self._has_stray_quote = self._has_stray_quote or not is_right
        self._num_quotes += len(places)
