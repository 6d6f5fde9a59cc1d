"""Histories of a table with one row an event, for who asks a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nextitnet_tf.preparation import times as times_of
from nextitnet_tf.preparation.columns import find_columns
from nextitnet_tf.preparation.columns import has_times
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.interactions_csv import check_ids
from nextitnet_tf.preparation.tables import as_columns
from nextitnet_tf.preparation.tables import as_name


def histories_of(
    table: Any,
    user: str | None = None,
    item: str | None = None,
    time: str | None = "auto",
) -> tuple[list[Any], list[list[Any]]]:
    """Users of a table and what each has taken, oldest first.

    Args:
        table: a pandas DataFrame, a polars or Arrow table, or a mapping of
            columns.
        user: name of the column of users; by default a usual one.
        item: likewise.
        time: likewise, of times or of an order; None says that rows are in
            order, as "auto" does of a table with nothing but users and items.

    Returns:
        Users in the order in which they first occur, and their raw item ids.

    Raises:
        DataError: a column is missing, or more than one could be meant; an
            empty user, item or time; ids with decimals.
    """
    table = as_columns(table)
    user, item, time = as_name(user), as_name(item), as_name(time)
    names: Sequence[str] = tuple(table)
    has_time = time is not None
    if time == "auto":
        # A third column could be one of times by another name.
        has_time = has_times(names) or len(names) > 2
    columns = find_columns(
        names,
        "the table",
        user_column=user,
        item_column=item,
        timestamp_column=None if time == "auto" else time,
        time="auto" if has_time else "file",
        in_python=True,
    )
    users, items = (
        pd.Series(table[name]).reset_index(drop=True)
        for name in (columns.user, columns.item)
    )
    users, items = _as_prepared(users, "user"), _as_prepared(items, "item")
    times = np.zeros(len(users))
    if columns.time is not None:
        times = times_of.of_column(pd.Series(table[columns.time]))
    if not len(users) == len(items) == len(times):
        raise DataError(
            "Expected columns of one length. Received: "
            f"{len(users)} users, {len(items)} items, {len(times)} times"
        )
    numbers, known = pd.factorize(users)
    order = np.argsort(times, kind="stable")
    found: list[list[Any]] = [[] for _ in known]
    values = items.tolist()
    for i in order.tolist():
        found[numbers[i]].append(values[i])
    return known.tolist(), found


def _as_prepared(ids: pd.Series, role: str) -> pd.Series:
    """Raw ids as preparation has them: no white space at the ends of text."""
    check_ids(ids, role)
    if pd.api.types.is_integer_dtype(ids.dtype):
        return ids
    cut = [v.strip() if isinstance(v, str) else v for v in ids.tolist()]
    if "" in cut:
        raise DataError(f"Expected no empty {role}. Received: ''")
    return pd.Series(cut, dtype=object)
