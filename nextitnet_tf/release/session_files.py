"""Reads the release's csv files, numbering items as its loaders do.

Both loaders hand each line to a tokeniser of TensorFlow 1's contrib: words,
by a regular expression, are numbered 1, 2, ... in the order in which they
first appear; 0 is `<UNK>`. Padding is the word `0`, an item like any other.
"""

import functools
import gzip
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nextitnet_tf import memory
from nextitnet_tf.release import csv_fields
from nextitnet_tf.release.numbering import number_by_first_appearance

UNKNOWN = "<UNK>"
PADDING = "0"

# A word: two or more capitals that no small letter follows; a capitalised
# word that a capital follows; else letters, digits, _ ' and -. So `12.0` is
# two words and `fooBar` one; commas are never part of a word, which lets us
# tokenise field by field.
_WORD = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z][a-z]+(?=[A-Z])|['\w-]+")


class Transfer(NamedTuple):
    """A `source,,target` file as the release's fine-tuning reads it.

    Attributes:
        examples: (num_examples, t + 2) int32, one a target item: t source
            ids, a 0 that the release appends, the target id.
        users: (num_examples,) int32, the line each example comes from,
            counted from 0.
        source_vocabulary: source token -> id, in id order, from `<UNK>` 0.
        target_vocabulary: target token -> id, likewise and apart.
    """

    examples: np.ndarray
    users: np.ndarray
    source_vocabulary: dict[str, int]
    target_vocabulary: dict[str, int]


def read_sessions(csv) -> tuple[np.ndarray, dict[str, int]]:
    """Reads a csv of sessions as the release's loader does.

    A line is a session, oldest item first. A line with fewer fields than the
    widest is padded on the left with the word `0`.

    Args:
        csv: path of the file (gzip too). Fields that are no single word of
            at most 64 bytes (`12.0` is two) make reading several times
            slower.

    Returns:
        (num_rows, t) int32 item ids, and {token: id} in id order, from
        `<UNK>` with id 0 on; its length is the release's `item_size`.

    Raises:
        ValueError: no such file, an empty one, or one with an empty line or
            field: the release would shift the rest of that line by an item.

    Reference:
        The release's `data_loader.py`.
    """
    text = _read_bytes(csv)
    fields = csv_fields.parse(text, _is_word)
    if fields is None:
        lines = [
            _split(line, csv, number)
            for number, line in enumerate(_lines(text, csv), start=1)
        ]
        t = max(map(len, lines))
        _check_fits(csv, len(lines), t)
        return _number_words([[PADDING] * (t - len(f)) + f for f in lines])
    t = int(fields.counts.max())
    _check_fits(csv, len(fields.counts), t)
    if len(fields.codes) == t * len(fields.counts):
        rows = fields.codes.reshape(-1, t)
    else:
        rows = np.full((len(fields.counts), t), fields.code(PADDING), "int32")
        rows[np.arange(t) >= t - fields.counts[:, None]] = fields.codes
    ids, order = number_by_first_appearance(rows)
    return ids, _vocabulary(fields, order)


def read_transfer(csv, whole_fields: bool = False) -> Transfer:
    """Reads a file of `source items,,target items` as the release does.

    Source and target items are numbered apart, each by first appearance in
    this very file. The release pads a short source on the RIGHT with 0; its
    pre-training pads on the left.

    Args:
        csv: path of the file (gzip too).
        whole_fields: take every field as one item, where the release's
            tokeniser makes two of `12.0` or `AB12`.

    Returns:
        One example a target item, in the file's order.

    Raises:
        ValueError: no such file, an empty one, a line without `,,` or with
            an empty field.

    Reference:
        The release's `data_loader_finetune.py`.
    """
    text = _read_bytes(csv)
    is_item = (lambda field: True) if whole_fields else _is_word
    fields = csv_fields.parse(text, is_item, gaps=True)
    sides = None if fields is None else _sides(fields)
    if sides is None:  # words by the tokeniser, or a line that is wrong
        items_of = (lambda field: [field]) if whole_fields else _WORD.findall
        sides = tuple(
            _number_words(words, items_of)
            for words in _split_transfer(text, csv)
        )
    (source_rows, source_vocabulary), (target_rows, target_vocabulary) = sides
    users, places = np.nonzero(target_rows)
    examples = np.zeros((len(users), source_rows.shape[1] + 2), "int32")
    examples[:, :-2] = source_rows[users]
    examples[:, -1] = target_rows[users, places]
    return Transfer(
        examples, users.astype("int32"), source_vocabulary, target_vocabulary
    )


def _read_bytes(csv) -> bytes:
    path = Path(csv)
    try:
        if path.exists() and not path.is_file():
            raise OSError("no file")
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = _decompress(path)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(
            f"Expected a csv file that can be read. Received: {path} ({error})"
        ) from None
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    content = content.removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise ValueError(f"Expected sessions. Received: {path}, an empty file")
    return content if content.endswith(b"\n") else content + b"\n"


def _check_fits(csv, num_rows: int, t: int) -> None:
    """Refuses rows that one long line makes too long for memory."""
    memory.check_fits(
        num_rows * t * 4, f"{csv} with {num_rows:,} rows of t={t:,}"
    )


def _decompress(path: Path) -> bytes:
    """The bytes of a gzip file, if they leave room for what they become."""
    blocks = []
    size = 0
    with gzip.open(path) as file:
        for block in iter(functools.partial(file.read, 1 << 20), b""):
            size += len(block)
            memory.check_fits(size * 4, f"the text of {path}")
            blocks.append(block)
    return b"".join(blocks)


def _is_word(field: str) -> bool:
    return _WORD.findall(field) == [field]


def _lines(text: bytes, csv) -> list[str]:
    try:
        return text.decode("utf-8").split("\n")[:-1]
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{csv}, line {line}: expected UTF-8 text. "
            f"Received: {text[error.start : error.start + 20]!r}"
        ) from None


