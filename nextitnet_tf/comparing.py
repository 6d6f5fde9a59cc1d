"""Two models compared by their ranks, two blocks by their outputs."""

from collections.abc import Callable
from collections.abc import Sequence

import numpy as np

_RESAMPLINGS = 2000


def reciprocal_ranks(ranks: np.ndarray, at: int = 5) -> np.ndarray:
    """What each session adds to MRR@N: 1 / (rank + 1), or 0 from N on."""
    return np.where(ranks < at, 1.0 / (ranks + 1.0), 0.0)


def discounted_gains(ranks: np.ndarray, at: int = 10) -> np.ndarray:
    """What each session adds to NDCG@N: 1 / log2(rank + 2), or 0 from N on."""
    return np.where(ranks < at, 1.0 / np.log2(ranks + 2.0), 0.0)


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


def compare_ranks(
    ranks: Sequence[np.ndarray],
    others: Sequence[np.ndarray],
    groups: np.ndarray | None,
    score: Callable[[np.ndarray], np.ndarray] = reciprocal_ranks,
) -> dict[str, float]:
    """The difference of a metric and its range.

    Args:
        ranks: (num_sessions,) a seed, of one model.
        others: the same of another.
        groups: as for `paired_bootstrap`.
        score: what each session adds to the metric; default to MRR@5.

    Returns:
        `difference`, `low`, `high`.
    """
    scores, of_others = (
        np.stack([score(of_seed) for of_seed in side])
        for side in (ranks, others)
    )
    difference, low, high = paired_bootstrap(scores, of_others, groups=groups)
    return {"difference": difference, "low": low, "high": high}


def block_similarity(model, item_ids) -> np.ndarray:
    """Mean cosine between the outputs of each two blocks.

    Args:
        model: a built recommender with L blocks.
        item_ids: (B, T).

    Returns:
        (L, L); the diagonal is 1.
    """
    outputs = [np.array(state) for state in model.states(item_ids)][1:]
    stacked = np.stack(outputs).astype("float64")  # (L, B, T, D)
    length = np.linalg.norm(stacked, axis=-1, keepdims=True)
    directions = stacked / np.maximum(length, np.finfo("float64").tiny)
    cosines = np.einsum("ibtd,jbtd->ijbt", directions, directions)
    return cosines.mean(axis=(2, 3))
