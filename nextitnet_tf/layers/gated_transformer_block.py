"""A Transformer block whose branches are gated by the block's input."""

import keras

from nextitnet_tf.layers.linear import Linear
from nextitnet_tf.layers.transformer_block import TransformerBlock
from nextitnet_tf.layers.transformer_block import add_branch


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class GatedTransformerBlock(TransformerBlock):
    """Self-attention and dense layers, each times a gate of the block's input.

    With x the block's input, `g1 = sigmoid(W1 x)` and `g2 = sigmoid(W2 x)`,
    channel by channel, the block is a `TransformerBlock` with `g1 attention`
    and `g2 dense` for its branches. Position k depends on positions <= k
    only.

    Args:
        *args: as for `TransformerBlock`.
        **kwargs: likewise.

    Call arguments:
        x: (B, T, D) hidden states.
        item_mask: (B, T) True where a position may be looked at; default
            everywhere.
        training: whether to drop out.

    Returns:
        (B, T, D) hidden states.

    Reference:
        Borisyuk et al., From Features to Transformers (LiGR), 2025.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.gate1, self.gate2 = (
            Linear(
                self.embedding_dim,
                activation="sigmoid",
                use_bias=False,
                dtype=self.dtype_policy,
                name=name,
            )
            for name in ("gate1", "gate2")
        )

    def build(self, input_shape):
        super().build(input_shape)
        self.gate1.build(input_shape)
        self.gate2.build(input_shape)

    def call(self, x, item_mask=None, training=None):
        gate1, gate2 = self.gate1(x), self.gate2(x)
        attended = self.attention(
            self.norm1(x) if self.norm_first else x,
            item_mask=item_mask,
            training=training,
        )
        x = add_branch(self.rezero1, x, gate1 * attended)
        x = x if self.norm_first else self.norm1(x)
        inner = self.norm2(x) if self.norm_first else x
        x = add_branch(self.rezero2, x, gate2 * self.dense(inner, training))
        return x if self.norm_first else self.norm2(x)

    def kernel_parts(self):
        attention, dense = super().kernel_parts()
        return [*attention, self.gate1], [*dense, self.gate2]

    def parts(self):
        parts = super().parts()
        parts["blocks"] += [self.gate1, self.gate2]
        return parts
