"""The fields of a csv of items, as arrays.

Fields are taken from the bytes of a file eight at a time, so that no Python
object is made for each: only for each distinct one, in a block of the file.
"""

from collections.abc import Callable
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

# The code of an empty field.
GAP = -1

# Bytes parsed at a time. Numbers: all that is computed from them stays in
# the cache. Words: the distinct ones of a block cost a Python object each.
_NUMBERS_BLOCK = 1 << 18
_WORDS_BLOCK = 1 << 21
# Longer fields are left to the caller.
_LONGEST = 64

_COMMA, _NEWLINE, _ZERO, _NINE = b",\n09"


class Fields(NamedTuple):
    """All fields of a csv.

    Attributes:
        codes: (num_fields,) int32, one a field, equal where the fields are
            equal; `GAP` where a field is empty.
        counts: (num_lines,) int32, fields of each line.
        words: the field each code stands for; None if that is the code
            itself, in decimal digits.
    """

    codes: np.ndarray
    counts: np.ndarray
    words: list[str] | None

    def word(self, code: int) -> str:
        """The field that a code stands for."""
        return str(code) if self.words is None else self.words[code]

    def code(self, word: str) -> int:
        """The code of a field, a new one if there is no such field.

        Args:
            word: if `words` is None, a number in decimal digits.
        """
        if self.words is None:
            return int(word)
        if word not in self.words:
            self.words.append(word)
        return self.words.index(word)


def parse(
    text: bytes, is_word: Callable[[str], bool], *, gaps: bool = False
) -> Fields | None:
    """Splits a csv into fields.

    Args:
        text: lines, each with its newline; fields between commas, white
            space around them does not count.
        is_word: whether a field is one the caller can take as a whole.
        gaps: whether fields can be empty.

    Returns:
        The fields; None if one is empty but must not be, is not `is_word`,
        is longer than 64 bytes, is not UTF-8, or has a zero byte.
    """
    return _parse_numbers(text, gaps) or _parse_words(text, is_word, gaps)


def _blocks(text: bytes, size: int) -> Iterator[bytes]:
    """Whole lines, about `size` bytes of them at a time."""
    start = 0
    while start < len(text):
        end = text.rfind(b"\n", start, start + size) + 1
        if end <= start:  # a line longer than a block
            end = text.index(b"\n", start) + 1
        yield text[start:end]
        start = end


def _lengths(ends: np.ndarray, start: int) -> np.ndarray:
    """How long the fields are that end before each of `ends`."""
    lengths = np.diff(ends, prepend=start - 1)
    lengths -= 1
    return lengths


def _counts(is_line_end: np.ndarray) -> np.ndarray:
    line_ends = np.flatnonzero(is_line_end)
    return np.diff(line_ends, prepend=-1).astype("int32")


def _eights(block: np.ndarray) -> np.ndarray:
    """The eight bytes from each place on, as one number."""
    return np.ndarray((len(block) - 7,), "<u8", buffer=block, strides=(1,))


def _last_bytes(pattern: int) -> np.ndarray:
    """Of eight bytes, masks that keep the last 0, 1, ... 8 of them."""
    keep = [(pattern >> (64 - 8 * n)) << (64 - 8 * n) for n in range(9)]
    return np.array(keep, "uint64")


def _parse_numbers(text: bytes, gaps: bool) -> Fields | None:
    """All fields, if each is a number of up to 8 digits.

    Printed as numbers are: `007` is another word than `7`.
    """
    codes, counts = [], []
    for content in _blocks(text, _NUMBERS_BLOCK):
        block = np.frombuffer(b"00000000" + content, "uint8")
        if block.max() > _NINE:
            return None
        ends = np.flatnonzero(block < _ZERO)
        kinds = block[ends]
        is_line_end = kinds == _NEWLINE
        if not (is_line_end | (kinds == _COMMA)).all():
            return None
        lengths = _lengths(ends, 8)
        if lengths.min() < (not gaps) or lengths.max() > 8:
            return None
        if ((block[ends - lengths] == _ZERO) & (lengths > 1)).any():
            return None
        found = _numbers(_eights(block)[ends - 8], lengths)
        if gaps:
            found[lengths == 0] = GAP
        codes.append(found)
        counts.append(_counts(is_line_end))
    return Fields(np.concatenate(codes), np.concatenate(counts), None)


