"""A model written for processes that have not this package.

Both forms go through `recommending.top_items`, so that they answer as
`recommend` does, ties included. `k` and `exclude_seen` are inputs.
"""

import contextlib
import importlib
import os
import secrets
import shutil
from pathlib import Path

import keras
import numpy as np
from keras import ops

from nextitnet_tf.models import raw_ids
from nextitnet_tf.models import recommending

ONNX_FILE = "model.onnx"
# Beside it, where histories are of other items: their vocabulary.
HISTORIES_FOLDER = "histories"


class TopItemsAsAsked(keras.Model):
    """`top_items` whose every choice is an input.

    Args:
        recommender: a `SequentialRecommender` with a vocabulary.

    Call arguments:
        item_ids: (B, S) int32, see `top_items`.
        k: () int32, 1 to `num_items`.
        exclude_seen: () or (B, 1) bool.

    Returns:
        {"item_ids": (B, k) int32, "scores": (B, k) float32}.
    """

    def __init__(self, recommender):
        super().__init__(name="top_items_as_asked")
        self.recommender = recommender
        self.built = True

    def call(self, item_ids, k, exclude_seen):
        return recommending.top_items(
            self.recommender, item_ids, k, exclude_seen
        )


def export(model, filepath, format):
    """Writes a folder in one of `FORMATS`: `ServedModel.export_recommender`."""
    if format not in FORMATS:
        raise ValueError(
            f"`format` must be one of {', '.join(FORMATS)}. "
            f"Received: format={format!r}"
        )
    raw_ids.vocabularies(model)
    with _new_folder(Path(filepath)) as partial:
        FORMATS[format](model, partial)


def export_saved_model(model, folder):
    """Writes a SavedModel with raw ids in and out.

    Its signature `serving_default` takes

    - histories: (B, S) string or int64, as raw ids are: a history a row, its
      oldest item first, at the left; what stands behind its end is not read;
    - lengths: (B,) int32, how many items each history has;
    - k: () int32, 1 to `num_items`;
    - exclude_seen: () bool;

    of which TensorFlow Serving takes 10 (or all items) and True where a
    request does not say, and returns

    - raw_ids: (B, k) likeliest first; of those that are missing "" or 0;
    - scores: (B, k) float32, -inf where an item is missing;
    - num_found: (B,) int32, how many are not missing;
    - num_unknown: (B,) int32, items of each history that the model does not
      know, and does not see;
    - is_popular: (B,) bool, where no item was known: the most popular items,
      whose scores are how often they occur.

    It ends in an InvalidArgumentError that says what was expected where `k`
    or `lengths` are out of range, and where scores are not finite.

    Args:
        model: a `SequentialRecommender` with a vocabulary.
        folder: an empty folder.

    Raises:
        ValueError: another Keras backend than TensorFlow; raw ids of more
            than 64 bits.
    """
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Expected Keras' TensorFlow backend, to write a SavedModel. "
            f"Received: KERAS_BACKEND={keras.backend.backend()}"
        )
    import tensorflow as tf

    vocabulary, of_histories = raw_ids.vocabularies(model)
    module = tf.Module()
    module.table = _lookup_table(of_histories)
    module.names = tf.constant(_as_array(vocabulary))
    module.weights = [variable.value for variable in model.variables]
    module.serve = tf.function(
        _answering(model, module.table, module.names),
        input_signature=[
            tf.TensorSpec((None, None), module.table.key_dtype, "histories"),
            tf.TensorSpec((None,), tf.int32, "lengths"),
            tf.TensorSpec((), tf.int32, "k"),
            tf.TensorSpec((), tf.bool, "exclude_seen"),
        ],
    )
    tf.saved_model.save(
        module, str(folder), signatures={"serving_default": module.serve}
    )


def _answering(model, table, names):
    """The function that is served: see `export_saved_model`."""
    import tensorflow as tf

    vocabulary, of_histories = raw_ids.vocabularies(model)
    find = TopItemsAsAsked(model)
    default_k = tf.constant(min(10, vocabulary.num_items))
    yes = tf.constant(True)

    def answer(histories, lengths, k=default_k, exclude_seen=yes):
        width = tf.shape(histories)[1]
        checks = _checks(histories, lengths, k, vocabulary.num_items)
        with tf.control_dependencies(checks):
            k = tf.identity(k)
        is_given = tf.range(width)[None] < lengths[:, None]  # (B, S)
        found = table.lookup(histories)
        if table.key_dtype == tf.string:  # as `Vocabulary.encode` does
            stripped = table.lookup(
                tf.strings.regex_replace(histories, _ENDS, "")
            )
            found = tf.where(found >= 0, found, stripped)
        is_known = is_given & (found >= 0)
        # A stable sort puts what is known to the right, in order.
        places = tf.argsort(tf.cast(is_known, tf.int32), axis=1, stable=True)
        item_ids = tf.where(is_known, found, of_histories.padding_id)
        item_ids = tf.gather(item_ids, places, batch_dims=1)
        top = find(item_ids, k, exclude_seen)
        scores = top["scores"]
        is_number = ~tf.reduce_any(tf.math.is_nan(scores))
        what = "a model whose scores are finite. Received: scores ="
        with tf.control_dependencies([_expect(is_number, what, scores)]):
            scores = tf.identity(scores)
        return {
            "raw_ids": tf.gather(names, top["item_ids"]),
            "scores": scores,
            "num_found": _count(scores > -np.inf),
            "num_unknown": _count(is_given & ~is_known),
            "is_popular": ~tf.reduce_any(is_known, axis=1),
        }

    return answer


