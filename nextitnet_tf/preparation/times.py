"""Times as tables have them: numbers, or dates, as ISO 8601 writes them."""

import math
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from nextitnet_tf.preparation.errors import DataError

EXAMPLE = "2026-11-28 09:30:00"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DATE = r"\d{4}[-/]"
_KINDS = {"i": "a number", "f": "a number", "M": "a date"}


def parse(column: pd.Series) -> np.ndarray | None:
    """The times of a column as it was read, or None where one is none.

    Dates without a time zone are taken for UTC.

    Args:
        column: of numbers, or of text.

    Returns:
        (num_rows,) int64 or float64, or datetime64[us].
    """
    if column.dtype in (np.int64, np.float64):
        times = column.to_numpy()
        return times if np.isfinite(times).all() else None
    # pandas would take "now" for a date, too, and 20240131 for one in some
    # rows, a number in others.
    if pd.api.types.infer_dtype(column) != "string":
        return None
    if not column.str.match(_DATE).all():
        return None
    try:
        dates = pd.to_datetime(column, format="ISO8601", utc=True)
    except (ValueError, OverflowError):
        return None
    if dates.isna().any():
        return None
    return dates.dt.tz_localize(None).to_numpy().astype("datetime64[us]")


def of_column(column: pd.Series) -> np.ndarray:
    """The times of a column in memory, dates without their time zone.

    Args:
        column: of numbers, of dates (pandas', Python's), or of text.

    Returns:
        (num_rows,) as they are where they are no dates: `check` says what is
        wrong with them.
    """
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    kind = pd.api.types.infer_dtype(column)
    if kind == "string":
        dates = parse(column)
        return column.to_numpy() if dates is None else dates
    if column.dtype == object and kind in ("date", "datetime"):
        dates = pd.to_datetime(column, utc=True).dt.tz_localize(None)
        return dates.to_numpy()
    return column.to_numpy()


def check(times: np.ndarray) -> None:
    """Raises if a column of times cannot be put in order.

    Args:
        times: (num_events,).

    Raises:
        DataError: neither numbers nor dates; one that is missing or infinite.
    """
    if times.dtype.kind not in "iufM":
        raise DataError(
            "Expected numbers or dates as times (as text such as "
            f"{EXAMPLE!r}; pandas.to_datetime reads others). Received: "
            f"{times.dtype=}"
        )
    if not np.isfinite(times).all():
        row = int(np.flatnonzero(~np.isfinite(times))[0])
        raise DataError(f"Expected finite times. Received: {row=}")


def differ(times: Sequence[np.ndarray]) -> bool:
    """Whether some are numbers and some are dates."""
    return len({_KINDS[each.dtype.kind] for each in times}) > 1


def kind(text: str) -> str | None:
    """What one field is: "a number", "a date", or None for neither.

    Slow, for the line that is to blame.
    """
    if _NUMBER.fullmatch(text):
        number = float(text)
        fits = math.isfinite(number) and abs(number) < 2.0**63
        return "a number" if fits else None
    times = parse(pd.Series([text], dtype=str)) if text else None
    return None if times is None else "a date"
