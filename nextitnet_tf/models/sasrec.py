"""SASRec: stacked self-attention over a history."""

import keras
from keras import ops

from nextitnet_tf.layers.block_stack import BlockStack
from nextitnet_tf.layers.channel_norm import ChannelNorm
from nextitnet_tf.layers.dropout import Dropout
from nextitnet_tf.layers.gated_transformer_block import GatedTransformerBlock
from nextitnet_tf.layers.item_layers import ItemLayers
from nextitnet_tf.layers.plus_transformer_block import PlusTransformerBlock
from nextitnet_tf.layers.position_embedding import PositionEmbedding
from nextitnet_tf.layers.transformer_block import NORM_EPSILON
from nextitnet_tf.layers.transformer_block import TransformerBlock
from nextitnet_tf.models.sequential_recommender import SequentialRecommender

VARIANTS = ("stackrec", "original", "skiprec")
BLOCKS = {
    "transformer": TransformerBlock,
    "gated": GatedTransformerBlock,
    "plus": PlusTransformerBlock,
}


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class SASRec(SequentialRecommender):
    """A stack of causal Transformer blocks.

    Variant "stackrec" is the network of StackRec's release: a norm after the
    embedding and after each residual, paddings looked at like items, an
    output matrix of its own. Variant "original" is that of the SASRec paper:
    the embedding times sqrt(D), norms before the branches and one at the end,
    paddings neither looked at nor passed on, the output tied to the item
    embedding. Variant "skiprec" is SASRec+, as in SkipRec's release: the sum
    of item and position goes into blocks of a form of its own ("plus"),
    nothing is masked, the output has a matrix of its own. All are trained
    with a softmax over items; the SASRec paper has one negative an item.

    A tied output ranks the items of a history themselves higher than one of
    its own does. The SASRec paper never ranks those: evaluate without them
    (`--exclude_seen`, as `recommend` does anyway) or untie the output.

    Args:
        num_items: number of items without padding; ids are 0..num_items.
        num_blocks: L; one block is an attention and two dense layers.
        embedding_dim: D, the width of embedding and hidden states.
        max_length: longest history.
        num_heads: attention heads.
        dropout_rate: of embedding, attention weights and dense layers; of
            SASRec+ not of the embedding.
        use_alpha: whether residual branches are scaled (StackRec's SASRec).
        variant: "stackrec", "original" or "skiprec"; by default "skiprec"
            with block "plus", "stackrec" with another.
        tie_output: whether the output is the item embedding; default as the
            variant has it.
        block: "transformer", "gated" (`GatedTransformerBlock`) or "plus"
            (`PlusTransformerBlock`), which is that of variant "skiprec" and of
            no other.
        **kwargs: as for `SequentialRecommender`.

    Call arguments:
        item_ids: (B, T) int, latest item at position -1, T <= max_length.

    Returns:
        (B, N) logits of the item that follows the last position.

    Raises:
        ValueError: an argument out of range; a block that is another
            variant's.

    Reference:
        Kang and McAuley, SASRec, ICDM 2018; StackRec, Section 4.4 and its
        release, `SASRec_Alpha.py`; SkipRec, Section 5.4 and its release.
    """

    # "best" is NextItNet's: blocks at alpha 0 that norm after the residual are
    # no identity, and never came up to the model from scratch (results/ml1m,
    # Table 7, three seeds).
    best_preset = "paper"
    release_ties_copies = True
    is_compressible = True

    def __init__(
        self,
        num_items,
        num_blocks=8,
        embedding_dim=64,
        max_length=50,
        num_heads=1,
        dropout_rate=0.0,
        use_alpha=True,
        variant=None,
        tie_output=None,
        block=None,
        **kwargs,
    ):
        super().__init__(num_items=num_items, **kwargs)
        if variant is None:
            variant = "skiprec" if block == "plus" else "stackrec"
        if block is None:
            block = "plus" if variant == "skiprec" else "transformer"
        for name, value, choices in (
            ("variant", variant, VARIANTS),
            ("block", block, tuple(BLOCKS)),
        ):
            if value not in choices:
                raise ValueError(
                    f"`{name}` must be one of {choices}. "
                    f"Received: {name}={value!r}"
                )
        if (variant == "skiprec") != (block == "plus"):
            raise ValueError(
                "Variant 'skiprec' has block 'plus', which no other has. "
                f"Received: variant={variant!r}, block={block!r}"
            )
        self.num_blocks = num_blocks
        self.embedding_dim = embedding_dim
        self.max_length = max_length
        self.num_heads = num_heads
        self.dropout_rate = dropout_rate
        self.use_alpha = use_alpha
        self.variant = variant
        self.block = block
        self.tie_output = (
            variant == "original" if tie_output is None else tie_output
        )
        for name in ("num_items", "num_blocks", "embedding_dim", "max_length"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"`{name}` must be at least 1. "
                    f"Received: {name}={getattr(self, name)}"
                )
        policy = self.dtype_policy
        items = ItemLayers.of(self, self.item_dim)
        self.compression = items.compression
        is_plus = variant == "skiprec"
        normal = keras.initializers.RandomNormal
        if is_plus:
            normal = keras.initializers.TruncatedNormal
        self.item_embedding = items.make_embedding(normal(stddev=0.01))
        self.position_embedding = PositionEmbedding(
            max_length,
            embeddings_initializer=normal(stddev=0.01),
            dtype=policy,
            name="position_embedding",
        )
        if not is_plus:
            self.dropout = Dropout(dropout_rate, dtype=policy, name="dropout")
            # Before the blocks, or after them where they begin with a norm.
            self.norm = ChannelNorm(
                epsilon=NORM_EPSILON, dtype=policy, name="norm"
            )
        self.blocks = self._make_blocks()
        self.block_stack = BlockStack(self.blocks, self.sharing)
        self.item_softmax = self._make_softmax(items)
        self.build()

    @classmethod
    def config_for(cls, *, num_blocks, history_length, **others):
        return {
            **super().config_for(
                num_blocks=num_blocks, history_length=history_length, **others
            ),
            "num_blocks": num_blocks,
            "max_length": history_length,
        }

    @property
    def item_dim(self):
        """Width of an item's vector."""
        return self.embedding_dim

    def build_layers(self):
        super().build_layers()
        hidden_shape = (None, None, self.embedding_dim)
        self.position_embedding.build(hidden_shape)
        if self.variant != "skiprec":
            self.norm.build(hidden_shape)

    def encode(self, inputs, training=None, keep=None):
        hidden, item_mask = self.embed(inputs, training)
        hidden = self.block_stack(
            hidden, training=training, keep=keep, item_mask=item_mask
        )
        return self.norm(hidden) if self.variant == "original" else hidden

    def states(self, inputs, training=None):
        hidden, item_mask = self.embed(inputs, training)
        return self.block_stack.states(
            hidden, training=training, item_mask=item_mask
        )

    def embed(self, inputs, training=None):
        """What the first block gets.

        Args:
            inputs: as for `call`.
            training: whether vectors are dropped out.

        Returns:
            (B, T, D), and (B, T) True where an item is, or None where
            paddings are read like items.
        """
        item_ids, hidden = self.vectors(inputs)
        if self.variant == "skiprec":
            return self.position_embedding(hidden), None
        if self.variant == "stackrec":
            hidden = self.position_embedding(hidden)
            return self.norm(self.dropout(hidden, training=training)), None
        item_mask = ops.not_equal(item_ids, self.padding_id)  # (B, T)
        hidden = self.position_embedding(hidden * self.embedding_dim**0.5)
        hidden = self.dropout(hidden, training=training)
        return hidden * ops.cast(item_mask, hidden.dtype)[..., None], item_mask

    def vectors(self, inputs):
        """Item ids, and a vector for each: (B, T) and (B, T, D)."""
        item_ids = ops.cast(inputs, "int32")
        return item_ids, self.item_embedding(item_ids)

    def parts(self):
        return {
            **super().parts(),
            "embedding": [self.item_embedding, self.position_embedding],
            "norm": [] if self.variant == "skiprec" else [self.norm],
        }

    def get_config(self):
        return {
            **super().get_config(),
            "num_blocks": self.num_blocks,
            "embedding_dim": self.embedding_dim,
            "max_length": self.max_length,
            "num_heads": self.num_heads,
            "dropout_rate": self.dropout_rate,
            "use_alpha": self.use_alpha,
            "variant": self.variant,
            "tie_output": self.tie_output,
            "block": self.block,
        }

    def _make_blocks(self):
        return [
            BLOCKS[self.block](
                self.embedding_dim,
                num_heads=self.num_heads,
                dropout_rate=self.dropout_rate,
                use_alpha=self.use_alpha,
                norm_first=self.variant == "original",
                dtype=self.dtype_policy,
                name=f"block_{i}",
            )
            for i in range(self.num_blocks)
        ]

    def _make_softmax(self, items):
        if self.tie_output:
            return items.make_softmax(tied_to=self.item_embedding)
        if self.variant == "skiprec":  # that of NextItNet+
            return items.make_softmax()
        bound = self.embedding_dim**-0.5
        return items.make_softmax(
            kernel_initializer=keras.initializers.RandomUniform(-bound, bound),
            bias_initializer=keras.initializers.RandomUniform(-bound, bound),
        )
