"""Rows of a table over their seeds, and which differences are not noise."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_METRICS = ("mrr_at_5", "hit_rate_at_5", "ndcg_at_5")
_RESAMPLINGS = 2000
_COLUMNS = (
    "Setting",
    "Model",
    "Copied",
    "Protocol",
    "Seeds",
    "MRR@5",
    "sd",
    "Paper MRR@5",
    "Speed-up",
    "Reached",
    "Difference to scratch",
    "95 %",
    "",
)


@dataclass(frozen=True)
class Entry:
    """One row, one seed.

    Attributes:
        key: setting, model, what was copied, protocol: all but the seed.
        record: of `tables.to_records`.
        ranks: (num_sessions,) of the test, if they were kept.
        reference: setting and model of the row it is compared with, or None.
        unseen_ranks: as `ranks`, among the items not in the history.
        groups: (num_sessions,) of whom each session is, where several of one
            count; else None.
        without_alpha: key of the same row without alpha, if there is one.
    """

    key: tuple[str, str, str, str]
    record: dict[str, Any]
    ranks: np.ndarray | None
    reference: tuple[str, str] | None
    groups: np.ndarray | None = None
    unseen_ranks: np.ndarray | None = None
    without_alpha: tuple[str, str, str, str] | None = None


def reciprocal_ranks(ranks: np.ndarray, at: int = 5) -> np.ndarray:
    """What each session adds to MRR@N: 1 / (rank + 1), or 0 from N on."""
    return np.where(ranks < at, 1.0 / (ranks + 1.0), 0.0)


def paired_bootstrap(
    scores: np.ndarray,
    others: np.ndarray,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> tuple[float, float, float]:
    """How sure a difference of means is, over sessions and seeds.

    Sessions are drawn with replacement, the same for both sides, and so are
    the seeds: what only this draw of either shows is noise.

    Args:
        scores: (seeds, sessions), of one model.
        others: the same of another, on the same sessions and seeds.
        seed: of the resampling.
        groups: (sessions,) of whom each is: sessions of one user are drawn
            together, because they are alike. None where each is of another.

    Returns:
        The difference of the means, and the 2.5 and 97.5 % points of what
        resampling makes of it.
    """
    differences = scores - others  # (seeds, sessions)
    num_seeds, num_sessions = differences.shape
    totals, sizes = differences, np.ones(num_sessions)
    if groups is not None:
        _, group_of = np.unique(groups, return_inverse=True)
        sizes = np.bincount(group_of).astype("float64")
        totals = np.stack([np.bincount(group_of, row) for row in differences])
    generator = np.random.default_rng(seed)
    # Few different values occur: how often each is drawn is all that matters,
    # whatever the number of sessions.
    values, counts = np.unique(
        np.vstack([totals, sizes]), axis=1, return_counts=True
    )
    drawn = generator.multinomial(len(sizes), counts / len(sizes), _RESAMPLINGS)
    sums = drawn @ values.T  # (resamplings, seeds + 1)
    means = sums[:, :-1] / sums[:, -1:]
    of_seeds = generator.integers(0, num_seeds, (_RESAMPLINGS, num_seeds))
    resampled = np.take_along_axis(means, of_seeds, axis=1).mean(axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(differences.mean()), float(low), float(high)


def summarize(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """One dictionary a row, its seeds taken together.

    Returns:
        The rows in the order of their first seed: metrics as mean, standard
        deviation, smallest and largest; the median speed-up of the seeds
        that reach what the model from scratch reaches, and how many do;
        `difference` of MRR@5 to the model from scratch, `low` and `high`
        (`paired_bootstrap`; None unless all ranks of both sides were kept),
        where that has all these seeds; the same three after `alpha_`, to the
        row without alpha.
    """
    by_key: dict[tuple, list[Entry]] = {}
    for entry in entries:
        by_key.setdefault(entry.key, []).append(entry)
    return [_group(of_key, by_key) for of_key in by_key.values()]


def _group(
    entries: list[Entry], by_key: dict[tuple, list[Entry]]
) -> dict[str, Any]:
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
    }
    kept = (r.get("unseen_mrr_at_5") for r in records)
    unseen = [value for value in kept if value is not None]
    if len(unseen) == len(records):
        group["unseen_mrr_at_5"] = statistics.mean(unseen)
    for name in _METRICS:
        values = [r[name] for r in records]
        group[name] = {
            "mean": statistics.mean(values),
            "sd": statistics.stdev(values) if len(values) > 1 else None,
            "min": min(values),
            "max": max(values),
        }
    if entries[0].without_alpha is not None:
        others = by_key[entries[0].without_alpha]
        worth = _difference(entries, others, "ranks")
        group |= {f"alpha_{k}": v for k, v in worth.items()}
    reference = entries[0].reference
    if reference is None or reference == (setting, model):
        return group
    others = by_key.get((*reference, "", protocol), [])
    group["compared_with"] = reference[1]
    group |= _difference(entries, others, "ranks")
    among_unseen = _difference(entries, others, "unseen_ranks")
    return group | {f"unseen_{k}": v for k, v in among_unseen.items()}


def _difference(
    entries: list[Entry], others: list[Entry], ranks: str
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
    ours, theirs = (
        np.stack([reciprocal_ranks(getattr(pair[i], ranks)) for pair in pairs])
        for i in (0, 1)
    )
    difference, low, high = paired_bootstrap(
        ours, theirs, groups=entries[0].groups
    )
    return {"difference": difference, "low": low, "high": high}


def to_markdown(groups: list[dict[str, Any]]) -> list[str]:
    """The lines of a section, unless there is nothing to say.

    An asterisk marks what is not noise.
    """
    if all(
        len(group["seeds"]) == 1 and group["difference"] is None
        for group in groups
    ):
        return []
    cells = [list(_COLUMNS), ["---"] * len(_COLUMNS)]
    cells += [_cells(group) for group in groups]
    # A column nobody fills is left out, but the last, which has no name.
    shown = [
        i
        for i, name in enumerate(_COLUMNS)
        if not name or any(row[i] for row in cells[2:])
    ]
    return [
        "## Over the seeds",
        "",
        *("| " + " | ".join(row[i] for i in shown) + " |" for row in cells),
        "",
        "Means over seeds; sd: standard deviation between seeds. Speed-up: "
        "the median over the seeds that reach the best validation MRR@5 of "
        "the model from scratch; Reached: how many do. Difference: of MRR@5 "
        "on the test sessions (of a baseline to the NextItNet on all data "
        "that validates best), with 95 % of a paired bootstrap over users "
        "(the sessions of one are drawn together) and seeds, where all ranks "
        "were kept; * where that leaves out 0.",
        "",
        "## Every run",
        "",
    ]


def _cells(group: dict[str, Any]) -> list[str]:
    mrr, paper = group["mrr_at_5"], group["paper_mrr_at_5"]
    seeds = len(group["seeds"])
    difference = group["difference"]
    compared = group["is_compared"]
    interval = ""
    mark = ""
    if difference is not None and group["low"] is not None:
        interval = f"{group['low']:+.4f} to {group['high']:+.4f}"
        mark = "*" if group["low"] > 0 or group["high"] < 0 else ""
    return [
        group["setting"],
        group["model"],
        group["copied"],
        group["protocol"],
        str(seeds),
        f"{mrr['mean']:.4f}",
        "" if mrr["sd"] is None else f"{mrr['sd']:.4f}",
        "" if paper is None else f"{paper:.4f}",
        (f"{group['speedup']:.2f}x" if group["speedup"] else "-")
        if compared
        else "",
        f"{group['num_reached']} of {seeds}" if compared else "",
        "" if difference is None else f"{difference:+.4f}",
        interval,
        mark,
    ]
