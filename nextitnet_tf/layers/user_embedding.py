"""One vector a user."""

import keras
from keras import ops

from nextitnet_tf.layers.item_embedding import with_dense_gradient
from nextitnet_tf.layers.item_rows import ItemRows


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class UserEmbedding(keras.layers.Layer):
    """A table of users; who is not in it gets the mean of all.

    Args:
        num_users: users are 0..num_users - 1; any other number is an unknown
            user.
        embedding_dim: D.
        embeddings_initializer: of the table.

    Call arguments:
        user_ids: (B,) int.

    Returns:
        (B, D).

    Raises:
        ValueError: no users.

    Reference:
        Wu et al., SSE-PT, RecSys 2020, Section 3.1.
    """

    def __init__(
        self,
        num_users,
        embedding_dim,
        embeddings_initializer="uniform",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if num_users < 1:
            raise ValueError(
                "`num_users` must be at least 1. "
                f"Received: num_users={num_users}"
            )
        self.num_users = num_users
        self.embedding_dim = embedding_dim
        self.embeddings_initializer = keras.initializers.get(
            embeddings_initializer
        )

    def build(self, input_shape):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.num_users, self.embedding_dim),
            initializer=self.embeddings_initializer,
        )

    def call(self, user_ids):
        user_ids = ops.cast(user_ids, "int32")
        is_known = ops.logical_and(user_ids >= 0, user_ids < self.num_users)
        table = with_dense_gradient(self.embeddings)
        found = ops.take(table, ops.where(is_known, user_ids, 0), axis=0)
        mean = ops.mean(table, axis=0, keepdims=True)
        return ops.cast(
            ops.where(is_known[:, None], found, mean), self.compute_dtype
        )

    def user_rows(self):
        """The table, as `growing.grow` moves it (`ItemRows`)."""
        return [ItemRows([self.embeddings])]

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.embedding_dim)

    def get_config(self):
        return {
            **super().get_config(),
            "num_users": self.num_users,
            "embedding_dim": self.embedding_dim,
            "embeddings_initializer": keras.initializers.serialize(
                self.embeddings_initializer
            ),
        }
