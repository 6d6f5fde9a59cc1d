"""An output layer that scores items by a product, one negative a positive."""

import keras
from keras import ops

from nextitnet_tf.layers.item_embedding import with_dense_gradient


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class ItemDotProduct(keras.layers.Layer):
    """Scores every item by the product of its vector and the hidden state.

    `logits = hidden @ kernel^T`, without a bias. It is trained as a pairwise
    classifier: for each item that did follow one that did not is drawn,
    uniformly.

    Args:
        num_items: number of items without padding; N is one more.
        l2: weight of half the sum of squares of the whole table, in the
            loss.

    Call arguments:
        hidden: (..., D) hidden states.

    Returns:
        (..., N) logits, float32 whatever the compute type.

    Reference:
        The release's fine-tuning, `fineall.py`.
    """

    def __init__(self, num_items, l2=0.0, **kwargs):
        super().__init__(**kwargs)
        self.num_items = num_items
        self.l2 = l2
        self.seed_generator = keras.random.SeedGenerator()
        if num_items < 2:
            raise ValueError(
                "A negative is another item: expected at least 2 items. "
                f"Received: num_items={num_items}"
            )

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.num_items + 1, input_shape[-1]),
            initializer=keras.initializers.TruncatedNormal(stddev=0.02),
        )

    def call(self, hidden):
        return ops.cast(
            ops.matmul(hidden, ops.transpose(self.kernel)), "float32"
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
        """The weighted sum of both logarithmic losses, and the penalty.

        Args:
            hidden: (M, D) hidden states, one a prediction.
            next_item_ids: (M,) the items that did follow.
            weights: (M,) float32; they sum to 1 over the global batch for a
                mean.
            num_sampled: not looked at: there is one negative.
            training: outside of it nothing is drawn: instead of the
                negative's loss its mean over all other items counts.
            label_smoothing: not looked at: there are no classes.

        Returns:
            Scalar, float32: `sum(weights * (-log s(positive) -
            log(1 - s(negative))))`, s the sigmoid of the logit, plus the
            penalty times the share of the global batch that this is.
        """
        kernel = with_dense_gradient(self.kernel)
        positive = self._logits_of(hidden, kernel, next_item_ids)
        if training:
            negatives = self._draw_other_items(next_item_ids)
            of_negative = ops.softplus(
                self._logits_of(hidden, kernel, negatives)
            )
        else:
            every = ops.softplus(self(hidden)[:, 1:])  # padding is no item
            of_negative = (ops.sum(every, axis=-1) - ops.softplus(positive)) / (
                self.num_items - 1
            )
        losses = ops.softplus(-positive) + of_negative
        penalty = self.l2 * 0.5 * ops.sum(ops.square(kernel))
        return ops.sum(weights * losses) + penalty * ops.sum(weights)

    def _draw_other_items(self, item_ids):
        """(M,) uniform among the items 1..num_items but for the given."""
        drawn = keras.random.randint(
            ops.shape(item_ids), 1, self.num_items, seed=self.seed_generator
        )
        return drawn + ops.cast(drawn >= item_ids, drawn.dtype)

    def _logits_of(self, hidden, kernel, item_ids):
        vectors = ops.cast(ops.take(kernel, item_ids, axis=0), hidden.dtype)
        return ops.cast(ops.sum(hidden * vectors, axis=-1), "float32")

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.num_items + 1)

    def get_config(self):
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "l2": self.l2,
        }
