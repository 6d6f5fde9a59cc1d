"""An item embedding whose rank falls with the frequency of items."""

import keras
from keras import ops

from nextitnet_tf.compression import Compression
from nextitnet_tf.compression import cluster_sizes
from nextitnet_tf.layers.item_embedding import with_dense_gradient
from nextitnet_tf.layers.item_rows import ItemRows


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class AdaptiveItemEmbedding(keras.layers.Layer):
    """Looks up an item in the table of its cluster and projects it.

    Cluster j has a table of k_j rows of r_j numbers and, where r_j is below
    D, a matrix (r_j, D): `v = table_j[id - start_j] @ projection_j`.

    Args:
        num_items: number of items without padding; ids are 0..num_items.
        embedding_dim: D.
        clusters: rising boundaries, the last num_items + 1 (`Compression`).
        ranks: r_j, one a cluster, at most D.

    Call arguments:
        item_ids: (B, T) int.

    Returns:
        (B, T, D).

    Raises:
        ValueError: clusters or ranks that do not fit.

    Reference:
        CpRec, Section 3.2.1 and Eq. 1; initial values as in the release.
    """

    def __init__(self, num_items, embedding_dim, clusters, ranks, **kwargs):
        super().__init__(**kwargs)
        self.num_items = num_items
        self.embedding_dim = embedding_dim
        self.clusters = tuple(clusters)
        self.ranks = tuple(ranks)

    def build(self, input_shape=None):
        Compression(self.clusters, self.ranks).check(
            self.num_items + 1, embedding_ranks=self.embedding_dim
        )
        self.tables, self.projections = [], []
        for j, size in enumerate(cluster_sizes(self.clusters)):
            rank = self.ranks[j]
            self.tables.append(
                self.add_weight(name=f"table_{j}", shape=(size, rank))
            )
            self.projections.append(
                self.add_weight(
                    name=f"projection_{j}", shape=(rank, self.embedding_dim)
                )
                if rank < self.embedding_dim
                else None
            )

    def call(self, item_ids):
        # Keras builds a model on float ids under tf.distribute.
        item_ids = ops.cast(item_ids, "int32")
        vectors = 0
        for start, table, projection in zip(
            (0, *self.clusters), self.tables, self.projections, strict=False
        ):
            local = item_ids - start
            size = table.shape[0]
            is_inside = ops.logical_and(local >= 0, local < size)
            # An id that is no item's is looked up as it is, and fails as it
            # does in a table.
            is_other = ops.logical_and(
                ops.logical_not(is_inside),
                ops.logical_and(item_ids >= 0, item_ids <= self.num_items),
            )
            found = ops.take(
                with_dense_gradient(table),
                ops.where(is_other, 0, local),
                axis=0,
            )  # (B, T, r)
            found = ops.cast(found, self.compute_dtype)
            if projection is not None:
                found = ops.matmul(found, projection)
            vectors = vectors + ops.where(is_inside[..., None], found, 0)
        return vectors

    def item_rows(self):
        """What of it belongs to items (`ItemRows`)."""
        sizes = cluster_sizes(self.clusters)
        return [ItemRows(self.tables, sizes, self.projections)]

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.embedding_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "embedding_dim": self.embedding_dim,
            "clusters": list(self.clusters),
            "ranks": list(self.ranks),
        }
