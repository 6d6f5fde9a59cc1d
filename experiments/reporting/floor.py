"""The floor: what counting gives, and whether a trained model is above it."""

from collections.abc import Sequence
from typing import Any

from experiments.reporting import wording
from experiments.reporting.statistics import compare_ranks
from experiments.reporting.statistics import verdict
from experiments.reporting.store import Store
from nextitnet_tf.models import MODELS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.training import Run


def is_counted(recipe: Recipe) -> bool:
    """Whether a recipe's model is counted, not trained."""
    return hasattr(MODELS[recipe.model], "adapt")


def best(runs: Sequence[Run]) -> Run | None:
    """The counted run that validates best, if there is any."""
    return max(
        runs, key=lambda run: run.summary["best_validation"], default=None
    )


def compare(
    runs: Sequence[Run], floor: Run, store: Store, exclude_seen: bool
) -> dict[str, float] | None:
    """How far the seeds of a model are above the floor, in MRR@5.

    Args:
        runs: one a seed.
        floor: counted; it has no seed.
        store: has the ranks of all of them.
        exclude_seen: whether items of the history are left out of the
            ranking.

    Returns:
        `difference`, `low`, `high` (`statistics.compare_ranks`), or None
        where ranks were not kept, or are of other sessions.
    """
    of_floor = store.ranks(floor, exclude_seen)
    kept = (store.ranks(run, exclude_seen) for run in runs)
    ranks = [one for one in kept if one is not None]
    if of_floor is None or len(ranks) < len(runs):
        return None
    if any(len(one) != len(of_floor) for one in ranks):
        return None
    names = tuple(run.folder.name for run in (*runs, floor))
    return store.once(
        (*names, "floor", exclude_seen),
        lambda: compare_ranks(
            ranks, [of_floor] * len(runs), store.users(floor)
        ),
    )


def said(found: dict[str, Any] | None, num_seeds: int) -> str:
    """A comparison in words: the difference, its range and the verdict."""
    if found is None:
        return ""
    ends = found["difference"], found["low"], found["high"]
    told = {
        "holds": "above",
        "does not hold": "below",
    }.get(verdict(*ends, num_seeds), verdict(*ends, num_seeds))
    return f"{wording.shown(*ends)}: {told}"
