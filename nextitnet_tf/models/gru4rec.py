"""GRU4Rec: a recurrent network over a history."""

import keras

from nextitnet_tf.layers.dropout import Dropout
from nextitnet_tf.layers.item_layers import ItemLayers
from nextitnet_tf.models.sequential_recommender import SequentialRecommender


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class GRU4Rec(SequentialRecommender):
    """Gated recurrent units, every position predicting the next item.

    StackRec's baseline: trained autoregressively, with a softmax, as
    NextItNet is; GRU4Rec's own paper trains on pairs of items across parallel
    sessions. Paddings are read like items.

    Args:
        num_items: number of items without padding; ids are 0..num_items.
        embedding_dim: D, the width of embedding and state.
        num_layers: recurrent layers.
        dropout_rate: of the last layer's output, in training.
        embedding_dropout_rate: of the items' vectors, in training.
        tie_output: whether the output is the item embedding.

    Call arguments:
        item_ids: (B, T) int, latest item at position -1.

    Returns:
        (B, N) logits of the item that follows the last position.

    Raises:
        ValueError: an argument that must be positive is not.

    Reference:
        Hidasi et al., ICLR 2016; StackRec, Section 4.1.3 and Eq. 1.
    """

    is_compressible = True

    def __init__(
        self,
        num_items,
        embedding_dim=64,
        num_layers=1,
        dropout_rate=0.0,
        embedding_dropout_rate=0.0,
        tie_output=False,
        **kwargs,
    ):
        super().__init__(num_items=num_items, **kwargs)
        for name, value in (
            ("embedding_dim", embedding_dim),
            ("num_layers", num_layers),
        ):
            if value < 1:
                raise ValueError(
                    f"`{name}` must be at least 1. Received: {name}={value}"
                )
        self.embedding_dim = embedding_dim
        self.num_layers = num_layers
        self.dropout_rate = dropout_rate
        self.embedding_dropout_rate = embedding_dropout_rate
        self.tie_output = tie_output
        policy = self.dtype_policy
        items = ItemLayers.of(self, embedding_dim)
        self.compression = items.compression
        self.item_embedding = items.make_embedding()
        self.recurrent = [
            keras.layers.GRU(
                embedding_dim,
                return_sequences=True,
                dtype=policy,
                name=f"recurrent_{i}",
            )
            for i in range(num_layers)
        ]
        self.embedding_dropout, self.dropout = (
            Dropout(rate, dtype=policy, name=name)
            for name, rate in (
                ("embedding_dropout", embedding_dropout_rate),
                ("dropout", dropout_rate),
            )
        )
        self.item_softmax = items.make_softmax(
            tied_to=self.item_embedding if tie_output else None
        )
        self.build()

    def build_layers(self):
        super().build_layers()
        for layer in self.recurrent:
            layer.build((None, None, self.embedding_dim))

    def encode(self, item_ids, training=None):
        hidden = self.item_embedding(item_ids)  # (B, T, D)
        hidden = self.embedding_dropout(hidden, training=training)
        for layer in self.recurrent:
            hidden = layer(hidden, training=training)
        return self.dropout(hidden, training=training)

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "num_layers": self.num_layers,
            "dropout_rate": self.dropout_rate,
            "embedding_dropout_rate": self.embedding_dropout_rate,
            "tie_output": self.tie_output,
        }
