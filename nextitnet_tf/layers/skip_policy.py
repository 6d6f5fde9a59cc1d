"""Who decides which blocks run for a history."""

import keras
from keras import ops

from nextitnet_tf.layers.dilated_residual_block import DilatedResidualBlock
from nextitnet_tf.layers.dropout import mixed_bits
from nextitnet_tf.layers.item_embedding import ItemEmbedding
from nextitnet_tf.layers.plus_transformer_block import PlusTransformerBlock
from nextitnet_tf.layers.position_embedding import PositionEmbedding
from nextitnet_tf.layers.transformer_block import TransformerBlock

POLICIES = ("cnn", "gru", "attention", "random")
_BLOCKS = ("transformer", "plus")


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class SkipPolicy(keras.layers.Layer):
    """Reads a history and says of each block how much it is for running it.

    A policy has an item embedding of its own. "cnn" reads it with two dilated
    residual blocks and takes the mean over time, "gru" takes the last state of
    a GRU, "attention" the mean of a Transformer block; a linear layer makes
    two logits a block of that. "random" reads nothing.

    Args:
        num_items: number of items without padding.
        num_blocks: L, blocks of the backbone.
        embedding_dim: C, width of the policy.
        kind: one of `POLICIES`.
        kernel_size: of "cnn", positions a convolution looks at.
        dilation_rates: of "cnn", of its two blocks.
        max_length: of "attention", positions that it knows.
        keep_rate: of "random", how probable it is that a block runs.
        block: of "attention", which Transformer block reads: "transformer",
            or "plus", SASRec+'s, as in the release.
        num_heads: of a "plus" block.
        dropout_rate: of a "plus" block, in training.

    Call arguments:
        item_ids: (B, T) int.
        training: whether blocks behave as in training.

    Returns:
        (B, L, 2) float32 logits, of running a block and of skipping it.

    Raises:
        ValueError: an unknown kind or block; a rate that is no probability.

    Reference:
        Chen et al., SkipRec, AAAI 2021, Section 3.4 and Table 4.
    """

    def __init__(
        self,
        num_items,
        num_blocks,
        embedding_dim,
        kind="cnn",
        kernel_size=3,
        dilation_rates=(1, 4),
        max_length=50,
        keep_rate=0.5,
        block="transformer",
        num_heads=1,
        dropout_rate=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if block not in _BLOCKS:
            raise ValueError(
                f"`block` must be one of {_BLOCKS}. Received: block={block!r}"
            )
        if kind not in POLICIES:
            raise ValueError(
                f"`policy` must be one of {POLICIES}. Received: policy={kind!r}"
            )
        if not 0 < keep_rate < 1:
            raise ValueError(
                "`keep_rate` must be between 0 and 1. "
                f"Received: keep_rate={keep_rate}"
            )
        self.num_items = num_items
        self.num_blocks = num_blocks
        self.embedding_dim = embedding_dim
        self.kind = kind
        self.kernel_size = kernel_size
        self.dilation_rates = tuple(dilation_rates)
        self.max_length = max_length
        self.keep_rate = keep_rate
        self.block = block
        self.num_heads = num_heads
        self.dropout_rate = dropout_rate
        if kind == "random":
            return
        policy = self.dtype_policy
        is_plus = kind == "attention" and block == "plus"
        self.item_embedding = ItemEmbedding(
            num_items,
            embedding_dim,
            embeddings_initializer=keras.initializers.TruncatedNormal(
                stddev=0.01 if is_plus else 0.02
            ),
            dtype=policy,
            name="item_embedding",
        )
        if kind == "attention":
            self.position_embedding = PositionEmbedding(
                max_length,
                keras.initializers.TruncatedNormal(stddev=0.01)
                if is_plus
                else "uniform",
                dtype=policy,
                name="position_embedding",
            )
        self.readers = self._make_readers()

    def build(self, input_shape=None):
        if self.kind == "random":
            return
        hidden_shape = (None, None, self.embedding_dim)
        self.item_embedding.build((None, None))
        if self.kind == "attention":
            self.position_embedding.build(hidden_shape)
        for reader in self.readers:
            reader.build(hidden_shape)
        # As in the release, the bias, too.
        normal = keras.initializers.RandomNormal(stddev=0.01)
        self.kernel = self.add_weight(
            name="kernel",
            shape=(2 * self.num_blocks, self.embedding_dim),
            initializer=normal,
        )
        self.bias = self.add_weight(
            name="bias", shape=(2 * self.num_blocks,), initializer=normal
        )

    def call(self, item_ids, training=None):
        item_ids = ops.cast(item_ids, "int32")
        if self.kind == "random":
            odds = ops.log(self.keep_rate / (1 - self.keep_rate))
            shape = (ops.shape(item_ids)[0], self.num_blocks)
            keep = ops.broadcast_to(ops.cast(odds, "float32"), shape)
            return ops.stack([keep, ops.zeros_like(keep)], axis=-1)
        hidden = self.item_embedding(item_ids)  # (B, T, C)
        if self.kind == "attention":
            hidden = self.position_embedding(hidden)
        for reader in self.readers:
            hidden = reader(hidden, training=training)
        if self.kind != "gru":
            hidden = ops.mean(hidden, axis=1)  # paddings are read like items
        kernel = ops.transpose(ops.cast(self.kernel, self.compute_dtype))
        logits = ops.cast(ops.matmul(hidden, kernel), "float32") + self.bias
        return ops.reshape(logits, (-1, self.num_blocks, 2))

    def decide(self, item_ids, logits):
        """What runs for a history, the same at each call.

        Args:
            item_ids: (B, T) int.
            logits: (B, L, 2), what `call` gave.

        Returns:
            (B, L) float32, 1 where a block runs: what the policy is for; of a
            "random" one what the history itself draws.
        """
        if self.kind != "random":
            is_kept = logits[..., 0] >= logits[..., 1]
            return ops.cast(is_kept, "float32")
        item_ids = ops.cast(item_ids, "int32")
        places = mixed_bits(ops.arange(item_ids.shape[1], dtype="int32"))
        # A sum that wraps around; odd factors lose nothing of an id.
        factors = ops.bitwise_or(places, ops.cast(1, "uint32"))
        drawn = ops.sum(item_ids * ops.cast(factors, "int32"), axis=1)
        blocks = mixed_bits(ops.arange(self.num_blocks, dtype="int32"))
        bits = mixed_bits(
            ops.bitwise_xor(mixed_bits(drawn)[:, None], blocks[None])
        )
        shares = ops.cast(ops.right_shift(bits, ops.cast(8, "uint32")), "int32")
        return ops.cast(shares < int(self.keep_rate * (1 << 24)), "float32")

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.num_blocks, 2)

    def get_config(self):
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "num_blocks": self.num_blocks,
            "embedding_dim": self.embedding_dim,
            "kind": self.kind,
            "kernel_size": self.kernel_size,
            "dilation_rates": list(self.dilation_rates),
            "max_length": self.max_length,
            "keep_rate": self.keep_rate,
            "block": self.block,
            "num_heads": self.num_heads,
            "dropout_rate": self.dropout_rate,
        }

    def _make_readers(self):
        """The layers that read vectors of items, one after the other."""
        width, policy = self.embedding_dim, self.dtype_policy
        if self.kind == "cnn":
            return [
                DilatedResidualBlock(
                    width,
                    kernel_size=self.kernel_size,
                    dilation_rate=rate,
                    dtype=policy,
                    name=f"block_{i}",
                )
                for i, rate in enumerate(self.dilation_rates[:2])
            ]
        if self.kind == "gru":
            return [keras.layers.GRU(width, dtype=policy, name="gru")]
        if self.block == "transformer":
            return [TransformerBlock(width, dtype=policy, name="block_0")]
        return [
            PlusTransformerBlock(
                width,
                self.num_heads,
                self.dropout_rate,
                dtype=policy,
                name="block_0",
            )
        ]
