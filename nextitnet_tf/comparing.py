"""Two models compared by their ranks, two blocks by their outputs."""

from collections.abc import Callable
from collections.abc import Sequence

import numpy as np


def reciprocal_ranks(ranks: np.ndarray, at: int = 5) -> np.ndarray:
    """What each session adds to MRR@N: 1 / (rank + 1), or 0 from N on."""
    return np.where(ranks < at, 1.0 / (ranks + 1.0), 0.0)


def discounted_gains(ranks: np.ndarray, at: int = 10) -> np.ndarray:
    """What each session adds to NDCG@N: 1 / log2(rank + 2), or 0 from N on."""
    return np.where(ranks < at, 1.0 / np.log2(ranks + 2.0), 0.0)


def paired_difference(
    scores: np.ndarray,
    others: np.ndarray,
    groups: np.ndarray | None = None,
) -> tuple[float, float, float]:
    """A difference of means and its 95 % confidence interval.

    Users and seeds are both drawn at random, and crossed: each seed is
    evaluated on the same sessions. The variance of the mean is that between
    users, plus what the seeds differ by beyond it (two-way random effects,
    Searle, Casella and McCulloch, Variance Components, 1992); the interval is
    Student's t with Satterthwaite's degrees of freedom, so that three seeds
    that differ much make it as wide as two degrees of freedom demand. One
    seed tells nothing of others: the interval is of users alone, and of seeds
    alone where there is one user.

    Args:
        scores: (seeds, sessions), of one model.
        others: the same of another, on the same sessions and seeds.
        groups: (sessions,) of whom each is: sessions of one user are alike,
            and are one draw together. None where each is of another.

    Returns:
        The difference of the means, and the ends of its interval: the
        difference itself where nothing varies, infinite where one user and
        one seed tell of no others.
    """
    differences = (scores - others).astype("float64")  # (seeds, sessions)
    deviations = differences - differences.mean(axis=1, keepdims=True)
    sizes = np.ones(differences.shape[1])
    if groups is not None:
        _, group_of = np.unique(groups, return_inverse=True)
        sizes = np.bincount(group_of).astype("float64")
        deviations = np.stack(
            [np.bincount(group_of, row) for row in deviations]
        )
        # Of a mean over sessions, as parts of a mean over users.
        deviations *= deviations.shape[1] / differences.shape[1]
    num_seeds, num_users = deviations.shape
    mean = float(differences.mean())
    between_users, between_seeds = 0.0, 0.0
    # Who has most of the sessions is most of what is known of users.
    effective = sizes.sum() ** 2 / np.sum(sizes**2)
    of_users = max(1.0, effective - 1)
    if num_users > 1:
        shared = deviations.mean(axis=0)
        between_users = np.sum(shared**2) / (num_users - 1) / num_users
    if num_seeds > 1:
        between_seeds = differences.mean(axis=1).var(ddof=1) / num_seeds
    if num_users == 1 and num_seeds == 1:
        return mean, -np.inf, np.inf
    rest = 0.0
    if num_users > 1 and num_seeds > 1:
        # What users and seeds have apart from either is in both of the above.
        rest = np.sum((deviations - shared) ** 2) / num_users / num_seeds
        rest /= (num_users - 1) * (num_seeds - 1)
    variance = max(between_users, between_users + between_seeds - rest)
    if not variance:
        return mean, mean, mean
    inverse = between_users**2 / of_users
    if num_seeds > 1:
        inverse += between_seeds**2 / (num_seeds - 1)
    freedom = float(variance**2 / inverse)
    half = students_t(max(1.0, freedom)) * float(np.sqrt(variance))
    return mean, mean - half, mean + half


def students_t(freedom: float) -> float:
    """How many standard errors 95 % of Student's t lie within, either side.

    With t = sqrt(freedom) * tan(angle) the density is that of the angle,
    cos(angle) ** (freedom - 1), which is added up.

    Args:
        freedom: degrees of freedom, at least 1.
    """
    widest = min(np.pi / 2, 10 / np.sqrt(freedom))
    angles = np.linspace(0.0, widest, 20_001)
    density = np.cos(angles) ** (freedom - 1)
    below = np.append(0.0, np.cumsum((density[1:] + density[:-1]) / 2))
    angle = np.interp(0.95 * below[-1], below, angles)
    return float(np.sqrt(freedom) * np.tan(angle))


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
        groups: as for `paired_difference`.
        score: what each session adds to the metric; default to MRR@5.

    Returns:
        `difference`, `low`, `high`.

    Raises:
        ValueError: not as many seeds of one as of the other.
    """
    if len(ranks) != len(others):
        raise ValueError(
            "Expected ranks of the same seeds. Received: "
            f"{len(ranks)} and {len(others)}"
        )
    scores, of_others = (
        np.stack([score(of_seed) for of_seed in side])
        for side in (ranks, others)
    )
    difference, low, high = paired_difference(scores, of_others, groups)
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
