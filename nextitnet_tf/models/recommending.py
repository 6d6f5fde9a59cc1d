"""The items likeliest to follow, found in the graph.

`answers`, `export_recommender` and whoever else asks for the best items of
a model go through `top_items`. It orders items as `metrics.rank_among` ranks
them: ties go to the lower id, columns that are no items and items that were
seen have no place.
"""

import keras
import numpy as np
from keras import ops

from nextitnet_tf.layers.pruned_top_items import CLOSED
from nextitnet_tf.layers.pruned_top_items import close
from nextitnet_tf.layers.pruned_top_items import leaf_reaches
from nextitnet_tf.layers.pruned_top_items import pruned_top_items
from nextitnet_tf.layers.tree_softmax import TreeSoftmax
from nextitnet_tf.models import raw_ids

# What a batch of histories may take up, beside the model. A column of a row
# costs its float32 score, a copy where a backend makes one, and one byte that
# says whether the score is a number.
_WORKING_BYTES = 400_000_000
_BYTES_A_COLUMN = 9
# Histories for which it pays to read all columns of a tree once more.
_WORTH_A_LOOK = 64


def top_items(
    model,
    item_ids,
    k=10,
    exclude_seen=True,
    reaches=None,
    hidden=None,
    explain=False,
):
    """The k likeliest items after each history, of any Keras backend's graph.

    A history without a known item gets the most popular items.

    Args:
        model: a `SequentialRecommender` with a vocabulary.
        item_ids: (B, S) int, in the numbers of `model.history_vocabulary`,
            latest at position -1, padded on the left; of any length: the
            model is shown the latest `history_length`.
        k: how many items; if the model knows fewer, all of them. A tensor
            must be 1 to `num_items`, and has all items scored: of a tree no
            leaf is left out.
        exclude_seen: leave out every item of `item_ids`, row by row; a bool
            tensor () or (B, 1) says so of each row.
        reaches: of a tree softmax, as for `pruned_top_items`.
        hidden: (B, D) what items are scored by, where it is known; by default
            the model's last hidden states.
        explain: also which blocks ran, of a model that chooses (SkipRec).

    Returns:
        {"item_ids": (B, k) int32, "scores": (B, k) float32}, likeliest
        first. Where fewer than k items are left, the padding id with score
        -inf; where the model's logits are not all finite (of a tree: those
        that were looked into), scores are NaN.

    Raises:
        ValueError: a model without a vocabulary, or with one of another
            size; k below 1; `explain` of a model that runs all its blocks.
    """
    vocabulary, of_histories = raw_ids.vocabularies(model)
    if explain:
        check_chooses(model)
    is_asked = ops.is_tensor(k)
    if not is_asked:
        k = at_most(k, model)
    item_ids = ops.cast(item_ids, "int32")
    latest = _latest(item_ids, of_histories)
    # Row by row the columns that are closed: (B, M).
    closed = _beside(item_ids, vocabulary.not_items)
    if of_histories is vocabulary:
        closed = _with_seen(closed, item_ids, exclude_seen, vocabulary)
    keep = None
    if explain:
        # Who draws even now would draw others if it were asked again.
        keep = model.keep(latest)
        hidden = model.last_hidden(latest, training=False, keep=keep)
    if is_tree(model) and not is_asked:
        if hidden is None:
            hidden = model.last_hidden(latest, training=False)
        best_scores, best, _ = pruned_top_items(
            model.item_softmax, hidden, k, closed, reaches
        )
        is_finite = ops.all(ops.isfinite(best_scores), axis=-1, keepdims=True)
    else:
        if hidden is None:
            logits = model(latest, training=False)
        else:
            logits = model.item_softmax(hidden)
        scores = close(ops.cast(logits, "float32"), closed)  # (B, N)
        is_finite = ops.all(ops.isfinite(scores), axis=-1, keepdims=True)
        best_scores, best = ops.top_k(scores, k)  # (B, k), ties by lower id
    is_open = best_scores > CLOSED
    best = ops.where(is_open, best, vocabulary.padding_id)
    best_scores = ops.where(is_open, best_scores, -np.inf)
    best_scores = ops.where(is_finite, best_scores, np.nan)
    popular, counts = _most_popular(vocabulary, k)
    is_known = _has_an_item(item_ids, of_histories.not_items)  # (B, 1)
    found = {
        "item_ids": ops.where(is_known, ops.cast(best, "int32"), popular),
        "scores": ops.where(is_known, best_scores, counts),
    }
    if explain:
        found["keep"] = ops.where(is_known, ops.cast(keep, "int32"), 0)
    return found


