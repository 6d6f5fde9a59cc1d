"""Recommending click by click: what was computed before is kept.

A convolution that looks back sees, of all that came before, its own last
`DilatedConv.past_length` inputs. Who keeps them computes one position a block
for one more item, where a history computed anew costs all of its positions.
"""

import keras
import numpy as np
from keras import ops

from nextitnet_tf.models import raw_ids
from nextitnet_tf.models import recommending


class Session:
    """A user's history that grows click by click, and what follows it.

    It begins with the row that `recommend` shows the model: the latest
    `history_length` items, padded on the left. Each item is added at the
    right end and nothing is dropped or moved: hidden states equal those of
    `encode` of the whole row, which gets longer than the rows of training.

    A SkipRec decides at the start which blocks run, and that is held: what a
    skipped block would have seen of the past is not there. The weights are
    those of each call; after they have changed, begin anew (of a
    `FrozenModel` they do not).

    Attributes:
        item_ids: all known items of the history, oldest first, as ids of
            `model.history_vocabulary`.
        keep: (1, L) of a SkipRec, 1 where a block runs; else None.
        hidden: (1, D), what items are scored by.

    Args:
        model: see `ServedModel.start`.
        history: raw ids, oldest first; unknown ones are skipped, and counted
            in a warning.
        answers: what answers: a `FrozenModel`, by default the model as it is
            at each call.

    Raises:
        ValueError: as `ServedModel.start`.
    """

    def __init__(self, model, history, answers=None):
        model.check_incremental()
        self._model = model
        self._answers = answers or _Live(model)
        _, self._vocabulary = raw_ids.vocabularies(model)
        (self.item_ids,) = raw_ids.encode([history], self._vocabulary)
        length = self._vocabulary.history_length
        row = [self._vocabulary.padding_id] * length + self.item_ids
        row = np.array([row[-length:]], "int32")
        self.keep = None
        if hasattr(model, "keep"):
            self.keep = ops.convert_to_numpy(self._answers.keep(row))
        self._state = None
        self._encode(row)

    def append(self, item):
        """Adds the item that the user took last.

        Args:
            item: a raw id; an unknown one is skipped, with a warning.

        Raises:
            ValueError: neither an int nor a str.
        """
        (item_ids,) = raw_ids.encode([[item]], self._vocabulary)
        if item_ids:
            self._encode(np.array([item_ids], "int32"))
            self.item_ids += item_ids

    def top(self, k=10, exclude_seen=True):
        """The items likeliest to follow, as `ServedModel.recommend` answers.

        Args:
            k: how many items.
            exclude_seen: leave out every item of the history, those before
                the start included.

        Returns:
            At most k raw ids, likeliest first; the most popular ones while
            there is no known item.

        Raises:
            ValueError: k below 1.
            FloatingPointError: scores that are NaN or infinite.
        """
        find = self._answers.finder(
            self._model, k, exclude_seen, kind=recommending.TopOfHidden
        )
        found = find.predict_on_batch(
            {
                "item_ids": raw_ids.padded([self.item_ids], self._vocabulary),
                "hidden": self.hidden,
            }
        )
        vocabulary, _ = raw_ids.vocabularies(self._model)
        (answer,) = raw_ids.decode(found, 1, vocabulary)
        return answer

    def _encode(self, item_ids):
        """Goes on with (1, T) items."""
        given = {"state": self._state, "keep": self.keep}
        given = {n: value for n, value in given.items() if value is not None}
        found = self._answers.encode({"item_ids": item_ids, **given})
        self.hidden = ops.convert_to_numpy(found["hidden"])
        self._state = found["state"]


class Encoder(keras.Model):
    """`encode_more`, as a model that Keras compiles: for a row, and a click.

    Given {"item_ids": (1, T)} and, of what went before, "state", and of a
    SkipRec "keep", it returns {"hidden": (1, D), "state": (1, S, D)}. XLA
    compiles it wherever it can, on CPUs, too, where Keras would not: a
    click is hundreds of tiny operations, and calling them one by one would
    take longer than their arithmetic.
    """

    def __init__(self, recommender):
        # The state is cast to the type of this model, as inputs are.
        super().__init__(name="encoder", dtype=recommender.dtype_policy)
        self.recommender = recommender
        self.jit_compile = recommender.supports_jit
        self.built = True

    def call(self, inputs):
        hidden, state = self.recommender.encode_more(
            inputs["item_ids"], inputs.get("state"), inputs.get("keep")
        )
        return {"hidden": hidden[:, -1], "state": state}


class AfterClicks(keras.Model):
    """A model that answers as `Session`s do, for their evaluation.

    Of each row it begins a session without the last items, of which there may
    be fewer, and appends them: the items have up to `clicks` more paddings
    before them, and a SkipRec has decided before the clicks. What a session
    would know from before the row is not in the row, and not seen.

    Args:
        model: see `ServedModel.start`.
        clicks: how many items are appended.

    Call arguments:
        item_ids: (B, T) int, latest item at position -1, padded on the left.

    Returns:
        (B, N) logits.

    Raises:
        ValueError: as `ServedModel.start`; clicks below 1.
    """

    needs_users = False

    def __init__(self, model, clicks):
        model.check_incremental()
        if clicks < 1:
            raise ValueError(
                f"`clicks` must be at least 1. Received: clicks={clicks}"
            )
        super().__init__(name="after_clicks", dtype=model.dtype_policy)
        self.recommender = model
        self.clicks = clicks
        self.built = True

    def call(self, item_ids):
        padding = self.recommender.padding_id
        is_item = ops.not_equal(item_ids, padding)
        num_items = ops.sum(ops.cast(is_item, "int32"), axis=1)  # (B,)
        # A session of a shorter history is a shorter row, too: moved to the
        # left, where causal convolutions do not see what is behind it.
        missing = ops.maximum(self.clicks - num_items, 0)
        before = ((0, 0), (self.clicks, 0))
        grown = ops.pad(item_ids, before, constant_values=padding)
        length = grown.shape[1]
        places = ops.arange(length, dtype="int32") + missing[:, None]
        grown = ops.take_along_axis(grown, places % length, axis=1)
        arguments = {}
        if hasattr(self.recommender, "keep"):
            at_start = grown[:, : -self.clicks]
            arguments["keep"] = self.recommender.keep(at_start)
        hidden = self.recommender.encode(grown, **arguments)
        last = (length - 1 - missing)[:, None, None]
        hidden = ops.take_along_axis(hidden, last, axis=1)[:, 0]
        return self.recommender.item_softmax(hidden)


class _Live:
    """Answers of a model with the weights that it has at each call."""

    finder = staticmethod(recommending.finder)

    def __init__(self, model):
        self.keep = getattr(model, "keep", None)
        if "_encode_of_sessions" not in model.__dict__:
            # Kept with the model for the next session. Past Keras, which
            # would take it for a layer of the model, and not itself, which
            # Keras would save with the model.
            encode = Encoder(model).predict_on_batch
            object.__setattr__(model, "_encode_of_sessions", encode)
        self.encode = model.__dict__["_encode_of_sessions"]
