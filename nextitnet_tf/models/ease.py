"""EASE: a linear model with a closed form."""

import keras
import numpy as np
from keras import ops

from nextitnet_tf.layers.item_neighbours import count_together
from nextitnet_tf.layers.item_neighbours import decaying_weights
from nextitnet_tf.models.sequential_recommender import SequentialRecommender

# As weights 0.9 GB; some 7 GB, for minutes, while they are computed.
MAX_ITEMS = 15_000


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class EASE(SequentialRecommender):
    """Predicts a session from itself, an item never from itself.

    With X the sessions as rows of zeros and ones and P the inverse of
    `X^T X + ridge I`, the weights are `B[i, j] = -P[i, j] / P[j, j]` off the
    diagonal. A history is a row of `decay**g`, g places back from the latest
    item; its scores are its product with B. It is computed (`adapt`), not
    trained, and needs a matrix of items by items.

    Args:
        num_items: number of items without padding; ids are 0..num_items.
        ridge: added to the diagonal.
        decay: weight of a place of the history against the one after it; the
            paper, which knows no order, has 1.
        max_items: more are refused.
        **kwargs: as for `SequentialRecommender`.

    Call arguments:
        item_ids: (B, T) int, latest item at position -1.

    Returns:
        (B, N) scores, as logits.

    Raises:
        ValueError: an argument out of range; more than `max_items` items.

    Reference:
        Steck, Embarrassingly shallow autoencoders, WWW 2019, Eq. 8.
    """

    def __init__(
        self, num_items, ridge=100.0, decay=0.7, max_items=MAX_ITEMS, **kwargs
    ):
        super().__init__(num_items=num_items, **kwargs)
        if num_items > max_items:
            raise ValueError(
                "EASE needs a matrix of items by items: expected at most "
                f"{max_items:,} items (`max_items`). "
                f"Received: num_items={num_items}"
            )
        if ridge <= 0 or not 0 < decay <= 1:
            raise ValueError(
                "`ridge` must be positive, `decay` in (0, 1]. "
                f"Received: ridge={ridge}, decay={decay}"
            )
        self.ridge = ridge
        self.decay = decay
        self.max_items = max_items
        self.build()

    def build_layers(self):
        num_columns = self.num_items + 1
        self.kernel = self.add_weight(
            name="kernel",
            shape=(num_columns, num_columns),
            initializer="zeros",
            trainable=False,
            dtype="float32",
        )

    def call(self, item_ids, training=None):
        weights = decaying_weights(item_ids, self.decay)
        num_rows, num_columns = ops.shape(item_ids)[0], self.num_items + 1
        first = ops.arange(num_rows, dtype="int32") * num_columns
        places = ops.cast(item_ids, "int32") + first[:, None]
        rows = ops.segment_sum(
            ops.reshape(ops.broadcast_to(weights, ops.shape(places)), (-1,)),
            ops.reshape(places, (-1,)),
            num_segments=num_rows * num_columns,
        )
        return ops.matmul(ops.reshape(rows, (-1, num_columns)), self.kernel)

    def adapt(self, rows):
        """Computes the weights.

        Args:
            rows: (num_rows, t) NumPy array of training sessions.
        """
        num_columns = self.num_items + 1
        first, second, counts, num_sessions = count_together(
            rows, self.padding_id, num_columns
        )
        gram = np.diag(num_sessions + self.ridge)
        gram[first, second] = gram[second, first] = counts
        inverse = np.linalg.inv(gram)
        kernel = -inverse / np.diag(inverse)
        kernel[np.diag_indices(num_columns)] = 0
        # Padding is in no session: it predicts nothing.
        kernel[self.padding_id] = 0
        self.kernel.assign(kernel.astype("float32"))

    def get_config(self):
        return {
            **super().get_config(),
            "ridge": self.ridge,
            "decay": self.decay,
            "max_items": self.max_items,
        }
