"""What a table of growth shows, in one sentence."""

import statistics
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from nextitnet_tf.models import COUNTED

_SHOWN_METHOD = "adjacent"


def of_growth(records: Iterable[Mapping[str, Any]]) -> str:
    """Stacking against scratch: how much sooner, how good.

    Args:
        records: of `records.to_records`, counted models and the ceiling
            among them where they are known.

    Returns:
        The sentence, of the deepest models that both were trained; it says so
        where stacked models are worse.
    """
    rows = list(records)
    stacked = [r for r in rows if r.get("method") == _SHOWN_METHOD]
    if not stacked:
        return "In short: nothing is stacked yet."
    depth = max(r["num_blocks"] for r in stacked)
    stacked = [r for r in stacked if r["num_blocks"] == depth]
    scratch = [
        r
        for r in rows
        if r.get("role") == "scratch" and r["num_blocks"] == depth
    ]
    if not scratch:
        return f"In short: nothing of {depth} blocks is trained from scratch."
    ours, theirs = _mean(stacked), _mean(scratch)
    than = "better than" if ours > theirs else "worse than"
    return (
        f"In short: {stacked[0]['model']} {_sooner(stacked)}; on the test "
        f"sessions it ends at MRR@5 {ours:.4f}, {abs(ours - theirs):.4f} "
        f"{than} the {theirs:.4f} from scratch"
        f"{_frame(rows)}{_anecdote(scratch)}."
    )


def _mean(records: Iterable[Mapping[str, Any]]) -> float:
    return statistics.mean(r["mrr_at_5"] for r in records)


def _sooner(stacked: list[Mapping[str, Any]]) -> str:
    """How many times sooner it is as good as from scratch."""
    reached = [r["speedup"] for r in stacked if r["speedup"]]
    of_seeds = f" in {len(reached)} of {len(stacked)} seeds"
    if not reached:
        return "never gets as good on validation as the model from scratch"
    factor = statistics.median(reached)
    how = (
        f"{factor:.1f} times sooner"
        if factor >= 1
        else f"{1 / factor:.1f} times later"
    )
    return (
        "gets as good on validation as the model from scratch ever gets "
        f"{how}{of_seeds if len(stacked) > 1 else ''} (steps times the time "
        "of a step, measured in the same run)"
    )


def _frame(rows: list[Mapping[str, Any]]) -> str:
    """What counting gives, and what is possible."""
    counted = [
        r
        for r in rows
        if r.get("recommender") in COUNTED and r["best_validation"] is not None
    ]
    ceiling = [r for r in rows if "role" not in r]
    parts = []
    if counted:
        best = max(counted, key=lambda r: r["best_validation"])
        parts.append(
            f"the best of counting ({best['model']}) has {best['mrr_at_5']:.4f}"
        )
    if ceiling:
        parts.append(f"the best possible is {_mean(ceiling):.4f}")
    return "".join(f", {part}" for part in parts)


def _anecdote(scratch: list[Mapping[str, Any]]) -> str:
    count = len(scratch)
    if count >= 3:
        return ""
    return f"; {'one seed is' if count == 1 else 'two seeds are'} an anecdote"
