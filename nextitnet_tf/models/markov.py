"""A Markov chain of the latest items."""

import keras
import numpy as np

from nextitnet_tf.layers.item_neighbours import ItemNeighbours
from nextitnet_tf.layers.item_neighbours import decaying_weights
from nextitnet_tf.layers.item_neighbours import sum_pairs
from nextitnet_tf.models.sequential_recommender import SequentialRecommender


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class Markov(SequentialRecommender):
    """What followed each of the latest items, counted.

    With g the gap between two items of a session (1 for neighbours),
    C[i, j] is the sum of `decay**g` over the places where j followed i at a
    gap of at most `order`, and P its rows, each divided by its sum. A score is
    the sum of `decay**g P[i]` over the latest `order` items i, g places back.
    Order 1 is the first-order chain. It is counted (`adapt`), not trained: the
    floor that a trained model must beat.

    Args:
        num_items: number of items without padding; ids are 0..num_items.
        order: items back that count.
        decay: weight of a place against the one after it.
        num_neighbours: followers of each item that are kept, the likeliest.
        **kwargs: as for `SequentialRecommender`.

    Call arguments:
        item_ids: (B, T) int, latest item at position -1.

    Returns:
        (B, N) scores, as logits.

    Raises:
        ValueError: an argument out of range.
    """

    def __init__(
        self, num_items, order=5, decay=0.7, num_neighbours=1000, **kwargs
    ):
        super().__init__(num_items=num_items, **kwargs)
        if order < 1 or not 0 < decay <= 1:
            raise ValueError(
                "`order` must be at least 1, `decay` in (0, 1]. "
                f"Received: order={order}, decay={decay}"
            )
        self.order = order
        self.decay = decay
        self.num_neighbours = num_neighbours
        self.followers = ItemNeighbours(
            num_items, num_neighbours, name="followers"
        )
        self.build()

    def build_layers(self):
        self.followers.build()

    def call(self, item_ids, training=None):
        latest = item_ids[:, -self.order :]
        return self.followers(
            latest, decaying_weights(latest, self.decay, least=1)
        )

    def adapt(self, rows):
        """Counts what follows what.

        Args:
            rows: (num_rows, t) NumPy array of training sessions.
        """
        counted = []
        for gap in range(1, min(self.order, rows.shape[1] - 1) + 1):
            first, second = rows[:, :-gap].ravel(), rows[:, gap:].ravel()
            # A padding is followed by nothing, and follows nothing.
            is_pair = (first != self.padding_id) & (second != self.padding_id)
            first, second = first[is_pair], second[is_pair]
            weights = np.full(len(first), self.decay**gap)
            counted.append(
                sum_pairs(first, second, weights, self.num_items + 1)
            )
        items, followers, counts = sum_pairs(
            *(np.concatenate(part) for part in zip(*counted, strict=True)),
            self.num_items + 1,
        )
        totals = np.bincount(items, counts, minlength=self.num_items + 1)
        self.followers.set_neighbours(items, followers, counts / totals[items])

    def get_config(self):
        return {
            **super().get_config(),
            "order": self.order,
            "decay": self.decay,
            "num_neighbours": self.num_neighbours,
        }
