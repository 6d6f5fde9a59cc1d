"""The output layer: a softmax over all items."""

import keras
import numpy as np
from keras import ops

from nextitnet_tf import losses
from nextitnet_tf.layers.few_bits import FewBits
from nextitnet_tf.layers.item_embedding import with_dense_gradient
from nextitnet_tf.layers.item_rows import ItemRows


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class ItemSoftmax(keras.layers.Layer):
    """Scores every item for a hidden state.

    `logits = hidden @ kernel^T + bias`. The kernel is not tied to the item
    embedding. The layer also knows its training loss, because other heads
    (tied, factorised) compute theirs without ever having all the logits.

    Args:
        num_items: number of items without padding; N is one more.
        relu_before: whether hidden states first pass a ReLU.
        kernel_initializer: default as in StackRec's release.
        bias_initializer: likewise.

    Call arguments:
        hidden: (..., D) hidden states.

    Returns:
        (..., N) logits, float32 whatever the compute type.

    Reference:
        StackRec, Eq. 4; initial values as in the release.
    """

    def __init__(
        self,
        num_items,
        relu_before=False,
        kernel_initializer=None,
        bias_initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_items = num_items
        self.relu_before = relu_before
        self.kernel_initializer = keras.initializers.get(
            kernel_initializer or keras.initializers.RandomNormal(stddev=0.01)
        )
        self.bias_initializer = keras.initializers.get(
            bias_initializer or keras.initializers.Constant(0.1)
        )
        self.seed_generator = keras.random.SeedGenerator()
        self.few_bits = None

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(self.num_items + 1, input_shape[-1]),
            initializer=self.kernel_initializer,
        )
        self.bias = self.add_weight(
            name="bias",
            shape=(self.num_items + 1,),
            initializer=self.bias_initializer,
        )

    def call(self, hidden):
        if self.relu_before:
            hidden = ops.relu(hidden)
        if self.few_bits is not None:
            return self.few_bits.products(hidden) + self.bias
        logits = ops.matmul(hidden, ops.transpose(self.kernel))
        return ops.cast(logits, "float32") + ops.cast(self.bias, "float32")

    def loss(
        self,
        hidden,
        next_item_ids,
        weights,
        num_sampled=None,
        training=True,
        label_smoothing=0.0,
    ):
        """The weighted sum of the cross-entropies of the next items.

        Args:
            hidden: (M, D) hidden states, one a prediction.
            next_item_ids: (M,) the items that did follow.
            weights: (M,) float32; they sum to 1 over the global batch for a
                mean.
            num_sampled: S, negatives shared by the batch and drawn anew at
                each call; None for the full softmax.
            training: outside of it the softmax is always full and nothing
                is smoothed, so that nothing is drawn.
            label_smoothing: share of each target that is spread over all
                columns, in training with the full softmax.

        Returns:
            Scalar, float32.

        Raises:
            ValueError: a kernel of few bits, which has no gradient.
        """
        if self.few_bits is not None:
            raise ValueError(
                "A softmax of few bits is not trained: expected a model that "
                f"is not quantized. Received: {self.few_bits.mode} weights"
            )
        if self.relu_before:
            hidden = ops.relu(hidden)
        kernel = ops.cast(with_dense_gradient(self.kernel), self.compute_dtype)
        bias = ops.cast(with_dense_gradient(self.bias), "float32")
        if num_sampled is None or not training:
            loss = losses.full_softmax_loss(
                hidden, kernel, bias, next_item_ids, weights
            )
            if label_smoothing and training:
                loss = loss + label_smoothing * losses.advantage_of_targets(
                    hidden, kernel, bias, next_item_ids, weights
                )
            return loss
        num_columns = self.num_items + 1
        return losses.sampled_softmax_loss(
            hidden,
            kernel,
            bias,
            next_item_ids,
            weights,
            candidates=losses.sample_log_uniform(
                num_columns, num_sampled, seed=self.seed_generator
            ),
            expected_counts=losses.expected_counts(num_columns, num_sampled),
        )

    def set_shares(self, hidden, item_ids, counts):
        """Has items be as probable, on average, as they are frequent.

        Only their biases change, by what lacks in the mean logit: to the log
        of an item's share, over that of all other items together.

        Args:
            hidden: (M, D) hidden states, over which the mean is taken.
            item_ids: of the items, not all there are.
            counts: (N,) how often each item occurs; one that does not counts
                as half of an occurrence.
        """
        logits = ops.convert_to_numpy(self(hidden)).astype("float64")
        others = np.delete(logits, item_ids, axis=1)
        largest = others.max(axis=1, keepdims=True)
        log_sum = np.log(np.exp(others - largest).sum(axis=1)) + largest[:, 0]
        counts = np.asarray(counts, "float64")
        of_others = max(np.delete(counts, item_ids).sum(), 0.5)
        wanted = np.log(np.maximum(counts[item_ids], 0.5) / of_others)
        lacking = wanted + log_sum.mean() - logits[:, item_ids].mean(axis=0)
        bias = ops.convert_to_numpy(self.bias).copy()
        bias[item_ids] += lacking
        self.bias.assign(bias)

    def item_rows(self):
        """What of it belongs to items (`ItemRows`)."""
        return [ItemRows([self.kernel]), ItemRows([self.bias])]

    def quantize(self, mode=None, type_check=True, config=None):
        """Stores each row of the kernel in 8 or 4 bits a number, for good.

        Args:
            mode: "int8" or "int4".
            type_check: not used, like `config`: there is one way (`FewBits`).
            config: not used.

        Raises:
            ValueError: another mode.
        """
        del type_check, config
        few_bits = FewBits(self, *self.kernel.shape, mode)
        few_bits.store(self.kernel)
        del self.kernel
        self.few_bits = few_bits
        self._is_quantized = True  # Keras does not quantize twice

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.num_items + 1)

    def get_config(self):
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "relu_before": self.relu_before,
            "kernel_initializer": keras.initializers.serialize(
                self.kernel_initializer
            ),
            "bias_initializer": keras.initializers.serialize(
                self.bias_initializer
            ),
        }
