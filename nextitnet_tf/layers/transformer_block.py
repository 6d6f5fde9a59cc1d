"""The block of SASRec and SSE-PT."""

import keras

from nextitnet_tf.layers.channel_norm import ChannelNorm
from nextitnet_tf.layers.dropout import Dropout
from nextitnet_tf.layers.linear import linear
from nextitnet_tf.layers.rezero import ReZero
from nextitnet_tf.layers.self_attention import SelfAttention

NORM_EPSILON = 1e-5  # PyTorch's default, the release's


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class TransformerBlock(keras.layers.Layer):
    """Self-attention, then two dense layers at each position.

    With the norm after the residual (StackRec's release):
    `y = norm(x + alpha_1 attention(x))`, `norm(y + alpha_2 dense(y))`.
    With the norm before the branch (the SASRec paper):
    `y = x + alpha_1 attention(norm(x))`, `y + alpha_2 dense(norm(y))`.
    Without alpha both are 1. Position k depends on positions <= k only.

    Args:
        embedding_dim: D, channels in and out.
        num_heads: attention heads.
        dropout_rate: of attention weights and dense layers, in training.
        use_alpha: whether each branch is scaled by an alpha of its own.
        norm_first: whether norms come before the branches.

    Call arguments:
        x: (B, T, D) hidden states.
        item_mask: (B, T) True where a position may be looked at; default
            everywhere.
        training: whether to drop out.

    Returns:
        (B, T, D) hidden states.

    Reference:
        Kang and McAuley, SASRec, ICDM 2018, Section III-B and -C; StackRec,
        Section 4.4 for alpha.
    """

    def __init__(
        self,
        embedding_dim,
        num_heads=1,
        dropout_rate=0.0,
        use_alpha=True,
        norm_first=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.embedding_dim = embedding_dim
        self.num_heads = num_heads
        self.dropout_rate = dropout_rate
        self.use_alpha = use_alpha
        self.norm_first = norm_first
        policy = self.dtype_policy
        self.attention = SelfAttention(
            embedding_dim,
            num_heads,
            dropout_rate,
            dtype=policy,
            name="attention",
        )
        self.inner = linear(embedding_dim, policy, "inner", "relu")
        self.outer = linear(embedding_dim, policy, "outer")
        self.norm1, self.norm2 = (
            ChannelNorm(epsilon=NORM_EPSILON, dtype=policy, name=name)
            for name in ("norm1", "norm2")
        )
        self.inner_dropout, self.outer_dropout = (
            Dropout(dropout_rate, dtype=policy, name=name)
            for name in ("inner_dropout", "outer_dropout")
        )
        self.rezero1, self.rezero2 = (
            ReZero(dtype=policy, name=name) if use_alpha else None
            for name in ("rezero1", "rezero2")
        )

    def build(self, input_shape):
        for layer in (
            self.attention,
            self.inner,
            self.outer,
            self.norm1,
            self.norm2,
            self.rezero1,
            self.rezero2,
        ):
            if layer:
                layer.build(input_shape)

    def call(self, x, item_mask=None, training=None):
        if self.norm_first:
            branch = self.attention(
                self.norm1(x), item_mask=item_mask, training=training
            )
            x = add_branch(self.rezero1, x, branch)
            return add_branch(
                self.rezero2, x, self.dense(self.norm2(x), training)
            )
        branch = self.attention(x, item_mask=item_mask, training=training)
        x = self.norm1(add_branch(self.rezero1, x, branch))
        return self.norm2(add_branch(self.rezero2, x, self.dense(x, training)))

    def compute_output_shape(self, input_shape):
        return input_shape

    def parts(self):
        """The block's layers by what they are to `Stacker`."""
        attention = self.attention
        return {
            "blocks": [attention.query, attention.key, attention.value],
            "feed_forward": [self.inner, self.outer],
            "norm": [self.norm1, self.norm2],
            "alpha": [self.rezero1, self.rezero2] if self.use_alpha else [],
        }

    def kernel_parts(self):
        """The layers with kernels: of the attention, of the dense branch."""
        attention = self.attention
        return (
            [attention.query, attention.key, attention.value],
            [self.inner, self.outer],
        )

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_heads": self.num_heads,
            "dropout_rate": self.dropout_rate,
            "use_alpha": self.use_alpha,
            "norm_first": self.norm_first,
        }

    def dense(self, x, training):
        """The second branch: (B, T, D) -> (B, T, D), position by position."""
        x = self.inner_dropout(self.inner(x), training=training)
        return self.outer_dropout(self.outer(x), training=training)


def add_branch(rezero, x, branch):
    """A residual, scaled if there is a `ReZero` for it."""
    return rezero(x, branch) if rezero else x + branch
