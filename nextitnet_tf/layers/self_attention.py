"""Attention of a history to itself."""

import keras
from keras import ops

from nextitnet_tf.layers.dropout import Dropout
from nextitnet_tf.layers.linear import linear

# Added to the scores of what must not be looked at.
_FORBIDDEN = -1e9


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class SelfAttention(keras.layers.Layer):
    """Causal multi-head self-attention without an output projection.

    Queries, keys and values are linear in the input; each head attends with
    `softmax(Q K^T / sqrt(d)) V` to positions up to its own, d being the width
    of a head, and the heads are laid side by side. Keras' own layer has a
    projection on top, which SASRec has not.

    Args:
        embedding_dim: D, channels in and out.
        num_heads: heads, which share D evenly.
        dropout_rate: of attention weights, in training.
        starts_as: as for `linear.linear`.

    Call arguments:
        x: (B, T, D).
        item_mask: (B, T) True where a position may be looked at; default
            everywhere.
        training: whether weights are dropped out.

    Returns:
        (B, T, D).

    Raises:
        ValueError: heads that do not share D evenly; an unknown start.

    Reference:
        Kang and McAuley, SASRec, ICDM 2018, Eq. 2-4.
    """

    def __init__(
        self,
        embedding_dim,
        num_heads=1,
        dropout_rate=0.0,
        starts_as="pytorch",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_heads < 1 or embedding_dim % num_heads:
            raise ValueError(
                "The heads must share the width evenly. Received: "
                f"embedding_dim={embedding_dim}, num_heads={num_heads}"
            )
        self.embedding_dim = embedding_dim
        self.num_heads = num_heads
        self.dropout_rate = dropout_rate
        self.starts_as = starts_as
        self.query, self.key, self.value = (
            linear(embedding_dim, self.dtype_policy, name, starts_as=starts_as)
            for name in ("query", "key", "value")
        )
        self.dropout = Dropout(
            dropout_rate, dtype=self.dtype_policy, name="dropout"
        )

    def build(self, input_shape):
        for layer in (self.query, self.key, self.value):
            layer.build(input_shape)

    def call(self, x, item_mask=None, training=None):
        query, key, value = (
            self._split(layer(x))
            for layer in (self.query, self.key, self.value)
        )  # (B, H, T, d) each
        scale = (self.embedding_dim // self.num_heads) ** -0.5
        scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) * scale
        length = ops.shape(x)[1]
        places = ops.arange(length)
        allowed = places[:, None] >= places[None, :]  # (T, T)
        if item_mask is not None:
            allowed = ops.logical_and(allowed, item_mask[:, None, None, :])
        scores = ops.where(allowed, ops.cast(scores, "float32"), _FORBIDDEN)
        # Keras' softmax warns of histories of one item.
        weights = ops.exp(
            scores - ops.logsumexp(scores, axis=-1, keepdims=True)
        )
        weights = ops.cast(weights, self.compute_dtype)
        weights = self.dropout(weights, training=training)
        heads = ops.matmul(weights, value)  # (B, H, T, d)
        return ops.reshape(
            ops.transpose(heads, (0, 2, 1, 3)), (-1, length, self.embedding_dim)
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_heads": self.num_heads,
            "dropout_rate": self.dropout_rate,
            "starts_as": self.starts_as,
        }

    def _split(self, x):
        """(B, T, D) -> (B, H, T, d)."""
        shape = (-1, ops.shape(x)[1], self.num_heads)
        width = self.embedding_dim // self.num_heads
        return ops.transpose(ops.reshape(x, (*shape, width)), (0, 2, 1, 3))
