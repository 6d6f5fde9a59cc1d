"""Where in a history a position is."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class PositionEmbedding(keras.layers.Layer):
    """Adds a learned vector to each position, counted from the left.

    Args:
        max_length: positions there are vectors for.
        embeddings_initializer: of the vectors.

    Call arguments:
        x: (B, T, D), T <= max_length.

    Returns:
        (B, T, D).

    Raises:
        ValueError: a history longer than `max_length`.

    Reference:
        Kang and McAuley, SASRec, ICDM 2018, Eq. 1.
    """

    def __init__(self, max_length, embeddings_initializer="uniform", **kwargs):
        super().__init__(**kwargs)
        self.max_length = max_length
        self.embeddings_initializer = keras.initializers.get(
            embeddings_initializer
        )

    def build(self, input_shape):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.max_length, input_shape[-1]),
            initializer=self.embeddings_initializer,
        )

    def call(self, x):
        length = x.shape[1]
        if length is not None and length > self.max_length:
            raise ValueError(
                f"There are vectors for {self.max_length} positions "
                f"(max_length). Received: a history of {length}"
            )
        return x + self.embeddings[: ops.shape(x)[1]]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "max_length": self.max_length,
            "embeddings_initializer": keras.initializers.serialize(
                self.embeddings_initializer
            ),
        }
