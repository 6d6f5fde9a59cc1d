"""Histories of a table with one row an event, for who asks a model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nextitnet_tf.preparation.columns import find_columns
from nextitnet_tf.preparation.columns import has_times


def histories_of(table: Any) -> tuple[list[Any], list[list[Any]]]:
    """Users of a table and what each has taken, oldest first.

    Args:
        table: a pandas DataFrame, a polars or Arrow table, or a mapping of
            columns, with columns of usual names for users and items, and for
            times or the order; without, rows are in order.

    Returns:
        Users in the order in which they first occur, and their raw item ids.

    Raises:
        DataError: a column is missing, or more than one could be meant.
    """
    if hasattr(table, "to_pandas"):
        table = table.to_pandas()
    names: Sequence[str] = tuple(table)
    columns = find_columns(
        names, "the table", time="auto" if has_times(names) else "file"
    )
    users = pd.Series(table[columns.user]).reset_index(drop=True)
    items = pd.Series(table[columns.item]).reset_index(drop=True)
    numbers, known = pd.factorize(users)
    order = np.arange(len(users))
    if columns.time is not None:
        times = pd.Series(table[columns.time])
        order = np.argsort(times.to_numpy(), kind="stable")
    found: list[list[Any]] = [[] for _ in known]
    values = items.tolist()
    for i in order.tolist():
        found[numbers[i]].append(values[i])
    return known.tolist(), found
