"""A recommender of one domain that answers with the items of another."""

import keras
from keras import ops

from nextitnet_tf.layers.item_dot_product import ItemDotProduct
from nextitnet_tf.layers.item_layers import ItemLayers
from nextitnet_tf.models.sequential_recommender import SequentialRecommender

HEADS = ("softmax", "dot_product")


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class FineTuned(SequentialRecommender):
    """Reads histories of a source domain, scores items of a target domain.

    The source's model gives the hidden state after the last item; a new layer
    scores the target's items by it. All weights are trained but those of the
    source's own output layer, which has no part in it.

    Args:
        source: a built `SequentialRecommender`; it is copied, and stays as it
            is.
        num_items: number of target items, 1..num_items.
        head: "softmax" or "dot_product" (`ItemDotProduct`).
        target_l2: penalty of the latter.
        **kwargs: as for `SequentialRecommender`; `padding_id` is that of the
            targets, histories have the source's.

    Call arguments:
        item_ids: (B, T) int histories in the source's numbering; or a pair
            of them and (B, C) int target items.

    Returns:
        (B, N) logits of the target items; or (B, C) of those given.

    Raises:
        ValueError: a source that must know its users, an unknown head.

    Reference:
        StackRec, Section 4.1 (TF); its release, `fineall.py`.
    """

    def __init__(
        self, source, num_items, head="softmax", target_l2=0.0, **kwargs
    ):
        # Keras chooses how to scale a loss by the policy of the whole model.
        kwargs.setdefault("dtype", source.dtype_policy)
        super().__init__(num_items=num_items, **kwargs)
        if getattr(source, "needs_users", True):
            raise ValueError(
                "Expected a recommender that needs no users: it never saw "
                "those of the target domain. "
                f"Received: source={type(source).__name__}"
            )
        if head not in HEADS:
            raise ValueError(
                f"`head` must be one of {HEADS}. Received: head={head!r}"
            )
        self.source = type(source).from_config(source.get_config())
        self.source.set_weights(source.get_weights())
        self.source.vocabulary = source.vocabulary
        self.head = head
        self.target_l2 = target_l2
        self.embedding_dim = source.embedding_dim
        policy = self.dtype_policy
        if head == "softmax":
            items = ItemLayers(num_items, self.embedding_dim, dtype=policy)
            self.item_softmax = items.make_softmax()
        else:
            self.item_softmax = ItemDotProduct(
                num_items, l2=target_l2, dtype=policy, name="item_softmax"
            )
        # What has no gradient has no place in the optimizer. An output layer
        # that is tied to the embedding shares what does have one.
        used = {id(v) for v in self.source.item_embedding.variables}
        for variable in self.source.item_softmax.trainable_variables:
            if id(variable) not in used:
                variable.trainable = False
        self.build()

    def build_layers(self):
        self.item_softmax.build((None, None, self.embedding_dim))

    def call(self, item_ids, training=None):
        if isinstance(item_ids, (tuple, list)):
            item_ids, candidates = item_ids
            logits = self.item_softmax(self.encode(item_ids, training)[:, -1])
            candidates = ops.cast(candidates, "int32")
            return ops.take_along_axis(logits, candidates, axis=-1)
        return super().call(item_ids, training)

    def compute_output_shape(self, input_shape):
        if isinstance(input_shape[0], tuple | list):
            return tuple(input_shape[1])  # candidates
        return super().compute_output_shape(input_shape)

    def encode(self, item_ids, training=None):
        return self.source.encode(item_ids, training)

    def states(self, item_ids, training=None):
        return self.source.states(item_ids, training)

    def encode_for_loss(self, item_ids, targets, weights, training):
        """The last position predicts the target item, (B, 1)."""
        return self.encode(item_ids, training)[:, -1:], targets, weights

    @property
    def history_vocabulary(self):
        """Of the items in histories, which fine-tuning may have renumbered."""
        return self.source.vocabulary

    def get_config(self):
        return {
            **super().get_config(),
            "source": keras.saving.serialize_keras_object(self.source),
            "head": self.head,
            "target_l2": self.target_l2,
        }

    @classmethod
    def from_config(cls, config):
        source = keras.saving.deserialize_keras_object(config["source"])
        return cls(**{**config, "source": source})
