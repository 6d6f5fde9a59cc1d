"""Raw user and item ids: integers if all of them are, otherwise strings."""

import re
from typing import Any

import numpy as np
import pandas as pd

_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_INT64 = np.iinfo(np.int64)

# Of an integer of 64 bits, and its sign.
_DIGITS = 20
# All that can make an integer look other than it is printed.
_ODD = (b'"', b" ", b"\t", b"+", b"-0", b",00", b",01")
_TRANSLATION = bytes.maketrans(b"\n\r23456789", b",,11111111")


def is_odd(text: bytes) -> bool:
    """Whether a field may be an integer that is not printed as one.

    Parsed as an integer, such a field (`007`, `+7`, `"7"`) would lose what it
    looked like. A quick look at all bytes of comma-separated lines; "yes"
    only means that ids have to be read as strings to be sure.
    """
    text = text.translate(_TRANSLATION)
    return any(part in text for part in _ODD)


def has_line_end(raw_id: str) -> bool:
    """Whether an id breaks the line it is written on.

    Such an id is two lines run together, by a quote that nobody closed, and
    cannot be named in a file of one history a line.
    """
    return "\n" in raw_id or "\r" in raw_id


class RawIds:
    """Numbers raw ids 0, 1, ... in order of first appearance.

    Ids are ints, or strings from which white space at the ends is cut.
    """

    def __init__(self) -> None:
        self._codes: dict[Any, int] = {}

    def encode(self, values: Any) -> np.ndarray:
        """Turns an array of ids into an int32 array of their numbers."""
        codes, unique = pd.factorize(values)
        known = self._codes
        numbers = [
            known.setdefault(
                value.strip() if isinstance(value, str) else value, len(known)
            )
            for value in unique.tolist()
        ]
        return np.asarray(numbers, np.int32)[codes]

    def __contains__(self, raw_id: Any) -> bool:
        return raw_id in self._codes

    def number(self, raw_id: Any) -> int:
        """The number of one id, -1 if it has none."""
        return self._codes.get(raw_id, -1)

    def in_order(self) -> tuple[list[Any], np.ndarray]:
        """Orders the ids: integers as integers, strings by code point.

        They are integers if each one is written as an integer is printed
        (`7`, not `007` or `+7`) and fits into 64 bits.

        Returns:
            `(ids, rank)`: the ids in order, and the place there of every
            number that `encode` has given.
        """
        ids = list(self._codes)
        if not all(isinstance(raw_id, int) for raw_id in ids):
            ids = _as_integers(ids) or ids
        order = sorted(range(len(ids)), key=ids.__getitem__)
        rank = np.empty(len(ids), np.int32)
        rank[order] = np.arange(len(ids), dtype=np.int32)
        return [ids[number] for number in order], rank


def _as_integers(ids: list[str]) -> list[int] | None:
    if not all(_INTEGER.fullmatch(raw_id) for raw_id in ids):
        return None
    if max(map(len, ids)) > _DIGITS:
        return None
    integers = [int(raw_id) for raw_id in ids]
    if min(integers) < _INT64.min or max(integers) > _INT64.max:
        return None
    return integers
