"""An output layer that shares the item embedding."""

import keras

from nextitnet_tf.layers.item_softmax import ItemSoftmax


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class TiedItemSoftmax(ItemSoftmax):
    """Scores every item by the product with its own embedding.

    `logits = hidden @ embeddings^T`, without a bias. Of hidden states wider
    than an embedding the last channels count.

    Args:
        item_embedding: the `ItemEmbedding` of the model.

    Call arguments:
        hidden: (..., D) hidden states.

    Returns:
        (..., N) logits, float32 whatever the compute type.

    Reference:
        Kang and McAuley, SASRec, ICDM 2018, Section III-D.
    """

    def __init__(self, item_embedding, **kwargs):
        super().__init__(item_embedding.num_items, **kwargs)
        self.item_embedding = item_embedding

    def build(self, input_shape):
        # Not a weight: nothing trains it, nothing copies it.
        self.bias = keras.ops.zeros((self.num_items + 1,), "float32")

    @property
    def kernel(self):
        """(N, D), the embedding's table."""
        return self.item_embedding.embeddings

    def call(self, hidden):
        return super().call(self._of_items(hidden))

    def loss(self, hidden, *args, **kwargs):
        return super().loss(self._of_items(hidden), *args, **kwargs)

    def set_shares(self, hidden, item_ids, counts):
        """Nothing: there is no bias."""

    def item_rows(self):
        return []  # the embedding has them

    def _of_items(self, hidden):
        return hidden[..., -self.item_embedding.embedding_dim :]

    def get_config(self):
        raise NotImplementedError(
            "A tied output belongs to its model, which makes it anew"
        )
