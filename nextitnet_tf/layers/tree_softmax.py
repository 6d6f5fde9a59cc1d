"""A softmax over items in two steps: their cluster, then the item."""

import keras
from keras import ops

from nextitnet_tf import losses
from nextitnet_tf.compression import Compression
from nextitnet_tf.compression import cluster_sizes
from nextitnet_tf.layers.item_embedding import with_dense_gradient
from nextitnet_tf.layers.item_rows import ItemRows


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class TreeSoftmax(keras.layers.Layer):
    """Log-probabilities of all items, as a tree of two levels has them.

    The root has a column for each item of the first cluster and one for each
    other cluster. With h a hidden state, an item of the first cluster has
    the root's probability, one of another that of its cluster at the root
    times its own among the items of the cluster. Each of these softmaxes is
    `softmax((h @ projection_j) @ kernel_j^T)`, of rank r_j, without a bias;
    one of the full rank D has no projection.

    Args:
        num_items: number of items without padding; N is one more.
        clusters: rising boundaries, the last N (`Compression`).
        ranks: r_j, one a cluster, at most D.

    Call arguments:
        hidden: (..., D) hidden states.

    Returns:
        (..., N) log-probabilities, float32 whatever the compute type: logits
        whose softmax is the distribution itself.

    Raises:
        ValueError: clusters or ranks that do not fit.

    Reference:
        CpRec, Section 3.2.2 and Eq. 2-4; initial values as in the release.
    """

    def __init__(self, num_items, clusters, ranks, **kwargs):
        super().__init__(**kwargs)
        self.num_items = num_items
        self.clusters = tuple(clusters)
        self.ranks = tuple(ranks)

    def build(self, input_shape):
        width = input_shape[-1]
        Compression(self.clusters, None, self.ranks).check(
            self.num_items + 1, softmax_ranks=width
        )
        first, *others = cluster_sizes(self.clusters)
        self.kernels, self.projections = [], []
        for j, size in enumerate([first + len(others), *others]):
            rank = self.ranks[j]
            self.kernels.append(
                self.add_weight(name=f"kernel_{j}", shape=(size, rank))
            )
            self.projections.append(
                self.add_weight(name=f"projection_{j}", shape=(width, rank))
                if rank < width
                else None
            )

    def call(self, hidden):
        first = self.clusters[0]
        root, *leaves = (
            ops.log_softmax(self.logits(hidden, j))
            for j in range(len(self.kernels))
        )
        return ops.concatenate(
            [
                root[..., :first],
                *(
                    root[..., first + j : first + j + 1] + leaf
                    for j, leaf in enumerate(leaves)
                ),
            ],
            axis=-1,
        )

    def logits(self, hidden, j):
        """What one softmax of the tree is of.

        Args:
            hidden: (..., D).
            j: 0 for the root, then leaf by leaf.

        Returns:
            (..., columns of it) float32.
        """
        kernel = ops.cast(self.kernels[j], self.compute_dtype)
        logits = ops.matmul(self.projected(hidden, j), ops.transpose(kernel))
        return ops.cast(logits, "float32")

    def projected(self, hidden, j):
        """What the kernel of one softmax is multiplied by.

        Args:
            hidden: (..., D).
            j: as for `logits`.

        Returns:
            (..., r_j).
        """
        projection = self.projections[j]
        if projection is None:
            return hidden
        return ops.matmul(hidden, ops.cast(projection, self.compute_dtype))

    def check_loss(self, num_sampled, label_smoothing):
        """Raises ValueError for a loss that a tree does not have."""
        if num_sampled is not None or label_smoothing:
            raise ValueError(
                "A tree softmax is trained in full, without smoothed labels: "
                "expected num_sampled=None, label_smoothing=0. Received: "
                f"num_sampled={num_sampled}, label_smoothing={label_smoothing}"
            )

    def loss(
        self,
        hidden,
        next_item_ids,
        weights,
        num_sampled=None,
        training=True,
        label_smoothing=0.0,
    ):
        """The weighted sum of the cross-entropies of the next items (Eq. 3).

        That at the root, of all items, and, of an item that is not in the
        first cluster, that among its cluster: what a leaf computes is only
        the rows that it is the target's leaf of.

        Args:
            hidden: (M, D) hidden states, one a prediction.
            next_item_ids: (M,) the items that did follow.
            weights: (M,) float32.
            num_sampled: must be None in training.
            training: whether this is a step of training.
            label_smoothing: must be 0 in training.

        Returns:
            Scalar, float32.

        Raises:
            ValueError: a sampled softmax or smoothed labels, in training.
        """
        if training:
            self.check_loss(num_sampled, label_smoothing)
        first = self.clusters[0]
        cluster = sum(
            ops.cast(next_item_ids >= boundary, "int32")
            for boundary in self.clusters[:-1]
        ) + ops.zeros_like(next_item_ids)  # (M,)
        total = 0
        for j, kernel in enumerate(self.kernels):
            if j == 0:
                targets = ops.where(
                    cluster == 0, next_item_ids, first + cluster - 1
                )
                counted = weights
            else:
                is_inside = cluster == j
                start = self.clusters[j - 1]
                targets = ops.where(is_inside, next_item_ids - start, 0)
                counted = ops.where(is_inside, weights, 0.0)
            total = total + losses.full_softmax_loss(
                self.projected(hidden, j),
                ops.cast(with_dense_gradient(kernel), self.compute_dtype),
                ops.zeros((kernel.shape[0],), "float32"),
                targets,
                counted,
            )
        return total

    def item_rows(self):
        """What of it belongs to items (`ItemRows`); clusters come after."""
        sizes = cluster_sizes(self.clusters)
        return [ItemRows(self.kernels, sizes, self.projections, is_turned=True)]

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.num_items + 1)

    def get_config(self):
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "clusters": list(self.clusters),
            "ranks": list(self.ranks),
        }
