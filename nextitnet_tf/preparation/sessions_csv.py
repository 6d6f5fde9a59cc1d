"""The csv of sessions of the original release: one session a line."""

import csv
import io
import os
import pathlib
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from nextitnet_tf.preparation import sessions
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.histories import pad_left
from nextitnet_tf.preparation.raw_files import DAMAGE
from nextitnet_tf.preparation.raw_files import RawFile
from nextitnet_tf.preparation.raw_files import damaged
from nextitnet_tf.preparation.raw_ids import RawIds
from nextitnet_tf.preparation.raw_ids import is_odd
from nextitnet_tf.preparation.session_arrays import by_frequency

PADDING = "0"

_BLOCK = 1 << 24

_FIELD = rb'"((?:[^",\n]|"")*)"(?=[,\n])'
_QUOTED = re.compile(rb"(?<![^,\n])" + _FIELD)
_OPEN = re.compile(rb"(?<![^,\n])(?!" + _FIELD + rb')"')


def prepare_sessions_csv(
    csv_file: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    t: int | None = None,
    keep_latest: bool = False,
    source: str | None = None,
    force: bool = False,
) -> pathlib.Path:
    """Prepares a csv of sessions, each line a row and a user of its own.

    A line holds item tokens separated by commas, oldest first; quotes around
    a token are no part of it, and it has no commas inside. The token `0`
    before the first item is padding; a line with fewer than t items is padded
    on the left. Nothing is filtered, and rows keep the file's order.

    Args:
        csv_file: the file (gzip too); it has no header.
        folder: where the sessions go. If it holds them already, prepared in
            this very way, it is left as it is.
        t: length of a row; by default the fields of the widest line.
        keep_latest: whether a line with more than t items keeps its latest t
            instead of being an error.
        source: what `meta.json` calls the data; by default the file's name.
        force: prepare again, whatever prepared sessions `folder` holds.

    Returns:
        The path of the folder.

    Raises:
        DataError: a field is empty, a line has too many items or none, has
            padding after an item or a quote that its field does not close
            (file and line are named), or `folder` holds something else.
    """
    if t is not None and t < 2:
        raise DataError(f"Expected t >= 2. Received: {t=}")
    raw = RawFile(pathlib.Path(csv_file))
    facts = raw.facts()
    choices = {
        "format": "sessions",
        "t": t or "the widest line",
        "padding_token": PADDING,
        "keep_latest": keep_latest,
    }
    if sessions.is_prepared(
        folder, choices, [str(facts["sha256"])], force=force
    ):
        return pathlib.Path(folder)
    try:
        found = _read(raw, t, keep_latest, as_strings=False)
        found = found or _read(raw, t, keep_latest, as_strings=True)
    except DAMAGE as error:
        raise damaged(raw, error) from None
    assert found is not None  # strings can be anything
    tokens, lengths, widest, raw_ids = found
    counts = [_count("read", tokens, lengths)]
    t = t or widest
    if t < 2:
        raise DataError(
            f"Expected a line with two fields or more in {raw.label}. "
            f"Received: {widest} field in the widest line"
        )
    if keep_latest:
        tokens, lengths = _latest(tokens, lengths, t)
    counts.append(_count("cut", tokens, lengths))
    occurrences = np.bincount(tokens, minlength=len(raw_ids))
    order, ids = by_frequency(occurrences)
    return sessions.write_sessions(
        folder,
        pad_left(ids[tokens], lengths, t),
        np.arange(len(lengths), dtype=np.int32),
        [raw_ids[index] for index in order],
        occurrences[order],
        {
            "source": source or raw.path.name,
            "raw": [facts],
            "choices": choices,
            "counts": counts,
        },
        replace=force,
    )


def _read(
    raw: RawFile, t: int | None, keep_latest: bool, *, as_strings: bool
) -> tuple[np.ndarray, np.ndarray, int, list] | None:
    """Reads (items, items of each line, fields of the widest line, raw ids).

    Items are indices into the raw ids, all lines one after another, without
    padding. None if the tokens are not plain integers and were taken for
    such.
    """
    raw_ids = RawIds()
    all_codes, all_lengths = [], []
    widest = 0
    with raw.open() as stream:
        for quoted in _blocks(stream):
            block = _unquoted(quoted)
            if block is None or b"\0" in block:
                raise _first_problem(raw, t, keep_latest)
            if not as_strings and is_odd(b"\n" + block):
                return None
            tokens = _tokens(block, as_strings)
            if not as_strings and tokens.dtype != np.int64:
                return None
            codes = raw_ids.encode(tokens)
            fields = _fields_of_lines(block)
            # An empty field makes no token, so that the sums differ.
            if len(codes) != fields.sum() or "" in raw_ids:
                raise _first_problem(raw, t, keep_latest)
            padding = raw_ids.number(PADDING if as_strings else int(PADDING))
            is_item = codes != padding
            ends = np.cumsum(fields)
            items = np.diff(
                np.cumsum(is_item, dtype=np.int64)[ends - 1], prepend=0
            )
            # In a good line its last `items` fields are the items.
            from_end = np.repeat(ends, fields) - np.arange(len(codes))
            misplaced = is_item != (from_end <= np.repeat(items, fields))
            if misplaced.any() or items.min() == 0:
                raise _first_problem(raw, t, keep_latest)
            if t is not None and not keep_latest and items.max() > t:
                raise _first_problem(raw, t, keep_latest)
            all_codes.append(codes[is_item])
            all_lengths.append(items)
            widest = max(widest, int(fields.max()))
    if not all_codes:
        raise DataError(f"Expected data. Received: {raw.label}, an empty file")
    ids, rank = raw_ids.in_order()
    return (
        rank[np.concatenate(all_codes)],
        np.concatenate(all_lengths),
        widest,
        ids,
    )


