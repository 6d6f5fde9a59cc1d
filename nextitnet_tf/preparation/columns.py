"""Which columns of a csv file hold users, items and times."""

import dataclasses
import re
from collections.abc import Sequence

import numpy as np

from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.raw_files import RawFile
from nextitnet_tf.preparation.raw_files import first_fields

# Compared in lower case, without what is neither a letter nor a digit:
# `user_id`, `userId` and `UserID` are one name.
ALIASES = {
    "user": ("user", "userid", "uid"),
    "item": ("item", "itemid", "iid", "movie", "movieid"),
    "timestamp": ("timestamp", "time", "ts", "unixtime"),
    "order": ("order",),
}

_DATE = re.compile(r"\d{4}-\d\d?-\d\d?(\D|$)|\d{4}/\d\d?/\d\d?(\D|$)")
# So many rows without an item twice are no coincidence.
_MANY = 50


@dataclasses.dataclass(frozen=True)
class Columns:
    """The columns to read.

    Attributes:
        user: its name.
        item: its name.
        time: None where the file's order is that of time.
        is_timestamp: whether `time` tells the time, and not only the order
            of a user's interactions.
    """

    user: str
    item: str
    time: str | None
    is_timestamp: bool = False


def column_names(raw: RawFile) -> tuple[str, ...]:
    """Names of all columns, from the file's first line if it has a header."""
    if raw.header is not None:
        return raw.header
    return tuple(first_fields(raw))


def is_header(fields: Sequence[str]) -> bool:
    """Whether a user and an item column are among the names."""
    plain = {plain_name(field) for field in fields}
    return all(plain & set(ALIASES[role]) for role in ("user", "item"))


def with_columns(raw: RawFile, names: Sequence[str]) -> RawFile:
    """A file without a header, whose columns have these names.

    Raises:
        DataError: the file has a header after all, which would be taken for
            an interaction.
    """
    names = tuple(name.strip() for name in names)
    fields = first_fields(raw)
    if is_header(fields) or set(fields) & set(filter(None, names)):
        raise DataError(
            f"Expected a file without a header where --columns names its "
            f"columns. Received: {raw.label}, whose first line is "
            f"{','.join(fields)[:60]!r}"
        )
    return dataclasses.replace(raw, header=names)


def like_times(item_ids: Sequence[int | str], num_rows: int) -> str | None:
    """Says what makes ids look like times, if anything does.

    Items that are never taken twice, seconds or milliseconds since 1970
    (from 2001 to 2033), and dates: a column of times was taken for items.

    Args:
        item_ids: all distinct ones.
        num_rows: how many rows have them.
    """
    if num_rows >= _MANY and len(item_ids) == num_rows:
        return f"{num_rows} different ones in as many rows"
    first = item_ids[0]
    if isinstance(first, str):
        are_times = all(_DATE.match(str(item)) for item in item_ids)
    else:
        ids = np.array(item_ids, np.int64)
        day, month = ids % 100, ids // 100 % 100
        is_date = (ids // 10_000 >= 1900) & (ids // 10_000 <= 2100)
        is_date &= (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
        are_times = bool(
            (ids.min() >= 10**9 and ids.max() < 2 * 10**9)
            or (ids.min() >= 10**12 and ids.max() < 2 * 10**12)
            or is_date.all()
        )
    return f"such as {first}" if are_times else None


def find_columns(
    names: Sequence[str],
    where: str,
    *,
    user_column: str | None = None,
    item_column: str | None = None,
    timestamp_column: str | None = None,
    order_column: str | None = None,
    time: str = "auto",
) -> Columns:
    """Finds the columns of users, items and times.

    Args:
        names: of all columns.
        where: how messages call the file.
        user_column: its name; by default the one column known as a user.
        item_column: its name; by default the one column known as an item.
        timestamp_column: its name; not read if there is an order column.
        order_column: its name; order wins over timestamps.
        time: "auto", or "file" if the lines are in order of time.

    Raises:
        DataError: a column is missing, or more than one could be meant.
    """
    if time not in ("auto", "file"):
        raise DataError(f"Expected time 'auto' or 'file'. Received: {time=}")

    def find(role: str, name: str | None) -> str | None:
        if name is not None:
            matching = [found for found in names if found == name]
        else:
            matching = [
                found for found in names if plain_name(found) in ALIASES[role]
            ]
        if len(matching) > 1:
            raise DataError(
                f"Expected one {role} column in {where}; name it with "
                f"--{role}_column. Received: {_listed(matching)}"
            )
        if name is not None and not matching:
            raise DataError(
                f"Expected a column {name!r} in {where}. Received: columns "
                f"{_listed(names)}"
            )
        return matching[0] if matching else None

    user = find("user", user_column)
    item = find("item", item_column)
    if user is None or item is None:
        role = "user" if user is None else "item"
        raise DataError(
            f"Expected a header with {with_article(role)} column in {where}; "
            f"name it with --{role}_column. Received: columns {_listed(names)}"
        )
    if time == "file":
        return Columns(user, item, None)
    found = find("order", order_column)
    is_timestamp = found is None
    if found is None or timestamp_column is not None:
        timestamp = find("timestamp", timestamp_column)
        found = timestamp if found is None else found
    if found is None:
        raise DataError(
            f"Expected a timestamp or an order column in {where}; name it "
            "with --timestamp_column or --order_column, or pass --time=file "
            f"if the lines are in order. Received: columns {_listed(names)}"
        )
    return Columns(user, item, found, is_timestamp)


def has_times(names: Sequence[str]) -> bool:
    """Whether a column is known as one of times, or of an order."""
    known = {*ALIASES["timestamp"], *ALIASES["order"]}
    return any(plain_name(name) in known for name in names)


def with_article(role: str) -> str:
    """`user` -> `a user`, for messages."""
    return "an item" if role == "item" else "a user"


def plain_name(name: str) -> str:
    """A name as the aliases have it: `user_id`, `userId` -> `userid`."""
    return re.sub(r"[\W_]", "", name.lower())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