def _split(line: str, csv, number: int) -> list[str]:
    fields = [field.strip() for field in line.split(",")]
    if "" in fields:
        raise ValueError(
            f"{csv}, line {number}: expected an item in every field. "
            f"Received: {line[:60]!r}"
        )
    return fields


def _split_transfer(
    text: bytes, csv
) -> tuple[list[list[str]], list[list[str]]]:
    """The fields of each line, before the `,,` and after it."""
    sources, targets = [], []
    for number, line in enumerate(_lines(text, csv), start=1):
        source, separator, target = line.partition(",,")
        if not separator:
            raise ValueError(
                f"{csv}, line {number}: expected `source items,,target "
                f"items`. Received: {line[:60]!r}"
            )
        sources.append(_split(source, csv, number))
        targets.append(_split(target, csv, number))
    return sources, targets


def _sides(
    fields: csv_fields.Fields,
) -> tuple[tuple[np.ndarray, dict[str, int]], ...] | None:
    """Rows and vocabulary of sources, and of targets.

    None if a line has not exactly one empty field, with others around it.
    """
    ends = np.cumsum(fields.counts, dtype="int64")
    starts = ends - fields.counts
    gaps = np.flatnonzero(fields.codes == csv_fields.GAP)
    if (
        len(gaps) != len(ends)
        or (gaps <= starts).any()
        or (gaps >= ends - 1).any()
    ):
        return None
    places = np.arange(len(fields.codes))
    gap_of_field = np.repeat(gaps, fields.counts)
    return (
        _number_side(fields, places < gap_of_field, gaps - starts),
        _number_side(fields, places > gap_of_field, ends - 1 - gaps),
    )


def _number_side(
    fields: csv_fields.Fields, chosen: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, dict[str, int]]:
    numbered, order = number_by_first_appearance(fields.codes[chosen])
    ids = np.zeros((len(counts), counts.max()), "int32")
    ids[np.arange(ids.shape[1]) < counts[:, None]] = numbered
    return ids, _vocabulary(fields, order)


def _vocabulary(fields: csv_fields.Fields, order: np.ndarray) -> dict[str, int]:
    words = [UNKNOWN, *(fields.word(code) for code in order[1:].tolist())]
    return {word: i for i, word in enumerate(words)}


def _number_words(
    lines: list[list[str]],
    items_of: Callable[[str], list[str]] = _WORD.findall,
) -> tuple[np.ndarray, dict[str, int]]:
    """Numbers the words of all fields; lines get ids, 0 at their end.

    A field that is no single word makes its line longer or shorter; words
    beyond the widest line's fields are numbered, then cut off.
    """
    t = max(map(len, lines))
    vocabulary = {UNKNOWN: 0}
    ids_of_field: dict[str, list[int]] = {}
    rows = np.zeros((len(lines), t), "int32")
    for row, fields in zip(rows, lines, strict=True):
        ids: list[int] = []
        for field in fields:
            known = ids_of_field.get(field)
            if known is None:
                known = ids_of_field[field] = [
                    vocabulary.setdefault(word, len(vocabulary))
                    for word in items_of(field)
                ]
            ids += known
        row[: len(ids)] = ids[:t]
    return rows, vocabulary