def _blocks(stream: io.BufferedReader) -> Iterator[bytes]:
    """Yields blocks of whole lines without blank ones, each ended."""
    held = b""
    first = True
    while True:
        block = stream.read(_BLOCK)
        lines, newline, rest = (held + block).rpartition(b"\n")
        text, held = (lines + newline, rest) if block else (rest, b"")
        if first and text.startswith(b"\xef\xbb\xbf"):
            text = text[3:]
        first = first and not text
        text = text.replace(b"\r", b"\n")
        if b" " in text or b"\t" in text:
            text = re.sub(rb"[ \t]*([,\n])[ \t]*", rb"\1", text).strip(b" \t")
        text = re.sub(rb"\n\n+", b"\n", text).strip(b"\n")
        if text:
            yield text + b"\n"
        if not block:
            return


def _unquoted(block: bytes) -> bytes | None:
    """Removes the quotes around fields; None if one is not closed.

    A quote inside a field that does not begin with one is part of it.
    """
    if b'"' not in block:
        return block
    if _OPEN.search(block):
        return None
    return _QUOTED.sub(lambda found: found[1].replace(b'""', b'"'), block)


def _fields_of_lines(block: bytes) -> np.ndarray:
    """Number of comma-separated fields of each line, int64."""
    text = np.frombuffer(block, np.uint8)
    line_ends = np.flatnonzero(text == ord("\n"))
    commas = np.flatnonzero(text == ord(","))
    return np.diff(np.searchsorted(commas, line_ends), prepend=0) + 1


def _tokens(block: bytes, as_strings: bool) -> np.ndarray:
    """All tokens, one line after another; empty ones are left out."""
    column = pd.read_csv(
        io.BytesIO(block.replace(b",", b"\n")),
        header=None,
        names=["token"],
        dtype=str if as_strings else None,
        sep=",",
        quoting=csv.QUOTE_NONE,
        keep_default_na=False,
        low_memory=False,
        encoding="utf-8",
    )["token"]
    return column.to_numpy()


def _latest(
    tokens: np.ndarray, lengths: np.ndarray, t: int
) -> tuple[np.ndarray, np.ndarray]:
    """The latest t items of each line."""
    from_end = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(tokens))
    return tokens[from_end <= t], np.minimum(lengths, t)


def _first_problem(raw: RawFile, t: int | None, keep_latest: bool) -> DataError:
    """Finds the line for which the fast reader has given up."""

    def problem(line: str) -> str | None:
        if "\0" in line:
            return "Expected text. Received: a zero byte"
        fields = [field.strip(" \t\r\n") for field in line.split(",")]
        block = _unquoted((",".join(fields) + "\n").encode())
        if block is None:
            return (
                "Expected every quote that begins a field to be closed at its "
                f"end, without a comma inside. Received: {line.strip()[:60]}"
            )
        fields = [field.strip() for field in block.decode()[:-1].split(",")]
        if "" in fields:
            place = fields.index("") + 1
            return (
                "Expected a token in every field. Received: an empty field, "
                f"the line's number {place}"
            )
        items = [field for field in fields if field != PADDING]
        if not items:
            return f"Expected an item. Received: padding ({PADDING}) alone"
        if fields[-len(items) :] != items:
            return (
                f"Expected padding ({PADDING}) only before the first item. "
                f"Received: {line.strip()[:60]}"
            )
        if t is not None and not keep_latest and len(items) > t:
            return (
                f"Expected at most t={t} items (or --keep_latest). Received: "
                f"{len(items)} items"
            )
        return None

    with (
        raw.open() as stream,
        io.TextIOWrapper(stream, encoding="utf-8-sig") as text,
    ):
        for number, line in enumerate(text, start=1):
            if line.strip(" \t\r\n"):
                found = problem(line)
                if found is not None:
                    return DataError(f"{raw.label}, line {number}: {found}")
    raise AssertionError(f"no line of {raw.label} has a problem")


def _count(
    step: str, tokens: np.ndarray, lengths: np.ndarray
) -> dict[str, str | int]:
    return {
        "step": step,
        "users": len(lengths),
        "items": int(np.count_nonzero(np.bincount(tokens))),
        "interactions": len(tokens),
    }