class TopItems(keras.Model):
    """`top_items` of a model, as a model that Keras compiles and exports.

    Args:
        recommender: a `SequentialRecommender` with a vocabulary.
        k: how many items.
        exclude_seen: leave out the items of the history itself.
        explain: also say which blocks ran.

    Call arguments:
        item_ids: (B, S) int, see `top_items`.

    Returns:
        {"item_ids": (B, k) int32, "scores": (B, k) float32}, and with
        `explain` {"keep": (B, L) int32}.
    """

    def __init__(self, recommender, k=10, exclude_seen=True, explain=False):
        super().__init__(name="top_items")
        self.recommender = recommender
        self.k = k
        self.exclude_seen = exclude_seen
        self.explain = explain
        self.reaches = None
        if is_tree(recommender):
            self.reaches = self.add_weight(
                name="reaches",
                shape=(len(recommender.item_softmax.clusters) - 1, 2),
                trainable=False,
            )
            self.look_at_weights(0)
        self.built = True

    def look_at_weights(self, num_histories):
        """Has a tree's leaves pruned by how long their columns are now.

        Args:
            num_histories: that are asked for before weights change. Of few,
                it would cost more than it spares: nothing is assumed then.
        """
        if self.reaches is None:
            return
        reaches = np.full(self.reaches.shape, np.inf)
        if num_histories >= _WORTH_A_LOOK:
            reaches = leaf_reaches(self.recommender.item_softmax)
        self.reaches.assign(reaches)

    def call(self, item_ids):
        return top_items(
            self.recommender,
            item_ids,
            self.k,
            self.exclude_seen,
            self.reaches,
            explain=self.explain,
        )


class TopOfHidden(TopItems):
    """`TopItems` of histories whose hidden states are known."""

    def call(self, inputs):
        return top_items(
            self.recommender,
            inputs["item_ids"],
            self.k,
            self.exclude_seen,
            self.reaches,
            inputs["hidden"],
        )


def is_tree(model) -> bool:
    """Whether a model's items are leaves below parents (CpRec)."""
    return isinstance(getattr(model, "item_softmax", None), TreeSoftmax)


def largest_batch(num_columns) -> int:
    """How many histories' scores fit into the memory set aside for them.

    Args:
        num_columns: N.

    Returns:
        A power of 2.
    """
    most = _WORKING_BYTES // (_BYTES_A_COLUMN * num_columns)
    return 1 << max(0, most.bit_length() - 1)


def item_ids_spec():
    """The signature of histories: any number of them, of any length."""
    return keras.InputSpec(dtype="int32", shape=(None, None), name="item_ids")


def check_at_least_1(value, name) -> int:
    """A whole number.

    Raises:
        ValueError: it is none, or below 1; the message has its name.
    """
    is_number = isinstance(value, int | np.integer)
    if not is_number or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"`{name}` must be a whole number, at least 1. "
            f"Received: {name}={value!r}"
        )
    return int(value)


def check_chooses(model):
    """Raises ValueError for a model that runs all its blocks, or has none."""
    if not hasattr(model, "keep"):
        raise ValueError(
            "Expected a model that chooses which blocks run, a SkipRec, to "
            "tell which did. Received: explain=True of a "
            f"{type(model).__name__}"
        )


def at_most(k, model) -> int:
    """k, or all the items that a model knows.

    Raises:
        ValueError: k below 1.
    """
    return min(check_at_least_1(k, "k"), model.vocabulary.num_items)


def finder(model, k, exclude_seen, explain=False, kind=TopItems) -> TopItems:
    """The compiled `TopItems`, kept with the model for the next call.

    Args:
        model: a `SequentialRecommender` with a vocabulary.
        k: how many items; if the model knows fewer, all of them.
        exclude_seen: leave out the items of the history itself.
        explain: also say which blocks ran.
        kind: `TopItems`, or a subclass.

    Raises:
        ValueError: a model without a vocabulary; k below 1.
    """
    both = raw_ids.vocabularies(model)
    k = at_most(k, model)
    kept = model.__dict__.get("_top_items")
    if kept is None or any(
        old is not new for old, new in zip(kept[0], both, strict=True)
    ):
        kept = (both, {})
        # Past Keras, which would take it for a layer of the model.
        object.__setattr__(model, "_top_items", kept)
    finders = kept[1]
    how = k, bool(exclude_seen), bool(explain)
    key = (kind, *how)
    if key not in finders:
        finders[key] = kind(model, *how)
    return finders[key]


def _latest(item_ids, vocabulary):
    """(B, T): what the model is shown."""
    length = vocabulary.history_length
    padding = _beside(item_ids, [vocabulary.padding_id] * length)
    item_ids = ops.concatenate([padding, item_ids], axis=1)[:, -length:]
    return ops.reshape(item_ids, (-1, length))  # a length that is known


def _beside(item_ids, row):
    """(B, M): the same row for each row of `item_ids`."""
    row = np.asarray(row, "int32")
    return ops.broadcast_to(row, (ops.shape(item_ids)[0], len(row)))


def _with_seen(closed, item_ids, exclude_seen, vocabulary):
    """(B, M) columns that are closed, with those of histories if so asked."""
    if ops.is_tensor(exclude_seen):
        # Padding is closed anyway.
        item_ids = ops.where(exclude_seen, item_ids, vocabulary.padding_id)
    elif not exclude_seen:
        return closed
    return ops.concatenate([item_ids, closed], axis=1)


def _most_popular(vocabulary, k):
    """(1, k) ids and counts of the items most frequent in the data."""
    counts = np.array(vocabulary.counts, "int64")
    counts[vocabulary.not_items] = -1
    best = np.argsort(-counts, kind="stable")[None, : vocabulary.num_items]
    both = best.astype("int32"), counts[best].astype("float32")
    return [ops.convert_to_tensor(x)[:, :k] for x in both]


def _has_an_item(item_ids, not_items):
    """(B, 1): whether there is anything but padding in a row."""
    is_item = ops.ones_like(item_ids, dtype="bool")
    for column in not_items:
        is_item = ops.logical_and(is_item, ops.not_equal(item_ids, column))
    return ops.any(is_item, axis=1, keepdims=True)
