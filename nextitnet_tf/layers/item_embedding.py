"""The input layer: one vector an item."""

import keras
from keras import ops

from nextitnet_tf.layers.few_bits import FewBits
from nextitnet_tf.layers.item_rows import ItemRows


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
        self.few_bits = None

    @property
    def embeddings(self):
        """(N, D), the table; of floats even where it is stored in few bits."""
        if self.few_bits is None:
            return super().embeddings
        return self.few_bits.rows(ops.arange(self.num_items + 1))

    def call(self, item_ids):
        # As the base class does: under tf.distribute Keras builds a model on
        # the mean of the devices' batches, which is float.
        item_ids = ops.cast(item_ids, "int32")
        if self.few_bits is not None:
            return ops.cast(self.few_bits.rows(item_ids), self.compute_dtype)
        return ops.cast(
            ops.take(with_dense_gradient(self.embeddings), item_ids, axis=0),
            self.compute_dtype,
        )

    def item_rows(self):
        """What of it belongs to items, as `growing.grow` moves it.

        Returns:
            A list of `ItemRows`.

        Raises:
            ValueError: LoRA matrices beside the table.
        """
        if self.lora_enabled:
            raise ValueError(
                "Expected an embedding without LoRA matrices, which have no "
                f"rows of their own. Received: lora_rank={self.lora_rank}"
            )
        return [ItemRows([self._embeddings])]

    def quantize(self, mode=None, type_check=True, config=None):
        """Stores each row in 8 or 4 bits a number (`FewBits`), for good.

        Args:
            mode: "int8" or "int4".
            type_check: not used: a subclass does the same.
            config: not used: there is one way.

        Raises:
            ValueError: another mode; a table with LoRA matrices beside it.
        """
        del type_check, config
        if self.lora_enabled:
            raise ValueError(
                "Expected an embedding without LoRA matrices. Received: "
                f"lora_rank={self.lora_rank}"
            )
        few_bits = FewBits(self, self.num_items + 1, self.embedding_dim, mode)
        few_bits.store(self._embeddings)
        del self._embeddings
        self.few_bits = few_bits
        self._is_quantized = True  # Keras does not quantize twice

    def save_own_variables(self, store):
        if self.few_bits is None:
            super().save_own_variables(store)
        else:  # past the base class, which has names for its own way
            keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store):
        if self.few_bits is None:
            super().load_own_variables(store)
        else:
            keras.layers.Layer.load_own_variables(self, store)

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
