"""Verdicts on differences, and what seeds spread."""

import statistics
from collections.abc import Sequence
from typing import Any

# Below, the variance between seeds is unknown.
NEEDED_SEEDS = 3
_TOO_FEW = {1: "one seed", 2: "two seeds"}


def verdict(
    difference: float | None,
    low: float | None,
    high: float | None,
    num_seeds: int,
) -> str:
    """Of a difference that is expected to be positive.

    Args:
        difference: of the means; None if there is nothing to compare.
        low: end of its range, None if there is no range.
        high: the other end.
        num_seeds: that the range is over.

    Returns:
        "holds", "does not hold" or "not told apart"; "one seed" or "two
        seeds" where the range cannot hold the variance between seeds.
    """
    if difference is None:
        return ""
    if num_seeds < NEEDED_SEEDS:
        return _TOO_FEW.get(num_seeds, "no seed")
    if low is None or high is None:
        return "not told apart"
    if low > 0:
        return "holds"
    if high < 0:
        return "does not hold"
    return "not told apart"


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Mean, standard deviation, smallest and largest of seeds' values."""
    return {
        "mean": statistics.mean(values),
        "sd": statistics.stdev(values) if len(values) > 1 else None,
        "min": min(values),
        "max": max(values),
    }
