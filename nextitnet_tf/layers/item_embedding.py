"""The input layer: one vector an item."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class ItemEmbedding(keras.layers.Embedding):
    """A Keras embedding whose gradient is exact under every optimizer.

    On TensorFlow the gradient of a lookup lists one slice an occurrence.
    Keras' optimizers square such a list slice by slice, so that an item that
    occurs twice in a batch gets a second moment of `a*a + b*b` instead of
    `(a + b)**2`, and too long a step. Looking up in a computed table makes
    the gradient a dense sum.

    Args:
        num_items: number of items without padding; the table has one row
            more.
        embedding_dim: D.
        **kwargs: as for `keras.layers.Embedding`, without what quantizes.

    Call arguments:
        item_ids: (B, T) int.

    Returns:
        (B, T, D).

    Raises:
        ValueError: an argument of `Embedding` that it cannot honour.
    """

    def __init__(self, num_items, embedding_dim, **kwargs):
        if kwargs.get("quantization_config") is not None:
            raise ValueError(
                "Keras does not quantize subclasses of its Embedding: "
                "expected quantization_config=None. Received: "
                f"quantization_config={kwargs['quantization_config']!r}"
            )
        # Keras' Embedding forgets it: what is built has the rank.
        rank, alpha = kwargs.get("lora_rank"), kwargs.get("lora_alpha")
        if alpha not in (None, rank):
            raise ValueError(
                f"`lora_alpha` must be None or lora_rank={rank}. "
                f"Received: lora_alpha={alpha}"
            )
        # Keras' own names, as `get_config` of the base class gives them.
        super().__init__(num_items + 1, embedding_dim, **kwargs)
        self.num_items = num_items
        self.embedding_dim = embedding_dim

    def call(self, item_ids):
        # As the base class does: under tf.distribute Keras builds a model on
        # the mean of the devices' batches, which is float.
        item_ids = ops.cast(item_ids, "int32")
        return ops.cast(
            ops.take(with_dense_gradient(self.embeddings), item_ids, axis=0),
            self.compute_dtype,
        )

    def get_config(self):
        config = super().get_config()
        del config["input_dim"], config["output_dim"]
        return {
            **config,
            "num_items": self.num_items,
            "embedding_dim": self.embedding_dim,
        }


def with_dense_gradient(table):
    """The same values, whose gradient is a tensor and not a list of slices.

    Compilers drop the multiplication; its derivative is what counts.
    """
    return ops.multiply(table, 1.0)
