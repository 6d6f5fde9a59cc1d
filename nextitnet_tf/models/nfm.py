"""NFM: a factorization machine with a hidden layer."""

import keras
from keras import ops

from nextitnet_tf.layers.dropout import Dropout
from nextitnet_tf.layers.item_layers import ItemLayers
from nextitnet_tf.models.sequential_recommender import SequentialRecommender


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class NFM(SequentialRecommender):
    """The items of a history as a bag of features, whatever their order.

    With v the vectors of the items up to a position, the pooled pairs
    `((sum v)^2 - sum v^2) / 2` pass batch norm, dropout and one dense layer;
    the sum of a second vector of each item, the linear part, is added. Every
    position predicts the next item. NFM's paper rates one target; here, as in
    StackRec's comparison, the targets are the classes of a softmax. Paddings
    are in no bag.

    Args:
        num_items: number of items without padding; ids are 0..num_items.
        embedding_dim: D, the width of embeddings and of the hidden layer.
        pooling_dropout_rate: of the pooled pairs, in training.
        dropout_rate: of the hidden layer, in training.

    Call arguments:
        item_ids: (B, T) int; the order does not matter.

    Returns:
        (B, N) logits of the item that follows the last position.

    Reference:
        He and Chua, SIGIR 2017, Eq. 4 and 5; StackRec, Section 4.1.3.
    """

    def __init__(
        self,
        num_items,
        embedding_dim=64,
        pooling_dropout_rate=0.5,
        dropout_rate=0.2,
        **kwargs,
    ):
        super().__init__(num_items=num_items, **kwargs)
        self.embedding_dim = embedding_dim
        self.pooling_dropout_rate = pooling_dropout_rate
        self.dropout_rate = dropout_rate
        policy = self.dtype_policy
        items = ItemLayers(num_items, embedding_dim, dtype=policy)
        self.item_embedding, self.linear_embedding = (
            items.make_embedding(name=name)
            for name in ("item_embedding", "linear_embedding")
        )
        self.norm = keras.layers.BatchNormalization(dtype=policy, name="norm")
        self.pooling_dropout, self.dropout = (
            Dropout(rate, dtype=policy, name=name)
            for name, rate in (
                ("pooling_dropout", pooling_dropout_rate),
                ("dropout", dropout_rate),
            )
        )
        self.dense = keras.layers.Dense(
            embedding_dim, activation="relu", dtype=policy, name="dense"
        )
        self.item_softmax = items.make_softmax()
        self.build()

    def build_layers(self):
        super().build_layers()
        self.linear_embedding.build((None, None))
        for layer in (self.norm, self.dense):
            layer.build((None, None, self.embedding_dim))

    def encode(self, item_ids, training=None):
        item_ids = ops.cast(item_ids, "int32")
        is_item = ops.not_equal(item_ids, self.padding_id)  # (B, T)
        is_item = ops.cast(is_item, self.compute_dtype)[..., None]
        vectors = self.item_embedding(item_ids) * is_item  # (B, T, D)
        total = ops.cumsum(vectors, axis=1)
        squares = ops.cumsum(ops.square(vectors), axis=1)
        pairs = self.norm(
            0.5 * (ops.square(total) - squares), training=training
        )
        pairs = self.pooling_dropout(pairs, training=training)
        hidden = self.dropout(self.dense(pairs), training=training)
        linear = self.linear_embedding(item_ids) * is_item
        return hidden + ops.cumsum(linear, axis=1)

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "pooling_dropout_rate": self.pooling_dropout_rate,
            "dropout_rate": self.dropout_rate,
        }
