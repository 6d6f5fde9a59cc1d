"""SSE-PT: self-attention that knows the user."""

import keras
from keras import ops

from nextitnet_tf.layers.user_embedding import UserEmbedding
from nextitnet_tf.models.sasrec import SASRec

# Probability that a user, or an item, is replaced by a random one.
_REPLACED = {"stackrec": (0.8, 0.01), "original": (0.08, 0.1)}


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class SSEPT(SASRec):
    """SASRec's network on vectors of which one half is the user's.

    Each position has the user's vector and the item's side by side, each of
    width D / 2. In training, users and items are replaced at random
    (stochastic shared embeddings); a replaced item is replaced as the target
    of the position before it, too. The first item of a history, paddings and
    the last target are never replaced.

    Variant "stackrec" is the network of StackRec's release, variant
    "original" that of the SSE-PT paper: see `SASRec`. The paper also appends
    the user's vector to the item's in the output. What it adds to the scores
    is the same for all items, so that a softmax and a ranking do not see it:
    here the output looks at the item's half of the hidden states alone.

    Without user ids (`recommend`, plain item ids) a user is unknown, and the
    mean of all users stands in.

    Args:
        num_items: number of items without padding; ids are 0..num_items.
        num_users: users are 0..num_users - 1.
        num_blocks: L.
        embedding_dim: D, the width of hidden states; even.
        variant: "stackrec" or "original".
        user_replacement: probability that a user is replaced; default 0.8
            (the release), or 0.08 under "original" (the authors, ML-1M).
        item_replacement: the same of an item; default 0.01, or 0.1.
        overwrites_rows: whether what was replaced stays replaced, in all
            passes to come, as in the release: after one pass 80 % of the
            users are random, after two 96 %.
        **kwargs: as for `SASRec`.

    Call arguments:
        inputs: (B, T) int item ids, latest item at position -1; or a pair of
            those and (B,) int user ids.

    Returns:
        (B, N) logits of the item that follows the last position.

    Raises:
        ValueError: an argument out of range.

    Reference:
        Wu et al., SSE-PT, RecSys 2020; StackRec, Section 4.4 and its
        release, `SSEPT_Alpha.py`.
    """

    needs_users = True

    def __init__(
        self,
        num_items,
        num_users,
        num_blocks=8,
        embedding_dim=64,
        variant="stackrec",
        user_replacement=None,
        item_replacement=None,
        overwrites_rows=False,
        **kwargs,
    ):
        if embedding_dim % 2:
            raise ValueError(
                "`embedding_dim` is shared by user and item and must be "
                f"even. Received: embedding_dim={embedding_dim}"
            )
        if variant not in _REPLACED:
            raise ValueError(
                f"`variant` must be one of {tuple(_REPLACED)}. "
                f"Received: variant={variant!r}"
            )
        for name, share in (
            ("user_replacement", user_replacement),
            ("item_replacement", item_replacement),
        ):
            if share is not None and not 0 <= share <= 1:
                raise ValueError(
                    f"`{name}` must be in [0, 1]. Received: {name}={share}"
                )
        self._num_users = num_users
        super().__init__(
            num_items,
            num_blocks=num_blocks,
            embedding_dim=embedding_dim,
            variant=variant,
            **kwargs,
        )
        default = _REPLACED[variant]
        self.num_users = num_users
        self.user_replacement = (
            default[0] if user_replacement is None else user_replacement
        )
        self.item_replacement = (
            default[1] if item_replacement is None else item_replacement
        )
        self.overwrites_rows = overwrites_rows

    @classmethod
    def config_for(cls, *, num_users, protocol, **others):
        return {
            **super().config_for(
                num_users=num_users, protocol=protocol, **others
            ),
            "num_users": num_users,
            "overwrites_rows": protocol.overwrites_rows,
        }

    @property
    def item_dim(self):
        return self.embedding_dim // 2

    def build_layers(self):
        self.user_embedding = UserEmbedding(
            self._num_users,
            self.item_dim,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.01),
            dtype=self.dtype_policy,
            name="user_embedding",
        )
        self.user_embedding.build((None,))
        self.replacement_seed_generator = keras.random.SeedGenerator()
        super().build_layers()

    def vectors(self, inputs):
        item_ids, user_ids = _split(inputs)
        if user_ids is None:
            user_ids = ops.full_like(item_ids[:, 0], -1)
        item_ids = ops.cast(item_ids, "int32")
        items = self.item_embedding(item_ids)  # (B, T, D / 2)
        users = self.user_embedding(ops.reshape(user_ids, (-1,)))
        users = ops.broadcast_to(users[:, None, :], ops.shape(items))
        return item_ids, ops.concatenate([users, items], axis=-1)

    def encode_for_loss(self, inputs, targets, weights, training):
        if training and not self.overwrites_rows:
            inputs, targets = self._replace(inputs, targets)
        return super().encode_for_loss(inputs, targets, weights, training)

    def overwrite(self, rows, users, generator):
        """Replaces users and items at random, as a step of training does.

        Args:
            rows: (B, t) int32 NumPy array, changed in place.
            users: (B,) int32 NumPy array, changed in place.
            generator: `numpy.random.Generator`.
        """
        draw = generator.random(users.shape) < self.user_replacement
        users[draw] = generator.integers(0, self.num_users, draw.sum())
        inner = rows[:, 1:-1]
        draw = generator.random(inner.shape) < self.item_replacement
        draw &= inner != self.padding_id
        inner[draw] = generator.integers(0, self.num_items + 1, draw.sum())

    def parts(self):
        parts = super().parts()
        return {
            **parts,
            "embedding": [*parts["embedding"], self.user_embedding],
        }

    def get_config(self):
        return {
            **super().get_config(),
            "num_users": self.num_users,
            "user_replacement": self.user_replacement,
            "item_replacement": self.item_replacement,
            "overwrites_rows": self.overwrites_rows,
        }

    def _replace(self, inputs, targets):
        """Inputs and targets of one step, some of them replaced."""
        seed = self.replacement_seed_generator
        item_ids, user_ids = _split(inputs)
        item_ids = ops.cast(item_ids, "int32")
        shape = ops.shape(item_ids)
        draw = keras.random.uniform(shape, seed=seed) < self.item_replacement
        draw = ops.logical_and(draw, item_ids != self.padding_id)
        draw = ops.logical_and(draw, ops.arange(shape[1]) > 0)
        # Any column but the padding's.
        others = keras.random.randint(shape, 0, self.num_items, seed=seed)
        others = others + ops.cast(others >= self.padding_id, others.dtype)
        item_ids = ops.where(draw, others, item_ids)
        targets = ops.concatenate([item_ids[:, 1:], targets[:, -1:]], axis=1)
        if user_ids is None:
            return item_ids, targets
        user_ids = ops.cast(ops.reshape(user_ids, (-1,)), "int32")
        shape = ops.shape(user_ids)
        draw = keras.random.uniform(shape, seed=seed) < self.user_replacement
        others = keras.random.randint(shape, 0, self.num_users, seed=seed)
        return (item_ids, ops.where(draw, others, user_ids)), targets


def _split(inputs):
    """(item ids, user ids or None)."""
    if isinstance(inputs, tuple | list):
        item_ids, user_ids = inputs
        return item_ids, user_ids
    return inputs, None
