"""Rows before, between and after two times."""

import datetime

import numpy as np

# Times beyond are milliseconds, below seconds: this is the year 5138 of those.
_MILLISECONDS_FROM = 1e11


def rows_by_time(
    times: np.ndarray | None, train_until: str, validate_until: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which rows were over before the first time, the second, and later.

    Args:
        times: (num_rows,) time of each row's latest item.
        train_until: a date (2020-01-31, midnight UTC), a time in the unit of
            `times`, or, below 1, the share of the rows that are over by then.
        validate_until: the same.

    Returns:
        Row numbers, ascending, of the three parts.

    Raises:
        ValueError: no times are known; what is no time; the second not after
            the first.
    """
    if times is None:
        raise ValueError(
            "A temporal split needs the time of each row (times.npy), which "
            "preparing keeps where the raw data have a timestamp column, and "
            "no order column, which would win: prepare them again (--force). "
            "Received: sessions without times"
        )
    first, second = (
        time_of(text, times) for text in (train_until, validate_until)
    )
    if not first < second:
        raise ValueError(
            "Expected a time of `validate_until` after that of `train_until`. "
            f"Received: train_until={train_until}, "
            f"validate_until={validate_until}"
        )
    return (
        np.flatnonzero(times < first),
        np.flatnonzero((times >= first) & (times < second)),
        np.flatnonzero(times >= second),
    )


def time_of(text: str, times: np.ndarray) -> float:
    """What a text says, in the unit of the times.

    Args:
        text: as for `rows_by_time`.
        times: of the rows.

    Raises:
        ValueError: what is no time.
    """
    try:
        number = float(text)
    except ValueError:
        return _date(text, times)
    if 0 < number < 1:
        return float(np.quantile(times, number))
    return number


def _date(text: str, times: np.ndarray) -> float:
    try:
        date = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            "Expected a date such as 2020-01-31, a time, or a share between "
            f"0 and 1. Received: {text!r}"
        ) from None
    if date.tzinfo is None:
        date = date.replace(tzinfo=datetime.UTC)
    is_milliseconds = np.abs(times).max() > _MILLISECONDS_FROM
    return date.timestamp() * (1000 if is_milliseconds else 1)
