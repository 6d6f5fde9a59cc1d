"""Items that occur in the same sessions."""

import keras
import numpy as np

from nextitnet_tf.layers.item_neighbours import ItemNeighbours
from nextitnet_tf.layers.item_neighbours import count_together
from nextitnet_tf.layers.item_neighbours import decaying_weights
from nextitnet_tf.models.sequential_recommender import SequentialRecommender


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class ItemKNN(SequentialRecommender):
    """The nearest neighbours of the items of a history.

    Two items are as near as they occur together: the number of sessions that
    have both, divided by the root of the product of how many have each (the
    cosine). A score is the sum of the nearness to the items of the history,
    the latest counting most. It is counted (`adapt`), not trained.

    Args:
        num_items: number of items without padding; ids are 0..num_items.
        decay: weight of a place of the history against the one after it.
        num_neighbours: neighbours of each item that are kept, the nearest.
        **kwargs: as for `SequentialRecommender`.

    Call arguments:
        item_ids: (B, T) int, latest item at position -1.

    Returns:
        (B, N) scores, as logits.

    Raises:
        ValueError: an argument out of range.

    Reference:
        Sarwar et al., Item-based collaborative filtering, WWW 2001.
    """

    def __init__(self, num_items, decay=0.7, num_neighbours=200, **kwargs):
        super().__init__(num_items=num_items, **kwargs)
        if not 0 < decay <= 1:
            raise ValueError(
                f"`decay` must be in (0, 1]. Received: decay={decay}"
            )
        self.decay = decay
        self.num_neighbours = num_neighbours
        self.nearest = ItemNeighbours(num_items, num_neighbours, name="nearest")
        self.build()

    def build_layers(self):
        self.nearest.build()

    def call(self, item_ids, training=None):
        return self.nearest(item_ids, decaying_weights(item_ids, self.decay))

    def adapt(self, rows):
        """Counts which items occur together.

        Args:
            rows: (num_rows, t) NumPy array of training sessions.
        """
        first, second, counts, num_sessions = count_together(
            rows, self.padding_id, self.num_items + 1
        )
        nearness = counts / np.sqrt(
            num_sessions[first].astype("float64") * num_sessions[second]
        )
        self.nearest.set_neighbours(
            np.concatenate([first, second]),
            np.concatenate([second, first]),
            np.concatenate([nearness, nearness]),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "decay": self.decay,
            "num_neighbours": self.num_neighbours,
        }
