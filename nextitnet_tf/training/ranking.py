"""Where a model ranks what did follow."""

import numpy as np
import tensorflow as tf

from nextitnet_tf import distribution
from nextitnet_tf import metrics
from nextitnet_tf.training.task import Evaluation


class Ranker:
    """Ranks what did follow, batch by batch, compiled once.

    Args:
        model: any.
        ignored_ids: columns that cannot be ranked.
        with_unseen: whether to rank among the items that are not in the
            history, too.
        jit_compile: whether XLA compiles it.
        ties_to: as for `metrics.rank_among`.
    """

    def __init__(
        self,
        model,
        ignored_ids: tuple[int, ...],
        with_unseen: bool = False,
        jit_compile: bool = False,
        ties_to: str = "lower",
    ):
        self._names = ["ranks", *(["unseen_ranks"] * with_unseen)]

        @tf.function(autograph=False, jit_compile=jit_compile)
        def rank_batch(inputs, next_item_ids):
            # With users, the history is the first of a pair.
            history = tf.nest.flatten(inputs)[0]
            logits = model(inputs)
            is_finite = tf.reduce_all(tf.math.is_finite(logits), axis=-1)
            return tf.stack(
                [
                    *(
                        metrics.rank_among(
                            logits, next_item_ids, ignored_ids, seen, ties_to
                        )
                        for seen in (None, history)[: len(self._names)]
                    ),
                    tf.cast(is_finite, "int32"),
                ],
                axis=1,
            )

        self._rank_batches = distribution.over_batches(rank_batch)

    def rank(self, evaluation: Evaluation) -> dict[str, np.ndarray]:
        """Where each session's next item is ranked.

        Returns:
            "ranks" and, if asked for, "unseen_ranks": (num_sessions,) int32,
            0 for the best, in the order of the evaluation.

        Raises:
            FloatingPointError: scores that are NaN or infinite.
        """
        batches = evaluation.dataset.map(
            lambda inputs, next_item_ids, weights: (inputs, next_item_ids)
        )
        ranks = np.concatenate(list(self._rank_batches(batches)))
        ranks = ranks[: evaluation.num_sessions]
        if not ranks[:, -1].all():
            raise FloatingPointError(
                "Expected a model whose scores are finite numbers. Received: "
                f"NaN or infinite logits in {(ranks[:, -1] == 0).sum()} of "
                f"{len(ranks)} sessions; its weights are those of a training "
                "that diverged"
            )
        return {name: ranks[:, i] for i, name in enumerate(self._names)}
