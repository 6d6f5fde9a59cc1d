"""Rows of a table over their seeds."""

import math
import statistics
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.reporting import columns
from experiments.reporting.columns import Column
from experiments.reporting.statistics import NEEDED_SEEDS
from experiments.reporting.statistics import spread
from nextitnet_tf.comparing import compare_ranks

# Setting, model, what was copied, protocol: all but the seed.
Key = tuple[str, str, str, str]
_METRICS = ("mrr_at_5", "hit_rate_at_5", "ndcg_at_5")
# Of a record, the same for all seeds.
_OF_THE_ROW = (
    *("role", "method", "num_blocks", "data_ratio", "recommender"),
    *("use_alpha", "compared_with"),
)
_EXPLANATION = (
    "Means over seeds; sd: standard deviation between seeds. Speed-up: "
    "the median over the seeds that reach the best validation MRR@5 of "
    "the model from scratch; Reached: how many do. Difference: of MRR@5 "
    "on the test sessions (of a baseline to the NextItNet on all data "
    "that validates best), with its 95 % range over users (the sessions of "
    "one are one draw) and seeds (paired, Student's t), where all ranks "
    "were kept; * where that leaves out 0 and there are three seeds."
)


@dataclass(frozen=True)
class Entry:
    """One row, one seed.

    Attributes:
        key: what it is, but for the seed.
        record: of `records.to_records`.
        ranks: (num_sessions,) of the test, if they were kept.
        reference: of the row it is compared with, or None.
        groups: (num_sessions,) of whom each session is, where several of one
            count; else None.
        unseen_ranks: as `ranks`, among the items not in the history.
        without_alpha: of the same row without alpha, if there is one.
        shallow: of a row from scratch, the shallow one of its setting.
        name: of the run, under which what was computed of it is kept.
    """

    key: Key
    record: dict[str, Any]
    ranks: np.ndarray | None
    reference: Key | None
    groups: np.ndarray | None = None
    unseen_ranks: np.ndarray | None = None
    without_alpha: Key | None = None
    shallow: Key | None = None
    name: str = ""


Once = Callable[[Any, Callable[[], Any]], Any]


def _always(key: Any, compute: Callable[[], Any]) -> Any:
    del key
    return compute()


def summarize(
    entries: Sequence[Entry], once: Once = _always
) -> list[dict[str, Any]]:
    """One dictionary a row, its seeds taken together.

    Args:
        entries: a row and seed each.
        once: keeps what was computed of the same runs before
            (`Store.once`).

    Returns:
        The rows in the order of their first seed: metrics as mean, standard
        deviation, smallest and largest; the median speed-up of the seeds
        that reach what the model from scratch reaches, and how many do;
        `difference` of MRR@5 to the model from scratch, `low` and `high`
        (`paired_difference`; None unless all ranks of both sides were kept),
        where that has all these seeds; the same three after `alpha_`, to the
        row without alpha, and after `rise_`, to the shallow row.
    """
    by_key: dict[Key, list[Entry]] = {}
    for entry in entries:
        by_key.setdefault(entry.key, []).append(entry)
    return [
        {**_group(of_key), **_differences(of_key, by_key, once)}
        for of_key in by_key.values()
    ]


def _group(entries: list[Entry]) -> dict[str, Any]:
    setting, model, copied, protocol = entries[0].key
    records = [entry.record for entry in entries]
    speedups = [r["speedup"] for r in records if r["speedup"]]
    group: dict[str, Any] = {
        "setting": setting,
        "model": model,
        "copied": copied,
        "protocol": protocol,
        "seeds": [r["seed"] for r in records],
        "values": [r["mrr_at_5"] for r in records],
        "paper_mrr_at_5": records[0]["paper"]["mrr_at_5"],
        "is_compared": records[0]["is_compared"],
        "num_reached": len(speedups),
        "speedup": statistics.median(speedups) if speedups else None,
        "difference": None,
        **{k: records[0][k] for k in _OF_THE_ROW if k in records[0]},
    }
    kept = (r.get("unseen_mrr_at_5") for r in records)
    unseen = [value for value in kept if value is not None]
    if len(unseen) == len(records):
        group["unseen_mrr_at_5"] = statistics.mean(unseen)
    return group | {
        name: spread([r[name] for r in records]) for name in _METRICS
    }