_DIGITS = _last_bytes(0x0F0F0F0F0F0F0F0F)


def _numbers(eights: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Fields of ASCII digits, ending at the last of eight bytes, as int32.

    The first digit is the lowest byte. Neighbours are joined to pairs,
    pairs to fours, fours to eight, by three multiplications in all.
    """
    digits = eights & _DIGITS[lengths]
    pairs = digits * np.uint64(10)
    digits >>= np.uint64(8)
    pairs += digits
    low = np.uint64(0x000000FF000000FF)
    upper = pairs >> np.uint64(16)
    upper &= low
    upper *= np.uint64(1 + (10_000 << 32))
    pairs &= low
    pairs *= np.uint64(100 + (1_000_000 << 32))
    pairs += upper
    pairs >>= np.uint64(32)
    return pairs.astype("int32")


def _parse_words(
    text: bytes, is_word: Callable[[str], bool], gaps: bool
) -> Fields | None:
    """All fields, if each is a single word."""
    code_of_bytes: dict[bytes, int] = {b"": GAP} if gaps else {}
    code_of: dict[str, int] = {}
    codes, counts = [], []
    for content in _blocks(text, _WORDS_BLOCK):
        found = _words(content)
        if found is None:
            return None
        distinct, numbers, counts_of_block = found
        for field in distinct:
            if field in code_of_bytes:
                continue
            try:
                word = field.decode("utf-8").strip()
            except UnicodeDecodeError:
                return None
            if not is_word(word):
                return None
            code_of_bytes[field] = code_of.setdefault(word, len(code_of))
        of_distinct = [code_of_bytes[field] for field in distinct]
        codes.append(np.array(of_distinct, "int32")[numbers])
        counts.append(counts_of_block)
    return Fields(np.concatenate(codes), np.concatenate(counts), list(code_of))


def _words(content: bytes) -> tuple[list[bytes], np.ndarray, np.ndarray] | None:
    """The fields of some lines.

    Returns:
        The distinct fields; for each field which of them it is; the number
        of fields of each line. None if a field is too long or has a zero
        byte.
    """
    block = np.frombuffer(content, "uint8")
    ends = np.flatnonzero((block == _COMMA) | (block == _NEWLINE))
    lengths = _lengths(ends, 0)
    # A zero byte in a field could not be told from one in front of it.
    if lengths.max() > _LONGEST or block.min() == 0:
        return None
    numbers = _number(content, ends, lengths)
    firsts = np.empty(numbers.max() + 1, "int64")
    firsts[numbers[::-1]] = np.arange(len(numbers) - 1, -1, -1)
    ends_of = ends[firsts]
    starts_of = ends_of - lengths[firsts]
    distinct = [
        content[start:end]
        for start, end in zip(starts_of.tolist(), ends_of.tolist(), strict=True)
    ]
    return distinct, numbers, _counts(block[ends] == _NEWLINE)


_BYTES = _last_bytes(0xFFFFFFFFFFFFFFFF)


def _number(
    content: bytes, ends: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Numbers fields 0, 1, ... so that equal fields have equal numbers.

    First by their last eight bytes; of those that are longer, then by that
    and the eight bytes before; and so on.
    """
    in_front = (int(lengths.max()) + 7) // 8 * 8 + 8
    block = np.frombuffer(bytes(in_front) + content, "uint8")
    eights = _eights(block)
    places = ends + (in_front - 8)
    keys = eights[places] & _BYTES[np.minimum(lengths, 8)]
    numbers = pd.factorize(keys)[0]
    for done in range(8, int(lengths.max()), 8):
        longer = np.flatnonzero(lengths > done)
        before = np.minimum(lengths[longer] - done, 8)
        keys = eights[places[longer] - done] & _BYTES[before]
        pairs = numbers[longer] << 32 | pd.factorize(keys)[0]
        numbers[longer] = numbers.max() + 1 + pd.factorize(pairs)[0]
    if lengths.max() > 8:  # some numbers are no longer in use
        numbers = pd.factorize(numbers)[0]
    return numbers
