"""NextItNet: stacked dilated convolutions over a history."""

import keras
from keras import ops

from nextitnet_tf.layers.block_stack import BlockStack
from nextitnet_tf.layers.dilated_residual_block import DilatedResidualBlock
from nextitnet_tf.layers.dropout import Dropout
from nextitnet_tf.layers.item_layers import ItemLayers
from nextitnet_tf.layers.receptive_field import is_worth_it
from nextitnet_tf.layers.receptive_field import take_places
from nextitnet_tf.models.sequential_recommender import SequentialRecommender


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class NextItNet(SequentialRecommender):
    """A stack of dilated residual blocks.

    Each position predicts the item that follows it. With alpha every block
    starts as the identity (StackRec's NextItNet); without, it is the plain
    network of the papers before (SNextItNet).

    Args:
        num_items: number of items without padding; ids are 0..num_items.
        num_blocks: L; one block is two convolutions.
        embedding_dim: D, the width of embedding and hidden states.
        kernel_size: positions a convolution looks at.
        dilation_rates: cycled over the blocks; a block of rate q convolves
            at q and 2q, so (1, 4) is the paper's 1, 2, 4, 8.
        use_alpha: whether residual branches are scaled (Eq. 3, else Eq. 2).
        kernel_seed: None, or an integer that starts all kernels at the same
            values, as the release does.
        relu_before_softmax: whether hidden states pass a ReLU before the
            softmax, as in NextItNet's first release (its full-softmax form).
        causal: whether a position sees those before it only. A network that
            looks both ways sees what it is to predict: it is for objectives
            that mask (`GRec`).
        dropout_rate: of the items' vectors and of the last hidden states, in
            training; the release has none.
        tie_output: whether the output is the item embedding, as SASRec's
            authors have it; the release has a table of its own for each.

    Call arguments:
        item_ids: (B, T) int, latest item at position -1.

    Returns:
        (B, N) logits of the item that follows the last position.

    Raises:
        ValueError: an argument that must be positive is not; a ReLU before
            an output that is tied.

    Reference:
        Yuan et al., WSDM 2019; Wang et al., StackRec, SIGIR 2021, Eq. 2-4.
    """

    is_compressible = True

    def __init__(
        self,
        num_items,
        num_blocks=8,
        embedding_dim=64,
        kernel_size=3,
        dilation_rates=(1, 4),
        use_alpha=True,
        kernel_seed=None,
        relu_before_softmax=False,
        causal=True,
        dropout_rate=0.0,
        tie_output=False,
        **kwargs,
    ):
        super().__init__(num_items=num_items, **kwargs)
        self.num_blocks = num_blocks
        self.embedding_dim = embedding_dim
        self.kernel_size = kernel_size
        self.dilation_rates = tuple(dilation_rates)
        self.use_alpha = use_alpha
        self.kernel_seed = kernel_seed
        self.relu_before_softmax = relu_before_softmax
        self.causal = causal
        self.dropout_rate = dropout_rate
        self.tie_output = tie_output
        self._check_arguments()
        items = ItemLayers.of(self, embedding_dim)
        self.compression = items.compression
        self.item_embedding = items.make_embedding(
            keras.initializers.TruncatedNormal(stddev=0.02)
        )
        self.blocks = [
            DilatedResidualBlock(
                embedding_dim,
                kernel_size=kernel_size,
                dilation_rate=self.dilation_rates[i % len(self.dilation_rates)],
                use_alpha=use_alpha,
                kernel_seed=kernel_seed,
                causal=causal,
                dtype=self.dtype_policy,
                name=f"block_{i}",
            )
            for i in range(num_blocks)
        ]
        self.block_stack = BlockStack(self.blocks, self.sharing)
        self.embedding_dropout, self.dropout = (
            Dropout(dropout_rate, dtype=self.dtype_policy, name=name)
            for name in ("embedding_dropout", "dropout")
        )
        self.item_softmax = items.make_softmax(
            tied_to=self.item_embedding if tie_output else None,
            relu_before=relu_before_softmax,
        )
        self.build()

    @classmethod
    def config_for(cls, *, num_blocks, protocol, **others):
        config = super().config_for(
            num_blocks=num_blocks, protocol=protocol, **others
        )
        # The release gives every kernel the op seed 1.
        seed = {"kernel_seed": 1} if protocol.identical_kernels else {}
        return {**config, "num_blocks": num_blocks, **seed}

    def encode(self, item_ids, training=None, keep=None):
        hidden = self.item_embedding(item_ids)  # (B, T, D)
        hidden = self.embedding_dropout(hidden, training=training)
        hidden = self.block_stack(hidden, training=training, keep=keep)
        return self.dropout(hidden, training=training)

    def last_hidden(self, item_ids, training=None, keep=None):
        """(B, D): the last position of `encode`.

        Outside of training, blocks compute what it sees and no more, where
        that is worth it (`receptive_field`): the nearer to the last block,
        the fewer positions.
        """
        fields = None if training else self._fields(ops.shape(item_ids)[1])
        if fields is None:
            return super().last_hidden(item_ids, training, keep=keep)
        hidden = self.item_embedding(take_places(item_ids, fields[0].inputs))
        return self.block_stack.last(hidden, fields, keep=keep)[:, -1]

    def encode_more(self, item_ids, state=None, keep=None):
        """Hidden states of items that follow others (`ServedModel.start`).

        Args:
            item_ids: (B, T) int.
            state: (B, S, D) what the convolutions have seen of the items
                before, as this returned it; by default there are none.
            keep: (1, L) of a single history, as for `encode`; always the
                same.

        Returns:
            (B, T, D), equal to the last T positions of `encode` of all items;
            and the new state.

        Raises:
            ValueError: convolutions that look both ways; see
                `BlockStack.extend`.
        """
        self.check_incremental()
        hidden = self.item_embedding(item_ids)  # (B, T, D)
        return self.block_stack.extend(hidden, state, keep=keep)

    def check_incremental(self):
        if not self.causal:
            raise ValueError(
                f"A {type(self).__name__} whose convolutions look both ways "
                "does not grow by a click: expected causal=True. "
                "Received: causal=False"
            )

    def _fields(self, length):
        """What the last position sees; None where all is to be computed."""
        if not (self.causal and isinstance(length, int) and length > 0):
            return None
        fields = self.block_stack.fields(length)
        return fields if is_worth_it(fields, length) else None

    def states(self, item_ids, training=None):
        hidden = self.item_embedding(item_ids)  # (B, T, D)
        return self.block_stack.states(hidden, training=training)

    def get_config(self):
        return {
            **super().get_config(),
            "num_blocks": self.num_blocks,
            "embedding_dim": self.embedding_dim,
            "kernel_size": self.kernel_size,
            "dilation_rates": list(self.dilation_rates),
            "use_alpha": self.use_alpha,
            "kernel_seed": self.kernel_seed,
            "relu_before_softmax": self.relu_before_softmax,
            "causal": self.causal,
            "dropout_rate": self.dropout_rate,
            "tie_output": self.tie_output,
        }

    def _check_arguments(self):
        for name in ("num_items", "num_blocks", "embedding_dim", "kernel_size"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"`{name}` must be at least 1. "
                    f"Received: {name}={getattr(self, name)}"
                )
        if self.tie_output and self.relu_before_softmax:
            raise ValueError(
                "A tied output has no ReLU before it. Received: "
                "tie_output=True with relu_before_softmax=True"
            )
        if not self.dilation_rates or min(self.dilation_rates) < 1:
            raise ValueError(
                "`dilation_rates` must be one or more positive integers. "
                f"Received: dilation_rates={self.dilation_rates}"
            )