def _checks(histories, lengths, k, num_items):
    """What must hold of what is asked."""
    import tensorflow as tf

    num_rows, width = tf.unstack(tf.shape(histories))
    return [
        _expect(
            (k >= 1) & (k <= num_items),
            f"`k` of 1 to {num_items}. Received: k =",
            k,
        ),
        _expect(
            tf.shape(lengths)[0] == num_rows,
            "a length for each history. Received: lengths =",
            lengths,
        ),
        _expect(
            tf.reduce_all((lengths >= 0) & (lengths <= width)),
            "`lengths` of 0 to the width of `histories`. Received: lengths =",
            lengths,
        ),
    ]


def export_onnx(model, folder):
    """Writes model.onnx, and beside it which raw id each item id is.

    It takes histories (B, S) int32, item ids that are padded on the left with
    the padding id; k () int32, 1 to `num_items`; exclude_seen () bool; and
    returns item_ids (B, k) int32 and scores (B, k) float32, as
    `recommending.top_items` does.

    Args:
        model: a `SequentialRecommender` with a vocabulary.
        folder: an empty folder.

    Raises:
        ValueError: packages are missing.
    """
    try:
        importlib.import_module("tf2onnx")
    except ImportError as error:
        raise ValueError(
            "Expected the packages of the extra `onnx`: pip install "
            f"'nextitnet_tf[onnx]'. Received: {error}"
        ) from error
    vocabulary, of_histories = raw_ids.vocabularies(model)
    find = TopItemsAsAsked(model)
    signature = [
        # Inputs and outputs have one space of names.
        keras.InputSpec(dtype="int32", shape=(None, None), name="histories"),
        keras.InputSpec(dtype="int32", shape=(), name="k"),
        keras.InputSpec(dtype="bool", shape=(), name="exclude_seen"),
    ]
    find.export(
        str(folder / ONNX_FILE),
        format="onnx",
        verbose=False,
        input_signature=signature,
    )
    vocabulary.save(folder)
    if of_histories is not vocabulary:
        (folder / HISTORIES_FOLDER).mkdir()
        of_histories.save(folder / HISTORIES_FOLDER)


# What `str.strip` cuts off: RE2 has no class of it.
_SPACE = "".join(c for c in map(chr, range(0x3001)) if c.isspace())
_ENDS = f"^[{_SPACE}]+|[{_SPACE}]+$"
FORMATS = {"saved_model": export_saved_model, "onnx": export_onnx}


def _lookup_table(vocabulary):
    """Model ids of raw ids; -1 of one that is unknown."""
    import tensorflow as tf

    names = _as_array(vocabulary)
    is_item = np.ones(len(names), "bool")
    is_item[vocabulary.not_items] = False
    initializer = tf.lookup.KeyValueTensorInitializer(
        tf.constant(names[is_item]),
        tf.constant(np.flatnonzero(is_item), "int32"),
    )
    return tf.lookup.StaticHashTable(initializer, default_value=-1)


def _as_array(vocabulary):
    """(N,) raw ids as TensorFlow has them; of no item "" or 0."""
    names = vocabulary.raw_ids
    if any(isinstance(raw, str) for raw in names):
        return np.array([(raw or "").encode() for raw in names], "object")
    try:
        return np.array([raw or 0 for raw in names], "int64")
    except OverflowError:
        largest = max((raw for raw in names if raw is not None), key=abs)
        raise ValueError(
            "Expected raw ids of 64 bits at most, as TensorFlow has them. "
            f"Received: {largest}"
        ) from None


def _expect(is_right, what, received):
    import tensorflow as tf

    return tf.debugging.Assert(is_right, [f"Expected {what}", received])


def _count(is_counted):
    """(B,) how many of each row."""
    return ops.sum(ops.cast(is_counted, "int32"), axis=1)


@contextlib.contextmanager
def _new_folder(folder):
    """A folder that is there at the end of the block, whole, or never."""
    if os.path.lexists(folder):
        raise FileExistsError(
            "Expected a folder that is not there yet. Received: "
            f"{str(folder)!r}"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(f".{folder.name}.{secrets.token_hex(6)}.part")
    partial.mkdir()
    try:
        yield partial
        os.rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