def _differences(
    entries: list[Entry], by_key: dict[Key, list[Entry]], once: Once
) -> dict[str, Any]:
    """To other rows: without alpha, shallow, what it is compared with."""
    found: dict[str, Any] = {}
    first = entries[0]
    for name, key in (("alpha", first.without_alpha), ("rise", first.shallow)):
        if key is not None:
            other = _difference(entries, by_key[key], "ranks", once)
            found |= {f"{name}_{k}": v for k, v in other.items()}
    if first.reference is None or first.reference == first.key:
        return found
    others = by_key.get(first.reference, [])
    found["compared_with"] = first.reference[1]
    found |= _difference(entries, others, "ranks", once)
    among_unseen = _difference(entries, others, "unseen_ranks", once)
    return found | {f"unseen_{k}": v for k, v in among_unseen.items()}


def _difference(
    entries: list[Entry], others: list[Entry], ranks: str, once: Once
) -> dict[str, Any]:
    """Of MRR@5, if each seed has its counterpart.

    The range is that of all the seeds or of none: those that have kept their
    ranks need not speak for the others.
    """
    other_of = {entry.record["seed"]: entry for entry in others}
    pairs = [
        (entry, other_of[entry.record["seed"]])
        for entry in entries
        if entry.record["seed"] in other_of
    ]
    if not pairs or len(pairs) < len(entries):
        return {}
    if any(getattr(e, ranks) is None for pair in pairs for e in pair):
        if ranks != "ranks":
            return {}
        each = [a.record["mrr_at_5"] - b.record["mrr_at_5"] for a, b in pairs]
        return {"difference": statistics.mean(each), "low": None, "high": None}
    ours, theirs = ([getattr(p[i], ranks) for p in pairs] for i in (0, 1))
    names = tuple(entry.name for pair in pairs for entry in pair)
    return once(
        (*names, ranks), lambda: compare_ranks(ours, theirs, entries[0].groups)
    )


def interval(found: dict[str, Any]) -> str:
    """The range of a difference, or "" where nothing is known of it."""
    if found.get("difference") is None or found.get("low") is None:
        return ""
    if math.isinf(found["low"]):
        return ""
    return f"{found['low']:+.4f} to {found['high']:+.4f}"


def mark(found: dict[str, Any]) -> str:
    """An asterisk where the range of a difference leaves out 0."""
    if not interval(found):
        return ""
    return "*" if found["low"] > 0 or found["high"] < 0 else ""


def _verdict(group: dict[str, Any]) -> str:
    """The mark, where there are seeds enough."""
    return mark(group) if len(group["seeds"]) >= NEEDED_SEEDS else ""


def _speedup(group: dict[str, Any]) -> str:
    return columns.factor(group["speedup"]) if group["is_compared"] else ""


def _reached(group: dict[str, Any]) -> str:
    if not group["is_compared"]:
        return ""
    return f"{group['num_reached']} of {len(group['seeds'])}"


COLUMNS = (
    Column("Setting", lambda g: g["setting"]),
    Column("Model", lambda g: g["model"]),
    Column("Copied", lambda g: g["copied"]),
    Column("Protocol", lambda g: g["protocol"]),
    Column("Seeds", lambda g: str(len(g["seeds"]))),
    Column("MRR@5", lambda g: columns.number(g["mrr_at_5"]["mean"])),
    Column("sd", lambda g: columns.number(g["mrr_at_5"]["sd"])),
    Column("Paper MRR@5", lambda g: columns.number(g["paper_mrr_at_5"])),
    Column("Speed-up", _speedup),
    Column("Reached", _reached),
    Column(
        "Difference to scratch",
        lambda g: columns.number(g["difference"], "+.4f"),
    ),
    Column("95 %", interval),
    Column("", _verdict),
)


def to_markdown(groups: list[dict[str, Any]]) -> list[str]:
    """The lines of a section, unless there is nothing to say.

    An asterisk marks what is not noise, by three seeds or more.
    """
    if all(
        len(group["seeds"]) == 1 and group["difference"] is None
        for group in groups
    ):
        return []
    return [
        *("## Over the seeds", ""),
        *columns.table(COLUMNS, groups),
        *("", _EXPLANATION, "", "## Every run", ""),
    ]
