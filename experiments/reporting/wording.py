"""How groups of a table and their differences are put into words."""

from collections.abc import Mapping
from collections.abc import Sequence
from collections.abc import Sized
from typing import Any

from experiments.reporting.columns import escape
from experiments.reporting.columns import number
from experiments.reporting.statistics import verdict

Group = Mapping[str, Any]


def told(group: Group, prefix: str = "") -> str:
    """The verdict on a group's difference."""
    return verdict(*range_of(group, prefix), len(group["seeds"]))


def beats(group: Group, prefix: str = "") -> str:
    """The verdict on what a group is compared with, over the group."""
    return verdict(*reversed_range(group, prefix), len(group["seeds"]))


def advantage(group: Group, prefix: str = "") -> str:
    """Of what a group is compared with, over the group."""
    return shown(*reversed_range(group, prefix))


def range_of(
    group: Group, prefix: str = ""
) -> tuple[float | None, float | None, float | None]:
    """A difference and where its range begins and ends, if it has one."""
    difference, low, high = (
        group.get(f"{prefix}{name}") for name in ("difference", "low", "high")
    )
    return difference, low, high


def reversed_range(
    group: Group, prefix: str = ""
) -> tuple[float | None, float | None, float | None]:
    """The same seen from the other side."""
    difference, high, low = (
        None if value is None else -value for value in range_of(group, prefix)
    )
    return difference, low, high


def shown(
    difference: float | None, low: float | None, high: float | None
) -> str:
    """A difference with its range, if it has one."""
    if difference is None:
        return ""
    if low is None or high is None:
        return f"{difference:+.4f}"
    return f"{difference:+.4f} ({low:+.4f} to {high:+.4f})"


def each_seed(group: Group, other: Group) -> list[float]:
    """Differences of MRR@5 on the seeds of both."""
    ours, theirs = (
        dict(zip(g["seeds"], g["values"], strict=True)) for g in (group, other)
    )
    return [ours[seed] - theirs[seed] for seed in sorted({*ours} & {*theirs})]


def protocols_of(groups: Sequence[Group]) -> list[str]:
    """The protocols that occur, in order."""
    return list(dict.fromkeys(g["protocol"] for g in groups))


def mean(group: Group) -> str:
    """Of MRR@5."""
    return number(group["mrr_at_5"]["mean"])


def seeds_of(of_each: Sized) -> str:
    """How many seeds there are."""
    return f"{len(of_each)} seed{'s' * (len(of_each) > 1)}"


def named(group: Group) -> str:
    """A group's model, its MRR@5 and its seeds."""
    return (
        f"{escape(group['model'])} {mean(group)} ({seeds_of(group['seeds'])})"
    )


def changes(values: Mapping[str, Any]) -> str:
    """Names and values, as flags have them."""
    return ", ".join(f"{name}={value}" for name, value in values.items())


def protocol(summary: Mapping[str, Any]) -> str:
    """A run's protocol, and in what it differs from the one of that name."""
    return " ".join(
        [summary["protocol"]["name"], *summary["protocol_differences"]]
    )
