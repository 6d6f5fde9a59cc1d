"""Times as tables have them: numbers, or dates, as ISO 8601 writes them."""

import math
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from nextitnet_tf.preparation.errors import DataError

EXAMPLE = "2026-11-28 09:30:00"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DATE = re.compile(r"\d{4}[-/]")
_KINDS = {"i": "a number", "u": "a number", "f": "a number", "M": "a date"}
# Beyond, whole numbers that are floats are others than were written.
_EXACT = 2.0**53
# Between which datetime64[ns] has every moment.
_YEARS = np.datetime64("1678-01-01"), np.datetime64("2262-01-01")


def parse(column: pd.Series) -> np.ndarray | None:
    """The times of a column as it was read, or None where one is none.

    Dates without a time zone are taken for UTC.

    Args:
        column: of numbers, or of text.

    Returns:
        (num_rows,) int64 or float64, or datetime64.
    """
    if column.dtype in (np.int64, np.float64):
        times = column.to_numpy()
        if times.dtype.kind == "i":
            return times
        return times if (np.abs(times) <= _EXACT).all() else None
    # pandas would take "now" for a date, too, and 20240131 for one in some
    # rows, a number in others.
    if pd.api.types.infer_dtype(column) != "string":
        return None
    column = column.str.strip()
    if not column.str.match(_DATE).all():
        return None
    # As BigQuery writes it.
    column = column.str.replace(r"( UTC|z)$", "Z", regex=True)
    try:
        dates = pd.to_datetime(column, format="ISO8601", utc=True)
    except (ValueError, OverflowError):
        return None
    return None if dates.isna().any() else _in_utc(dates)


def of_column(column: pd.Series) -> np.ndarray:
    """The times of a column in memory.

    Args:
        column: of numbers, of dates (pandas', Arrow's, Python's), or of text.

    Returns:
        (num_rows,) numbers or datetime64, without their time zone.

    Raises:
        DataError: neither numbers nor dates; one that is missing or infinite;
            both kinds.
    """
    if isinstance(column.dtype, pd.CategoricalDtype | pd.ArrowDtype):
        column = column.astype(object)
    if column.isna().any():
        row = int(np.flatnonzero(column.isna())[0])
        raise DataError(f"Expected a time of each event. Received: {row=}")
    if not len(column):
        return np.zeros(0)
    kind = pd.api.types.infer_dtype(column)
    if kind in ("date", "datetime", "datetime64"):
        return _in_utc(pd.to_datetime(column, utc=True))
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        times = column.to_numpy()
        if times.dtype.kind not in "iuf":
            times = _numbers(column)
    elif kind == "string":
        dates = parse(column)
        if dates is not None:
            return dates
        raise DataError(_first_that_is_no_date(column))
    else:
        raise DataError(
            "Expected times that are all numbers or all dates. Received: "
            f"{kind} values, such as {column.iloc[0]!r}"
        )
    if not np.isfinite(times).all():
        row = int(np.flatnonzero(~np.isfinite(times))[0])
        raise DataError(f"Expected finite times. Received: {row=}")
    return times


def joined(parts: Sequence[np.ndarray]) -> np.ndarray | None:
    """Times of parts of a table, one after the other.

    Args:
        parts: (num_rows,) each, numbers or datetime64.

    Returns:
        All of them; None where some are dates and some are numbers, or whole
        numbers would lose their order among floats.
    """
    if not parts:
        return np.zeros(0)
    if len({_KINDS[part.dtype.kind] for part in parts}) > 1:
        return None
    kinds = {part.dtype.kind for part in parts}
    if kinds == {"M"}:
        # Nanoseconds where all years have them, else microseconds.
        ends = [end for part in parts for end in (part.min(), part.max())]
        fits = all(_YEARS[0] < end < _YEARS[1] for end in ends)
        has_nanoseconds = any(
            part.dtype == np.dtype("datetime64[ns]") for part in parts
        )
        unit = (
            "datetime64[ns]" if fits and has_nanoseconds else "datetime64[us]"
        )
        return np.concatenate([part.astype(unit) for part in parts])
    if len(kinds) > 1 and any(np.abs(part).max() > _EXACT for part in parts):
        return None
    return np.concatenate(parts)


def is_number(text: str) -> bool:
    """Whether a field is one, as it is written."""
    return _NUMBER.fullmatch(text) is not None


def kind(text: str) -> str | None:
    """What one field is: "a number", "a date", or None for neither.

    Slow, for the line that is to blame.
    """
    if is_number(text):
        number = float(text)
        is_whole = text.lstrip("+-").isdecimal()
        if is_whole:
            # Python reads no number of thousands of digits.
            digits = text.lstrip("+-").lstrip("0") or "0"
            sign = -1 if text.startswith("-") else 1
            fits = len(digits) <= 19 and -(2**63) <= sign * int(digits) < 2**63
        else:
            fits = math.isfinite(number) and abs(number) <= _EXACT
        return "a number" if fits else None
    times = parse(pd.Series([text], dtype=str)) if text else None
    return None if times is None else "a date"


def _numbers(column: pd.Series) -> np.ndarray:
    """Numbers of Python's as NumPy has them, whole ones as integers."""
    are_whole = all(value == int(value) for value in column)
    try:
        if are_whole:
            return np.array([int(value) for value in column], np.int64)
        times = np.array([float(value) for value in column])
    except OverflowError:
        times = np.array([np.inf])
    if not (np.abs(times) <= _EXACT).all():
        raise DataError(
            "Expected times within 64 bits, whole ones beyond 2**53. Received: "
            f"such as {max(column, key=abs)}"
        )
    return times


def _in_utc(dates: pd.Series) -> np.ndarray:
    return dates.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()


def _first_that_is_no_date(column: pd.Series) -> str:
    for row, text in enumerate(column):
        if kind(text) != "a date":
            return (
                f"Expected numbers, or dates such as {EXAMPLE!r}, as times "
                f"(pandas.to_datetime reads others). Received: {row=}, {text!r}"
            )
    return f"Expected dates that fit together as times. Received: {column[:3]}"
