"""The baseline that knows no history."""

import keras
import numpy as np
from keras import ops

from nextitnet_tf.models.sequential_recommender import SequentialRecommender


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class MostPop(SequentialRecommender):
    """Recommends to everybody the items most frequent in training.

    It is counted (`adapt`), not trained.

    Args:
        num_items: number of items without padding; ids are 0..num_items.

    Call arguments:
        item_ids: (B, T) int; only B matters.

    Returns:
        (B, N) how often each item occurs, as logits.

    Reference:
        StackRec, Table 2, MostPop.
    """

    def __init__(self, num_items, **kwargs):
        super().__init__(num_items=num_items, **kwargs)
        self.build()

    @classmethod
    def config_for(cls, num_blocks, history_length, num_users, protocol, padding_id=0):
        return {}

    def build(self):
        # float32 counts exactly up to 16.7 million occurrences of one item.
        self.counts = self.add_weight(
            name="counts",
            shape=(self.num_items + 1,),
            initializer="zeros",
            trainable=False,
            dtype="float32",
        )

    def call(self, item_ids, training=None):
        return ops.broadcast_to(
            self.counts, (ops.shape(item_ids)[0], self.num_items + 1)
        )

    def adapt(self, rows):
        """Counts the items.

        Args:
            rows: (num_rows, t) NumPy array of training sessions, padding
                included (protocol `release` ranks it like any item).
        """
        self.counts.assign(
            np.bincount(rows.ravel(), minlength=self.num_items + 1)
        )
