"""The block of SASRec+, the Transformer of SkipRec."""

import keras

from nextitnet_tf.layers.channel_norm import ChannelNorm
from nextitnet_tf.layers.dropout import Dropout
from nextitnet_tf.layers.linear import linear
from nextitnet_tf.layers.rezero import ReZero
from nextitnet_tf.layers.self_attention import SelfAttention
from nextitnet_tf.layers.transformer_block import add_branch

NORM_EPSILON = 1e-8


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class PlusTransformerBlock(keras.layers.Layer):
    """Self-attention and dense layers, with norms before, between and after.

    `x = norm_in(x)`, `x = norm_mid(x + alpha_1 attention(x))`,
    `norm_out(x + alpha_2 dense(x))`: residuals go on from what was
    normalised, so that a block at alpha 0 is three norms and no identity.
    `dense` drops out once, behind its second layer. Position k depends on
    positions <= k only.

    Args:
        embedding_dim: D, channels in and out.
        num_heads: attention heads.
        dropout_rate: of attention weights and of the dense branch, in
            training.
        use_alpha: whether each branch is scaled by an alpha of its own;
            without, both are 1.
        norm_first: False; its norms are where they are.

    Call arguments:
        x: (B, T, D) hidden states.
        item_mask: (B, T) True where a position may be looked at; default
            everywhere.
        training: whether to drop out.

    Returns:
        (B, T, D) hidden states.

    Raises:
        ValueError: `norm_first`; heads that do not share D evenly.

    Reference:
        Chen et al., SkipRec, AAAI 2021, Section 3.3, and its release.
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
        if norm_first:
            raise ValueError(
                "The block of SASRec+ has norms before, between and after its "
                f"branches: expected norm_first=False. Received: {norm_first=}"
            )
        self.embedding_dim = embedding_dim
        self.num_heads = num_heads
        self.dropout_rate = dropout_rate
        self.use_alpha = use_alpha
        policy = self.dtype_policy
        self.attention = SelfAttention(
            embedding_dim,
            num_heads,
            dropout_rate,
            starts_as="tensorflow",
            dtype=policy,
            name="attention",
        )
        self.inner, self.outer = (
            linear(embedding_dim, policy, name, activation, "tensorflow")
            for name, activation in (("inner", "relu"), ("outer", None))
        )
        self.norm_in, self.norm_mid, self.norm_out = (
            ChannelNorm(epsilon=NORM_EPSILON, dtype=policy, name=name)
            for name in ("norm_in", "norm_mid", "norm_out")
        )
        self.dropout = Dropout(dropout_rate, dtype=policy, name="dropout")
        self.rezero1, self.rezero2 = (
            ReZero(dtype=policy, name=name) if use_alpha else None
            for name in ("rezero1", "rezero2")
        )

    def build(self, input_shape):
        for layer in (
            *(self.norm_in, self.attention, self.rezero1, self.norm_mid),
            *(self.inner, self.outer, self.rezero2, self.norm_out),
        ):
            if layer:
                layer.build(input_shape)

    def call(self, x, item_mask=None, training=None):
        x = self.norm_in(x)
        branch = self.attention(x, item_mask=item_mask, training=training)
        x = self.norm_mid(add_branch(self.rezero1, x, branch))
        branch = self.dropout(self.outer(self.inner(x)), training=training)
        return self.norm_out(add_branch(self.rezero2, x, branch))

    def compute_output_shape(self, input_shape):
        return input_shape

    def parts(self):
        """The block's layers by what they are to `Stacker`."""
        attention = self.attention
        return {
            "blocks": [attention.query, attention.key, attention.value],
            "feed_forward": [self.inner, self.outer],
            "norm": [self.norm_in, self.norm_mid, self.norm_out],
            "alpha": [self.rezero1, self.rezero2] if self.use_alpha else [],
        }

    def kernel_parts(self):
        """The layers with kernels: of the attention, of the dense branch."""
        parts = self.parts()
        return parts["blocks"], parts["feed_forward"]

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_heads": self.num_heads,
            "dropout_rate": self.dropout_rate,
            "use_alpha": self.use_alpha,
        }
