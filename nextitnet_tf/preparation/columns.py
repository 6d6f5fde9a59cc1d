"""Which columns of a csv file hold users, items and times."""

import dataclasses
import re
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from nextitnet_tf.preparation import times
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

# What may stand between fields, beside commas.
_SEPARATORS = {";": "';'", "\t": "tab", "|": "'|'"}
# How columns are named on a command line, and where a table is in memory.
_FLAGS = {role: f"--{role}_column" for role in ALIASES}
_ARGUMENTS = {"user": "user=", "item": "item=", "timestamp": "time="}

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
    if not isinstance(first, str) and int(item_ids[-1]) >= 2**63:
        return None
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
    in_python: bool = False,
    or_else: str = "",
) -> Columns:
    """Finds the columns of users, items and times.

    Args:
        names: of all columns.
        where: how messages call the file.
        user_column: its name; by default the one column known as a user.
        item_column: its name; by default the one column known as an item.
        timestamp_column: its name; by default the one column known as one of
            times, which is not read if there is an order column.
        order_column: its name; it wins over timestamps, and one that is not
            named does unless they are.
        time: "auto", or "file" if the lines are in order of time.
        in_python: whether messages name arguments instead of flags.
        or_else: what else to do where a column is missing.

    Raises:
        DataError: a column is missing, or more than one could be meant.
    """
    called = _ARGUMENTS if in_python else _FLAGS
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
                f"{called.get(role, role)}. Received: {_listed(matching)}"
            )
        if name is not None and not matching:
            raise DataError(
                f"Expected a column {name!r} in {where}. Received: columns "
                f"{_listed(names)}"
            )
        return matching[0] if matching else None

    user = find("user", user_column)
    item = find("item", item_column)
    found, is_timestamp = None, False
    if time != "file":
        # A column that is named is the one, whatever else there is.
        if timestamp_column is None or order_column is not None:
            found = find("order", order_column)
        is_timestamp = found is None
        if found is None or timestamp_column is not None:
            timestamp = find("timestamp", timestamp_column)
            found = timestamp if found is None else found
    missing = [
        role
        for role, name in (("user", user), ("item", item), ("timestamp", found))
        if name is None and (role != "timestamp" or time != "file")
    ]
    if missing:
        raise _missing_columns(missing, names, where, called, or_else)
    assert user is not None and item is not None
    return Columns(user, item, found, is_timestamp)


def _missing_columns(
    missing: Sequence[str],
    names: Sequence[str],
    where: str,
    called: Mapping[str, str],
    or_else: str,
) -> DataError:
    """The error where columns are not found, which says what to type."""
    told = {
        "user": "a user",
        "item": "an item",
        "timestamp": "a timestamp or an order",
    }
    how = [called[role] for role in missing]
    advice = f"name {'it' if len(how) == 1 else 'them'} with {_and(how)}"
    if "timestamp" in missing:
        in_order = "pass --time=file if the lines are in order"
        if called is _ARGUMENTS:
            in_order = "pass time=None if the rows are in order"
        advice += f", or {in_order}"
    if len(names) == 1:
        for separator, shown in _SEPARATORS.items():
            if separator in names[0]:
                advice = (
                    f"pass --separator={shown} if that is what separates its "
                    "fields"
                )
    if or_else:
        advice += f"; {or_else}"
    return DataError(
        f"Expected a header with {_and([told[role] for role in missing])} "
        f"column in {where}; {advice}. Received: columns {_listed(names)}"
    )


def looks_like_header(fields: Sequence[str]) -> bool:
    """Whether a first line names columns: no field is empty or a number."""
    plain = [field.strip() for field in fields]
    return all(plain) and not any(map(times.is_number, plain))


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


def _and(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
