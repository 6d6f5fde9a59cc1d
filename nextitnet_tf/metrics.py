"""Ranking metrics over all items."""

import math

import keras
import numpy as np
from keras import ops


def target_rank(logits, next_item_ids):
    """The place of the item that did follow, among all columns.

    Counting the columns that beat it is exact and much cheaper than sorting.
    Ties go to the lower id, as in `tf.math.top_k`. A logit that is not a
    number beats everything and is beaten by everything, so a model that
    diverged never looks good.

    Args:
        logits: (B, N).
        next_item_ids: (B,) the column each row is asked for.

    Returns:
        (B,) int32, 0 for the best.
    """
    next_item_ids = ops.cast(next_item_ids, "int32")[:, None]  # (B, 1)
    columns = ops.arange(logits.shape[-1], dtype="int32")[None, :]  # (1, N)
    not_beaten = ops.logical_not(
        _is_beaten(logits, columns, logits, next_item_ids)
    )
    not_beaten = ops.sum(ops.cast(not_beaten, "int32"), axis=-1)
    return not_beaten - 1  # the item itself


def rank_among(
    logits, next_item_ids, ignored_ids=(), seen_item_ids=None, ties_to="lower"
):
    """`target_rank` where some columns cannot be ranked.

    Args:
        logits: (B, N).
        next_item_ids: (B,).
        ignored_ids: the columns.
        seen_item_ids: (B, T) items that cannot be ranked in that row alone,
            unless one is the item that did follow; default none.
        ties_to: which of two ids comes first, "lower" or "higher".

    Returns:
        (B,) int32.
    """
    next_item_ids = ops.cast(ops.reshape(next_item_ids, (-1,)), "int32")
    if ties_to == "higher":
        last = logits.shape[-1] - 1
        logits = ops.flip(logits, axis=-1)
        next_item_ids = last - next_item_ids
        ignored_ids = [last - item_id for item_id in ignored_ids]
        if seen_item_ids is not None:
            seen_item_ids = last - ops.cast(seen_item_ids, "int32")
    for item_id in ignored_ids:
        is_ignored = ops.equal(ops.arange(logits.shape[-1]), item_id)
        logits = ops.where(is_ignored, -math.inf, logits)
    rank = target_rank(logits, next_item_ids)
    if seen_item_ids is None:
        return rank
    return rank - _count_above(
        logits,
        next_item_ids[:, None],
        ops.cast(seen_item_ids, "int32"),
    )


def from_ranks(ranks, cutoffs=(5, 10)):
    """What `make_ranking_metrics` come to over known ranks.

    Args:
        ranks: (num_sessions,) int, 0 for the best.
        cutoffs: the Ns.

    Returns:
        Means by name.
    """
    ranks = np.asarray(ranks)
    means = {}
    for metric in make_ranking_metrics(cutoffs):
        scores = np.asarray(metric.score(ranks.astype("float32")))
        means[metric.name] = float(
            np.where(ranks < metric.at, scores, 0).mean()
        )
    return means


def _is_beaten(scores, item_ids, logits, next_item_ids):
    """Which items the target comes before.

    Args:
        scores: (B, M) logits of the items.
        item_ids: (B, M) or (1, M) their columns.
        logits: (B, N).
        next_item_ids: (B, 1) the target.
    """
    target = ops.take_along_axis(logits, next_item_ids, axis=-1)  # (B, 1)
    return ops.logical_or(
        scores < target,
        ops.logical_and(ops.equal(scores, target), item_ids > next_item_ids),
    )


def _count_above(logits, next_item_ids, seen_item_ids):
    """(B,) how many distinct items of (B, T) come before (B, 1) targets."""
    scores = ops.take_along_axis(logits, seen_item_ids, axis=-1)  # (B, T)
    is_above = ops.logical_not(
        _is_beaten(scores, seen_item_ids, logits, next_item_ids)
    )
    is_other = ops.not_equal(seen_item_ids, next_item_ids)
    places = ops.arange(seen_item_ids.shape[-1])
    # Items that occur again, each at its later places: (B, T).
    is_again = ops.any(
        ops.logical_and(
            ops.equal(seen_item_ids[:, :, None], seen_item_ids[:, None, :]),
            places[:, None] > places[None, :],
        ),
        axis=-1,
    )
    counts = ops.logical_and(
        ops.logical_and(is_above, is_other), ops.logical_not(is_again)
    )
    return ops.sum(ops.cast(counts, "int32"), axis=-1)


class RankingMetric(keras.metrics.Mean):
    """The mean of a score of the target's rank; subclasses give the score.

    Args:
        at: only ranks below it score (the N of MRR@N).
        ignored_ids: columns that cannot be ranked (padding, under protocol
            `clean`).
        ties_to: as for `rank_among`.
        name: defaults to the subclass's own name and `at`.
    """

    stem = ""

    def __init__(
        self, at=5, ignored_ids=(), ties_to="lower", name=None, dtype=None
    ):
        super().__init__(name=name or f"{self.stem}_at_{at}", dtype=dtype)
        self.at = at
        self.ignored_ids = tuple(ignored_ids)
        self.ties_to = ties_to

    def score(self, rank):
        """(B,) float ranks, 0 for the best -> (B,) score if within N."""
        raise NotImplementedError

    def update_state(self, next_item_ids, logits, sample_weight=None):
        """Adds a batch.

        Args:
            next_item_ids: (B,).
            logits: (B, N).
            sample_weight: (B,), 0 for rows that only fill up a batch.
        """
        rank = rank_among(
            logits, next_item_ids, self.ignored_ids, ties_to=self.ties_to
        )
        score = self.score(ops.cast(rank, "float32"))
        super().update_state(
            ops.where(rank < self.at, score, 0.0), sample_weight
        )

    def get_config(self):
        return {
            **super().get_config(),
            "at": self.at,
            "ignored_ids": list(self.ignored_ids),
            "ties_to": self.ties_to,
        }


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class MRR(RankingMetric):
    """Mean reciprocal rank: 1 / (rank + 1), rank counted from 0."""

    stem = "mrr"

    def score(self, rank):
        return 1.0 / (rank + 1.0)


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class HitRate(RankingMetric):
    """Share of sessions whose next item is among the first N."""

    stem = "hit_rate"

    def score(self, rank):
        return ops.ones_like(rank)


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class NDCG(RankingMetric):
    """Normalised discounted cumulative gain with one relevant item."""

    stem = "ndcg"

    def score(self, rank):
        return math.log(2.0) / ops.log(rank + 2.0)


def make_ranking_metrics(cutoffs=(5, 10), ignored_ids=(), ties_to="lower"):
    """Fresh metrics for `compile(weighted_metrics=...)`.

    Args:
        cutoffs: the Ns.
        ignored_ids: columns that cannot be ranked.
        ties_to: as for `rank_among`.

    Returns:
        MRR, HitRate and NDCG at each N, in that order.
    """
    return [
        metric(at=at, ignored_ids=ignored_ids, ties_to=ties_to)
        for at in cutoffs
        for metric in (MRR, HitRate, NDCG)
    ]
