"""Ranking metrics over all items."""

import math

import keras
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
    target = ops.take_along_axis(logits, next_item_ids, axis=-1)  # (B, 1)
    columns = ops.arange(logits.shape[-1], dtype="int32")[None, :]  # (1, N)
    beaten = ops.logical_or(
        logits < target,
        ops.logical_and(ops.equal(logits, target), columns > next_item_ids),
    )
    not_beaten = ops.sum(ops.cast(ops.logical_not(beaten), "int32"), axis=-1)
    return not_beaten - 1  # the item itself


def rank_among(logits, next_item_ids, ignored_ids=()):
    """`target_rank` where some columns cannot be ranked.

    Args:
        logits: (B, N).
        next_item_ids: (B,).
        ignored_ids: the columns.

    Returns:
        (B,) int32.
    """
    for item_id in ignored_ids:
        is_ignored = ops.equal(ops.arange(logits.shape[-1]), item_id)
        logits = ops.where(is_ignored, -math.inf, logits)
    return target_rank(logits, ops.reshape(next_item_ids, (-1,)))


class RankingMetric(keras.metrics.Mean):
    """The mean of a score of the target's rank; subclasses give the score.

    Args:
        at: only ranks below it score (the N of MRR@N).
        ignored_ids: columns that cannot be ranked (padding, under protocol
            `clean`).
        name: defaults to the subclass's own name and `at`.
    """

    stem = ""

    def __init__(self, at=5, ignored_ids=(), name=None, dtype=None):
        super().__init__(name=name or f"{self.stem}_at_{at}", dtype=dtype)
        self.at = at
        self.ignored_ids = tuple(ignored_ids)

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
        rank = rank_among(logits, next_item_ids, self.ignored_ids)
        score = self.score(ops.cast(rank, "float32"))
        super().update_state(
            ops.where(rank < self.at, score, 0.0), sample_weight
        )

    def get_config(self):
        return {
            **super().get_config(),
            "at": self.at,
            "ignored_ids": list(self.ignored_ids),
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


def make_ranking_metrics(cutoffs=(5, 10), ignored_ids=()):
    """Fresh metrics for `compile(weighted_metrics=...)`.

    Args:
        cutoffs: the Ns.
        ignored_ids: columns that cannot be ranked.

    Returns:
        MRR, HitRate and NDCG at each N, in that order.
    """
    return [
        metric(at=at, ignored_ids=ignored_ids)
        for at in cutoffs
        for metric in (MRR, HitRate, NDCG)
    ]
