"""Where models get their item embedding and their item softmax from."""

from dataclasses import dataclass

from nextitnet_tf.compression import AUTO
from nextitnet_tf.compression import Compression
from nextitnet_tf.layers.adaptive_item_embedding import AdaptiveItemEmbedding
from nextitnet_tf.layers.item_embedding import ItemEmbedding
from nextitnet_tf.layers.item_softmax import ItemSoftmax
from nextitnet_tf.layers.tied_item_softmax import TiedItemSoftmax
from nextitnet_tf.layers.tree_softmax import TreeSoftmax


@dataclass(frozen=True)
class ItemLayers:
    """Makes the two layers of a model that know its items.

    Every model calls it, so that both take a compressed form here alone. There
    are two calls because random initial values depend on the order in which
    layers are made: the embedding comes before a model's other layers, the
    softmax behind them.

    Attributes:
        num_items: number of items without padding.
        embedding_dim: width of an item's vector.
        compression: how they are factorised, if at all.
        dtype: the model's dtype policy.
    """

    num_items: int
    embedding_dim: int
    compression: Compression | None = None
    dtype: object = None

    @classmethod
    def of(cls, model, item_dim):
        """Those of a recommender, compressed if it is.

        Args:
            model: its arguments are set, its weights are not made yet. A
                `compression` of "auto" has clusters by the 20/80 rule, and
                each kernel of its blocks belongs to two that follow each
                other.
            item_dim: width of an item's vector.

        Raises:
            ValueError: a compression that does not fit the model.
        """
        compression = model.compression
        if compression == AUTO:
            has_blocks = hasattr(model, "num_blocks")
            compression = Compression.of_popularity(
                model.num_items + 1,
                item_dim,
                softmax_dim=model.embedding_dim,
                sharing="adjacent_block" if has_blocks else "none",
            )
        if compression:
            compression.check(
                model.num_items + 1,
                embedding_ranks=item_dim,
                softmax_ranks=model.embedding_dim,
            )
            sharing = compression.sharing
            if sharing != "none" and not hasattr(model, "num_blocks"):
                raise ValueError(
                    f"A {type(model).__name__} has no blocks that could share "
                    f"kernels. Received: sharing={sharing!r}"
                )
        return cls(
            model.num_items, item_dim, compression, dtype=model.dtype_policy
        )

    def make_embedding(self, initializer="uniform", name="item_embedding"):
        """The input layer.

        Args:
            initializer: of the usual table.
            name: of the layer.

        Returns:
            An `ItemEmbedding`, or an `AdaptiveItemEmbedding` if compressed;
            not built.
        """
        if self.compression and self.compression.embedding_ranks:
            return AdaptiveItemEmbedding(
                self.num_items,
                self.embedding_dim,
                clusters=self.compression.clusters,
                ranks=self.compression.embedding_ranks,
                dtype=self.dtype,
                name=name,
            )
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
            An `ItemSoftmax`, or a `TreeSoftmax` if compressed; not built.

        Raises:
            ValueError: a compressed output that is tied, or has a ReLU.
        """
        same = {"dtype": self.dtype, "name": "item_softmax"}
        ranks = self.compression.softmax_ranks if self.compression else None
        is_factorised = ranks or (
            self.compression and self.compression.embedding_ranks
        )
        if tied_to is not None and is_factorised:
            raise ValueError(
                "An output that is tied has the table of the item embedding: "
                "expected one of both. Received: tie_output=True with "
                f"compression={self.compression}"
            )
        if ranks:
            if kwargs.get("relu_before"):
                raise ValueError(
                    "A tree softmax has no ReLU before it. Received: "
                    "relu_before_softmax=True with "
                    f"compression={self.compression}"
                )
            return TreeSoftmax(
                self.num_items, self.compression.clusters, ranks, **same
            )
        if tied_to is not None:
            return TiedItemSoftmax(tied_to, **same)
        return ItemSoftmax(self.num_items, **kwargs, **same)
