"""Reads the release's csv files, numbering items as its loaders do.

Both loaders hand each line to a tokeniser of TensorFlow 1's contrib: words,
by a regular expression, are numbered 1, 2, ... in the order in which they
first appear; 0 is `<UNK>`. Padding is the word `0`, an item like any other.
"""

import gzip
import re
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from nextitnet_tf.release.numbering import number_by_first_appearance

UNKNOWN = "<UNK>"
PADDING = "0"

# A word: two or more capitals that no small letter follows; a capitalised
# word that a capital follows; else letters, digits, _ ' and -. So `12.0` is
# two words and `fooBar` one; commas are never part of a word, which lets us
# tokenise field by field.
_WORD = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z][a-z]+(?=[A-Z])|['\w-]+")

# Bytes parsed at a time: all that is computed from them stays in the cache.
_BLOCK = 1 << 18


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
        csv: path of the file (gzip too). Numbers of up to 8 digits are read
            several times faster than other words.

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
    parsed = _parse_numbers(text)
    if parsed is None:
        return _number_fields(_lines(text, csv), csv, pad_left=True)
    values, num_fields = parsed
    t = int(num_fields.max())
    if len(values) == t * len(num_fields):
        rows = values.reshape(-1, t)
    else:
        rows = np.full((len(num_fields), t), int(PADDING), "int32")
        rows[np.arange(t) >= t - num_fields[:, None]] = values
    ids, tokens = number_by_first_appearance(rows)
    words = [UNKNOWN, *map(str, tokens[1:].tolist())]
    return ids, {word: i for i, word in enumerate(words)}


def read_transfer(csv) -> Transfer:
    """Reads a file of `source items,,target items` as the release does.

    Source and target items are numbered apart, each by first appearance in
    this very file. The release pads a short source on the RIGHT with 0; its
    pre-training pads on the left.

    Args:
        csv: path of the file (gzip too).

    Returns:
        One example a target item, in the file's order.

    Raises:
        ValueError: no such file, an empty one, a line without `,,` or with
            an empty field.

    Reference:
        The release's `data_loader_finetune.py`.
    """
    sources, targets = [], []
    for number, line in enumerate(_lines(_read_bytes(csv), csv), start=1):
        source, separator, target = line.partition(",,")
        if not separator:
            raise ValueError(
                f"{csv}, line {number}: expected `source items,,target "
                f"items`. Received: {line[:60]!r}"
            )
        sources.append(source)
        targets.append(target)
    source_rows, source_vocabulary = _number_fields(
        sources, csv, pad_left=False
    )
    target_rows, target_vocabulary = _number_fields(
        targets, csv, pad_left=False
    )
    users, places = np.nonzero(target_rows)
    examples = np.concatenate(
        [
            source_rows[users],
            np.zeros((len(users), 1), "int32"),
            target_rows[users, places][:, None],
        ],
        axis=1,
    )
    return Transfer(
        examples, users.astype("int32"), source_vocabulary, target_vocabulary
    )


def _read_bytes(csv) -> bytes:
    path = Path(csv)
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
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


def _parse_numbers(text: bytes) -> tuple[np.ndarray, np.ndarray] | None:
    """All numbers of a csv, and how many each line has.

    None if a field is anything but a number of up to 8 digits, printed as
    numbers are: then it is for the tokeniser to say what it is.

    Eight bytes that end where a field ends are taken as one 64-bit word,
    from which three multiplications make the number.
    """
    values, num_fields = [], []
    start = 0
    while start < len(text):
        end = text.rfind(b"\n", start, start + _BLOCK) + 1
        if end <= start:  # a line longer than a block
            end = text.index(b"\n", start) + 1
        block = np.frombuffer(b"00000000" + text[start:end], "uint8")
        start = end
        if block.max() > ord("9"):
            return None
        ends = np.flatnonzero(block < ord("0"))
        kinds = block[ends]
        is_line_end = kinds == ord("\n")
        if not (is_line_end | (kinds == ord(","))).all():
            return None
        starts = np.empty_like(ends)
        starts[0] = 8
        starts[1:] = ends[:-1] + 1
        lengths = ends - starts
        if lengths.min() < 1 or lengths.max() > 8:
            return None
        if ((block[starts] == ord("0")) & (lengths > 1)).any():
            return None  # `007` is another word than `7`
        words = np.ndarray((len(block) - 7,), "<u8", buffer=block, strides=(1,))
        values.append(_numbers(words[ends - 8], lengths))
        line_ends = np.flatnonzero(is_line_end)
        num_fields.append(np.diff(line_ends, prepend=-1).astype("int32"))
    return np.concatenate(values), np.concatenate(num_fields)


# Of eight bytes, those that belong to a field of so many digits: the last.
_KEPT = np.array(
    [
        (0x0F0F0F0F0F0F0F0F >> (64 - 8 * n)) << (64 - 8 * n) if n else 0
        for n in range(9)
    ],
    "uint64",
)


def _numbers(words: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Fields of ASCII digits, ending at the words' last byte, as int32.

    The first digit is the lowest byte. Neighbours are joined to pairs,
    pairs to fours, fours to eight.
    """
    digits = words & _KEPT[lengths]
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


def _lines(text: bytes, csv) -> list[str]:
    try:
        return text.decode("utf-8").split("\n")[:-1]
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{csv}, line {line}: expected UTF-8 text. "
            f"Received: {text[error.start : error.start + 20]!r}"
        ) from None


def _fields(line: str, csv, number: int) -> list[str]:
    fields = [field.strip() for field in line.split(",")]
    if "" in fields:
        raise ValueError(
            f"{csv}, line {number}: expected an item in every field. "
            f"Received: {line[:60]!r}"
        )
    return fields


def _number_fields(
    lines: list[str], csv, *, pad_left: bool
) -> tuple[np.ndarray, dict[str, int]]:
    """Numbers the words of comma-separated lines.

    Args:
        lines: one a row.
        csv: what messages call the file.
        pad_left: whether short lines get the word `0` in front; if not, they
            get id 0 at the end.

    Returns:
        (num_rows, t) int32 ids and {word: id}.
    """
    found = _single_words(lines)
    if found is None:  # an empty field, or one that is not exactly one word
        fields = [
            _fields(line, csv, number)
            for number, line in enumerate(lines, start=1)
        ]
        if pad_left:
            t = max(map(len, fields))
            fields = [[PADDING] * (t - len(f)) + f for f in fields]
        return _number_words(fields)
    codes, num_fields, words = found
    t = int(num_fields.max())
    places = np.arange(t)
    if pad_left:
        if PADDING not in words:
            words.append(PADDING)
        rows = np.full((len(lines), t), words.index(PADDING), "int32")
        rows[places >= t - num_fields[:, None]] = codes
        ids, order = number_by_first_appearance(rows)
    else:
        numbered, order = number_by_first_appearance(codes)
        ids = np.zeros((len(lines), t), "int32")
        ids[places < num_fields[:, None]] = numbered
    ordered = [UNKNOWN, *(words[code] for code in order[1:])]
    return ids, {word: i for i, word in enumerate(ordered)}


# Lines whose fields are numbered at a time.
_LINES = 20_000


def _single_words(
    lines: list[str],
) -> tuple[np.ndarray, np.ndarray, list[str]] | None:
    """Fields as numbers of the distinct ones, if each is a single word.

    Returns:
        The numbers of all fields, the number of fields of each line, and the
        distinct fields; None if one of them is not exactly one word.
    """
    known: dict[str, int] = {}
    codes, num_fields = [], []
    for start in range(0, len(lines), _LINES):
        block = lines[start : start + _LINES]
        text = ",".join(block)
        fields = text.split(",")
        if " " in text or "\t" in text:
            fields = [field.strip() for field in fields]
        numbers, distinct = pd.factorize(np.array(fields, dtype=object))
        of_distinct = [known.setdefault(f, len(known)) for f in distinct]
        codes.append(np.asarray(of_distinct, "int32")[numbers])
        counts = [line.count(",") + 1 for line in block]
        num_fields.append(np.asarray(counts, "int32"))
    if any(_WORD.findall(field) != [field] for field in known):
        return None
    return np.concatenate(codes), np.concatenate(num_fields), list(known)


def _number_words(
    lines: list[list[str]],
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
                    for word in _WORD.findall(field)
                ]
            ids += known
        row[: len(ids)] = ids[:t]
    return rows, vocabulary
