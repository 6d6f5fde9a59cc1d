"""Tables in memory, of whatever kind, as columns by name."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from nextitnet_tf.preparation.errors import DataError


def as_columns(table: Any) -> Mapping[str, Any] | pd.DataFrame:
    """A table whose columns are named by text.

    Args:
        table: a pandas DataFrame, a polars or Arrow table, or a mapping of
            columns. Numbers name columns, too, as pandas has them of a file
            without a header.

    Raises:
        DataError: something else; names that differ in their kind alone.
    """
    if hasattr(table, "to_pandas"):
        table = table.to_pandas()
    if not isinstance(table, Mapping | pd.DataFrame):
        raise DataError(
            "Expected a table: a pandas DataFrame, a polars or Arrow table, or "
            f"a mapping of columns. Received: {type(table).__name__}"
        )
    names = list(table)
    if all(isinstance(name, str) for name in names):
        return table
    if len({str(name) for name in names}) < len({*names}):
        raise DataError(
            "Expected columns of different names. Received: "
            f"{', '.join(map(repr, names))}"
        )
    return {str(name): table[name] for name in names}


def as_name(column: Any) -> str | None:
    """What a column is called in what `as_columns` returns."""
    return None if column is None else str(column)
