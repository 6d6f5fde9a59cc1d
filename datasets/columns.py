"""Which columns of a csv file hold users, items and times."""

import csv
import dataclasses
import re
from collections.abc import Sequence

from datasets.errors import DataError
from datasets.raw_files import RawFile
from datasets.raw_files import first_line

# Compared in lower case, without what is neither a letter nor a digit:
# `user_id`, `userId` and `UserID` are one name.
ALIASES = {
    "user": ("user", "userid", "uid"),
    "item": ("item", "itemid", "iid", "movie", "movieid"),
    "timestamp": ("timestamp", "time", "ts", "unixtime"),
    "order": ("order",),
}


@dataclasses.dataclass(frozen=True)
class Columns:
    """The columns to read; `time` is None where the file's order is time."""

    user: str
    item: str
    time: str | None


def column_names(raw: RawFile) -> tuple[str, ...]:
    """Names of all columns, from the file's first line if it has a header."""
    if raw.header is not None:
        return raw.header
    line, _ = first_line(raw)
    return tuple(name.strip() for name in next(csv.reader([line])))


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
                found
                for found in names
                if re.sub(r"[\W_]", "", found.lower()) in ALIASES[role]
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
    if found is None or timestamp_column is not None:
        timestamp = find("timestamp", timestamp_column)
        found = timestamp if found is None else found
    if found is None:
        raise DataError(
            f"Expected a timestamp or an order column in {where}; name it "
            "with --timestamp_column or --order_column, or pass --time=file "
            f"if the lines are in order. Received: columns {_listed(names)}"
        )
    return Columns(user, item, found)


def with_article(role: str) -> str:
    """`user` -> `a user`, for messages."""
    return "an item" if role == "item" else "a user"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
