"""Caser: convolutions over the image of a history."""

import keras
from keras import ops

from nextitnet_tf.layers.dropout import Dropout
from nextitnet_tf.layers.item_embedding import ItemEmbedding
from nextitnet_tf.layers.item_softmax import ItemSoftmax
from nextitnet_tf.models.sequential_recommender import SequentialRecommender


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class Caser(SequentialRecommender):
    """Horizontal and vertical filters over the latest items.

    The vectors of the latest `window` items are an image, one row an item.
    Horizontal filters span a few whole rows, and the largest answer of each
    counts; vertical filters weigh the rows, channel by channel. A dense layer
    joins both. Every position predicts from the window that ends there, which
    is the training on all prefixes of a session that others make copies for;
    above the first item horizontal filters answer 0. Paddings are read like
    items. Users have no vector here.

    Args:
        num_items: number of items without padding; ids are 0..num_items.
        embedding_dim: D, the width of embedding and hidden states.
        window: items in the image.
        heights: rows that horizontal filters span.
        num_horizontal: filters of each height.
        num_vertical: vertical filters.
        dropout_rate: of the filters' answers, in training.

    Call arguments:
        item_ids: (B, T) int, latest item at position -1.

    Returns:
        (B, N) logits of the item that follows the last position.

    Raises:
        ValueError: a filter higher than the window; a size below 1.

    Reference:
        Tang and Wang, WSDM 2018; sizes as in NextItNet's release.
    """

    def __init__(
        self,
        num_items,
        embedding_dim=64,
        window=19,
        heights=(2, 3, 4),
        num_horizontal=100,
        num_vertical=1,
        dropout_rate=0.5,
        **kwargs,
    ):
        super().__init__(num_items=num_items, **kwargs)
        for name, value in (
            ("embedding_dim", embedding_dim),
            ("num_horizontal", num_horizontal),
            ("num_vertical", num_vertical),
        ):
            if value < 1:
                raise ValueError(
                    f"`{name}` must be at least 1. Received: {name}={value}"
                )
        if not heights or min(heights) < 1 or max(heights) > window:
            raise ValueError(
                "`heights` must lie between 1 and `window`. "
                f"Received: heights={tuple(heights)}, window={window}"
            )
        self.embedding_dim = embedding_dim
        self.window = window
        self.heights = tuple(heights)
        self.num_horizontal = num_horizontal
        self.num_vertical = num_vertical
        self.dropout_rate = dropout_rate
        policy = self.dtype_policy
        self.item_embedding = ItemEmbedding(
            num_items, embedding_dim, dtype=policy, name="item_embedding"
        )
        self.horizontal = [
            keras.layers.Conv1D(
                num_horizontal,
                height,
                padding="causal",
                activation="relu",
                dtype=policy,
                name=f"horizontal_{height}",
            )
            for height in self.heights
        ]
        self.vertical = keras.layers.Conv2D(
            num_vertical,
            (window, 1),
            activation="relu",
            dtype=policy,
            name="vertical",
        )
        self.dropout = Dropout(dropout_rate, dtype=policy, name="dropout")
        self.dense = keras.layers.Dense(
            embedding_dim, activation="relu", dtype=policy, name="dense"
        )
        self.item_softmax = ItemSoftmax(
            num_items, dtype=policy, name="item_softmax"
        )
        self.build()

    @classmethod
    def config_for(cls, num_blocks, history_length, num_users, protocol, padding_id=0):
        heights = tuple(h for h in (2, 3, 4) if h <= history_length)
        return {"window": history_length, "heights": heights or (1,)}

    def build(self):
        super().build()
        width = self.embedding_dim
        for layer in self.horizontal:
            layer.build((None, None, width))
        self.vertical.build((None, None, width, 1))
        answers = len(self.heights) * self.num_horizontal
        self.dense.build((None, None, answers + width * self.num_vertical))

    def encode(self, item_ids, training=None):
        image = self.item_embedding(item_ids)  # (B, T, D)
        answers = [
            # Where a filter still fits into the window that ends at k.
            _largest_of_latest(layer(image), self.window - height + 1)
            for layer, height in zip(self.horizontal, self.heights, strict=True)
        ]
        length, width = image.shape[1], self.embedding_dim * self.num_vertical
        answers.append(ops.reshape(self._weigh(image), (-1, length, width)))
        answers = ops.concatenate(answers, axis=-1)
        return self.dense(self.dropout(answers, training=training))

    def _weigh(self, image):
        """(B, T, D, V): what the vertical filters make of the latest items.

        The filters as one band matrix over positions: on CPU XLA convolves a
        picture of one channel several times slower.
        """
        length = image.shape[1]
        filters = ops.cast(self.vertical.kernel, image.dtype)[:, 0, 0]  # (w, V)
        # Row k has them end at position k; what is before the first is cut.
        padded = ops.pad(filters, ((length - 1, length - 1), (0, 0)))
        start = length - 1 + self.window - 1
        band = ops.stack(
            [padded[start - k : start - k + length] for k in range(length)]
        )  # (T, T, V)
        weighed = ops.einsum("bsd,ksv->bkdv", image, band)
        bias = ops.cast(self.vertical.bias, image.dtype)
        return self.vertical.activation(weighed + bias)

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "window": self.window,
            "heights": list(self.heights),
            "num_horizontal": self.num_horizontal,
            "num_vertical": self.num_vertical,
            "dropout_rate": self.dropout_rate,
        }


def _largest_of_latest(x, count):
    """(B, T, C): the maximum over the latest `count` positions.

    Values are at least 0, so that zeros before the first change nothing. Of
    twice as many at each turn: the gradient of pooling is slow on CPU.
    """
    x = ops.pad(x, ((0, 0), (count - 1, 0), (0, 0)))
    width = 1
    while width < count:
        step = min(width, count - width)
        x = ops.maximum(x[:, step:], x[:, :-step])
        width += step
    return x
