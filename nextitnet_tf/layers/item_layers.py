"""Where models get their item embedding and their item softmax from."""

from dataclasses import dataclass

from nextitnet_tf.layers.item_embedding import ItemEmbedding
from nextitnet_tf.layers.item_softmax import ItemSoftmax
from nextitnet_tf.layers.tied_item_softmax import TiedItemSoftmax


@dataclass(frozen=True)
class ItemLayers:
    """Makes the two layers of a model that know its items.

    Every model calls it, so that another form of both (of fewer parameters,
    say) is one change here. There are two calls because random initial values
    depend on the order in which layers are made: the embedding comes before
    a model's other layers, the softmax behind them.

    Attributes:
        num_items: number of items without padding.
        embedding_dim: width of an item's vector.
        dtype: the model's dtype policy.
    """

    num_items: int
    embedding_dim: int
    dtype: object = None

    def make_embedding(self, initializer="uniform", name="item_embedding"):
        """The input layer.

        Args:
            initializer: of the table.
            name: of the layer.

        Returns:
            An `ItemEmbedding`, not built.
        """
        return ItemEmbedding(
            self.num_items,
            self.embedding_dim,
            embeddings_initializer=initializer,
            dtype=self.dtype,
            name=name,
        )

    def make_softmax(self, tied_to=None, **kwargs):
        """The output layer.

        Args:
            tied_to: the embedding whose table it shares; None gives it a
                table of its own.
            **kwargs: of an own one, as for `ItemSoftmax`.

        Returns:
            An `ItemSoftmax`, not built.
        """
        same = {"dtype": self.dtype, "name": "item_softmax"}
        if tied_to is not None:
            return TiedItemSoftmax(tied_to, **same)
        return ItemSoftmax(self.num_items, **kwargs, **same)
