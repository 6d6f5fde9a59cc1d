"""Read interactions from a csv file with user, item and time columns."""

import csv
import dataclasses
import io
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nextitnet_tf.preparation import times as times_of
from nextitnet_tf.preparation.columns import Columns
from nextitnet_tf.preparation.columns import column_names
from nextitnet_tf.preparation.columns import with_article
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.raw_files import DAMAGE
from nextitnet_tf.preparation.raw_files import RawFile
from nextitnet_tf.preparation.raw_files import damaged
from nextitnet_tf.preparation.raw_files import locate
from nextitnet_tf.preparation.raw_ids import RawIds
from nextitnet_tf.preparation.raw_ids import has_line_end
from nextitnet_tf.preparation.watch import Watch

CHUNK = 1_000_000
# Characters of a wrong field that an error shows, at most.
_SHOWN = 40


@dataclasses.dataclass(frozen=True)
class Interactions:
    """Who took which item when.

    Args:
        users: `(num_interactions,)` index into `user_ids`.
        items: `(num_interactions,)` index into `item_ids`.
        times: `(num_interactions,)` numbers or dates that order a user's
            interactions, or None if they are in order.
        user_ids: raw ids in ascending order.
        item_ids: raw ids in ascending order.
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray | None
    user_ids: Sequence[Any]
    item_ids: Sequence[Any]

    def __len__(self) -> int:
        return len(self.users)

    def take(self, chosen: np.ndarray) -> "Interactions":
        """Those that a mask or an array of positions chooses."""
        return dataclasses.replace(
            self,
            users=self.users[chosen],
            items=self.items[chosen],
            times=None if self.times is None else self.times[chosen],
        )


def read_interactions(raw: RawFile, columns: Columns) -> Interactions:
    """Reads the interactions of a csv file, in the file's order.

    Ids become integers if every one of them is printed as an integer is, and
    otherwise strings. Files of plain integers take a fast way.

    Raises:
        DataError: a field is missing or empty, a time is neither a number
            nor a date; the message names the line.
    """
    names = column_names(raw)
    try:
        found = _read(raw, names, columns, as_strings=False)
        if found is None:
            found = _read(raw, names, columns, as_strings=True)
    except (pd.errors.ParserError, csv.Error) as error:
        problem = _first_problem(raw, names, columns)
        raise problem or damaged(raw, error) from None
    except DAMAGE as error:
        raise damaged(raw, error) from None
    if found is None:
        raise _first_problem(raw, names, columns) or DataError(
            f"Expected numbers or dates in column {columns.time!r} of "
            f"{raw.label}. "
            "Received: values of another kind"
        )
    if not len(found):
        raise DataError(
            f"Expected interactions. Received: {raw.label}, a header alone"
        )
    return found


# How to make ids of another kind; of the rest by `astype(str)`.
_HOW = {
    "bytes": "str.decode('utf-8')",
    **dict.fromkeys(
        ("floating", "mixed-integer-float", "float", "decimal"),
        "astype('int64')",
    ),
}


def check_ids(series: pd.Series, role: str) -> None:
    """Raises DataError for raw ids that are empty, no integers and no text.

    A column of integers of which some were missing has become one of floats:
    as text its ids would be others than those of the data.

    Args:
        series: of raw ids.
        role: "user" or "item", for the error.
    """
    if series.isna().any():
        row = int(np.flatnonzero(series.isna())[0])
        raise DataError(f"Expected no empty {role}. Received: {row=}")
    values: Any = series
    if isinstance(series.dtype, pd.CategoricalDtype):
        values = series.cat.remove_unused_categories().cat.categories
    elif "dictionary" in str(series.dtype):  # Arrow's
        values = series.astype(object)
    kind = pd.api.types.infer_dtype(values)
    if kind in ("empty", "integer", "string"):
        return
    if kind in ("mixed", "mixed-integer"):
        odd = next((v for v in values if not _is_id(v)), None)
        if odd is None:
            return
        kind = f"{type(odd).__name__}, {odd!r}"
    how = _HOW.get(kind.split(",")[0], "astype(str)")
    raise DataError(
        f"Expected {with_article(role)} id that is an integer or text: "
        f"write the column with {how}. Received: {kind}"
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, int | np.integer | str) and not isinstance(
        value, bool
    )


def code_interactions(
    users: Any, items: Any, times: np.ndarray | None
) -> Interactions:
    """Interactions from columns of raw ids that are already in memory."""
    for each in (items, times):
        if each is not None and len(each) != len(users):
            raise DataError(
                "Expected columns of one length. Received: "
                f"{len(users)} and {len(each)} values"
            )
    coded = []
    for role, values in (("user", users), ("item", items)):
        series = pd.Series(values)
        check_ids(series, role)
        if not pd.api.types.is_integer_dtype(series.dtype):
            series = series.map(str)
        ids = RawIds()
        coded.append((ids, ids.encode(series.to_numpy())))
        if "" in ids:
            raise DataError(f"Expected no empty {role}. Received: ''")
    return _ordered(*coded[0], *coded[1], times)


def _read(
    raw: RawFile, names: Sequence[str], columns: Columns, *, as_strings: bool
) -> Interactions | None:
    """Reads the file in chunks; None where it cannot be read this way."""
    user_ids, item_ids = RawIds(), RawIds()
    users, items = [], []
    times: list[np.ndarray] = []
    num_rows = 0
    with raw.open() as stream:
        if raw.header is None:
            while not stream.readline().strip():
                pass
        watch = Watch(stream)
        # `names` may repeat a column that is not wanted; positions do not.
        wanted = [names.index(columns.user), names.index(columns.item)]
        if columns.time is not None:
            wanted.append(names.index(columns.time))
        for chunk in _chunks(watch, len(names), wanted, as_strings):
            user, item = chunk[wanted[0]], chunk[wanted[1]]
            if not as_strings and (
                watch.odd or user.dtype != np.int64 or item.dtype != np.int64
            ):
                return None
            users.append(user_ids.encode(user.to_numpy()))
            items.append(item_ids.encode(item.to_numpy()))
            if columns.time is not None:
                time = times_of.parse(chunk[wanted[2]])
                if time is None:
                    return None
                times.append(time)
            num_rows += len(chunk)
    if num_rows == 0:
        empty = np.zeros(0, np.int32)
        return Interactions(empty, empty, empty, [], [])
    all_times = times_of.joined(times) if times else None
    if times and all_times is None:
        return None
    # Too few or too many fields in a line shift columns without an error, and
    # a quote that is not closed swallows lines.
    if watch.is_suspicious(num_rows, len(names)):
        if not as_strings:
            return None
        if _first_problem(raw, names, columns):
            return None
    if "" in user_ids or "" in item_ids:
        return None
    return _ordered(
        user_ids,
        np.concatenate(users),
        item_ids,
        np.concatenate(items),
        all_times,
    )


def _chunks(
    stream: io.RawIOBase, num_columns: int, wanted: list[int], as_strings: bool
) -> Iterator[pd.DataFrame]:
    """Yields some columns of many lines at a time; none of an empty file."""
    try:
        chunks = pd.read_csv(
            io.BufferedReader(stream, 1 << 20),
            header=None,
            names=range(num_columns),
            usecols=wanted,
            index_col=False,
            dtype=dict.fromkeys(wanted[:2], str) if as_strings else None,
            keep_default_na=False,
            low_memory=False,
            chunksize=CHUNK,
            encoding="utf-8",
        )
    except pd.errors.EmptyDataError:
        return
    yield from (chunk for chunk in chunks if not chunk.empty)


def _ordered(
    user_ids: RawIds,
    users: np.ndarray,
    item_ids: RawIds,
    items: np.ndarray,
    times: np.ndarray | None,
) -> Interactions:
    sorted_users, user_rank = user_ids.in_order()
    sorted_items, item_rank = item_ids.in_order()
    return Interactions(
        user_rank[users], item_rank[items], times, sorted_users, sorted_items
    )


def _first_problem(
    raw: RawFile, names: Sequence[str], columns: Columns
) -> DataError | None:
    skip = 0 if raw.header is not None else 1
    problem = _Problem(names, columns, raw.separator)
    return locate(raw, problem, skip=skip)


class _Problem:
    """Says what is wrong with the fields of one line, if anything is."""

    def __init__(
        self, names: Sequence[str], columns: Columns, separator: str = ","
    ):
        self._num_fields = len(names)
        self._delimiter = separator if len(separator) == 1 else ","
        self._separated = (
            "" if separator == "," else f" separated by `{separator}`"
        )
        self._ids = [
            (role, names.index(name))
            for role, name in (("user", columns.user), ("item", columns.item))
        ]
        self._time = columns.time
        # Of the times so far.
        self._kinds: set[str] = set()
        self._time_index = (
            None if columns.time is None else names.index(columns.time)
        )

    def __call__(self, fields: list[str]) -> str | None:
        if len(fields) != self._num_fields:
            return (
                f"Expected {self._num_fields} fields{self._separated}. "
                f"Received: {len(fields)}"
            )
        for role, index in self._ids:
            text = fields[index].strip()
            if not text:
                return (
                    f"Expected {with_article(role)}. Received: an empty field"
                )
            if has_line_end(text):
                return (
                    f"Expected {with_article(role)} on one line; a quote that "
                    "is not closed where its field ends goes on to the next "
                    f"one. Received: {text[:_SHOWN]!r}"
                )
        if any("\0" in field for field in fields):
            return "Expected text. Received: a zero byte"
        if self._time_index is not None:
            text = fields[self._time_index].strip()
            kind = times_of.kind(text)
            if kind is None or self._kinds - {kind}:
                # A quote that is not closed makes one of many lines.
                is_long = has_line_end(text) or len(text) > _SHOWN
                shown = repr(text[:_SHOWN]) if is_long else text
                (expected,) = self._kinds or {
                    f"a number or a date, such as {times_of.EXAMPLE},"
                }
                return (
                    f"Expected {expected} as {self._time!r}. Received: "
                    f"{shown or 'an empty field'}"
                )
            self._kinds = {kind}
            for field in fields:
                if has_line_end(field) and self._holds_a_line(field):
                    return (
                        "Expected a field that ends on its line. Received: "
                        "one with whole lines of the table inside, after a "
                        "quote that is not closed"
                    )
        return None

    def _holds_a_line(self, field: str) -> bool:
        inner = field.splitlines()[1:-1]
        return any(
            fields and self(fields) is None
            for fields in csv.reader(inner, delimiter=self._delimiter)
        )
