"""What every layer and model must have, callable with any of them.

No TensorFlow here: the same properties hold under other Keras backends.
"""

import csv
import json
import pathlib

import keras
import numpy as np

import nextitnet_tf
from nextitnet_tf.stacking import SWITCHES


def check_layer(layer, *inputs):
    """A layer keeps its configuration and says what shape it returns."""
    outputs = layer(*inputs)
    shape = layer.compute_output_shape(*(x.shape for x in inputs))
    assert tuple(shape) == tuple(outputs.shape)
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    )
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()
    copy(*inputs)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(*inputs), outputs)


# A softmax does not see what is added to all its scores.
WITHOUT_GRADIENT = ("attention/key/bias",)


def check_model(model, tmp_path):
    """Everything below, for a model with blocks."""
    scramble(model)
    check_shapes(model)
    check_configuration(model)
    check_saving(model, tmp_path)
    check_causality(model)
    check_batch_independence(model)
    check_every_weight_learns(model)
    check_parts(model)


def check_parts(model):
    """Stacking knows every weight: what no part names would start anew."""
    if not model.blocks:
        return
    parts = [model.parts(), *(block.parts() for block in model.blocks)]
    assert {name for of_one in parts for name in of_one} <= set(SWITCHES)
    named = {
        id(variable)
        for of_one in parts
        for layers in of_one.values()
        for layer in layers
        for variable in layer.trainable_variables
    }
    assert named == {id(variable) for variable in model.trainable_variables}


def scramble(model, seed=0):
    """Random values of a sensible size everywhere, alphas included."""
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(scale=0.5, size=variable.shape))


def histories_for(model, num_rows=4, length=9, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(
        0, model.num_items + 1, (num_rows, length), dtype="int32"
    )


def check_shapes(model):
    for num_rows, length in ((3, 7), (1, 1), (2, 12)):
        item_ids = histories_for(model, num_rows, length)
        logits = model(item_ids)
        assert tuple(logits.shape) == (num_rows, model.num_items + 1)
        assert keras.backend.standardize_dtype(logits.dtype) == "float32"
        hidden = model.encode(item_ids)
        assert tuple(hidden.shape) == (num_rows, length, model.embedding_dim)


def check_configuration(model):
    """A model of the same configuration is built and has the same weights."""
    config = json.loads(json.dumps(model.get_config()))
    copy = type(model).from_config(config)
    assert copy.built
    assert copy.get_config() == model.get_config()
    copy.set_weights(model.get_weights())
    item_ids = histories_for(model)
    np.testing.assert_array_equal(copy(item_ids), model(item_ids))


def check_saving(model, tmp_path):
    path = pathlib.Path(tmp_path) / "model.keras"
    model.save(path)
    copy = keras.saving.load_model(path)
    assert type(copy) is type(model)
    assert copy.get_config() == model.get_config()
    for old, new in zip(model.weights, copy.weights, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(new), keras.ops.convert_to_numpy(old)
        )
    item_ids = histories_for(model)
    np.testing.assert_array_equal(copy(item_ids), model(item_ids))


def check_causality(model):
    """Position k of the hidden states knows items up to k, and knows k."""
    item_ids = histories_for(model)
    hidden = np.array(model.encode(item_ids))
    for k in range(item_ids.shape[1]):
        changed = item_ids.copy()
        changed[:, k] = (changed[:, k] + 1) % (model.num_items + 1)
        after = np.array(model.encode(changed))
        np.testing.assert_allclose(
            after[:, :k], hidden[:, :k], rtol=1e-5, atol=1e-5
        )
        assert not np.isclose(after[:, k], hidden[:, k]).all(axis=-1).any()
    # What predicts the next item is the last position.
    cut = np.array(model(item_ids[:, :-1]))
    changed = item_ids.copy()
    changed[:, -1] = (changed[:, -1] + 1) % (model.num_items + 1)
    assert not np.allclose(model(changed), model(item_ids))
    np.testing.assert_array_equal(model(changed[:, :-1]), cut)


def check_batch_independence(model):
    item_ids = histories_for(model)
    together = np.array(model(item_ids))
    for row, expected in zip(item_ids, together, strict=True):
        np.testing.assert_allclose(
            np.array(model(row[None]))[0], expected, rtol=1e-4, atol=1e-5
        )


class Watched(keras.layers.Dropout):
    """A dropout that remembers whether it was told to train."""

    def __init__(self):
        super().__init__(0.5)
        self.told = []

    def call(self, inputs, training=False):
        self.told.append(bool(training))
        return super().call(inputs, training=training)


def batch_for(model, num_rows=16, seed=0):
    """Histories and the items that follow, of a shape `fit` takes."""
    rows = histories_for(model, num_rows=num_rows, seed=seed)
    return rows[:, :-1], rows[:, 1:]


def check_dropout(model, monkeypatch):
    """Dropout is active in the loss in training and nowhere else.

    A model with blocks gets one inside each block; another one must have
    dropout of its own.
    """
    scramble(model)
    watched = []
    for block in model.blocks:
        dropout = Watched()
        call = block.call

        def with_dropout(x, *args, call=call, dropout=dropout, **kwargs):
            return call(dropout(x), *args, **kwargs)

        monkeypatch.setattr(block, "call", with_dropout)
        watched.append(dropout)

    def was_told():
        """What every block's dropout was told since this was asked last."""
        told = [dropout.told.copy() for dropout in watched]
        for dropout in watched:
            dropout.told.clear()
        return told

    inputs, targets = batch_for(model)
    model.compile(run_eagerly=True)
    numbers = keras.ops.convert_to_numpy
    still = numbers(model.encode(inputs))
    np.testing.assert_array_equal(numbers(model.encode(inputs)), still)
    model(inputs)
    model.compute_loss(inputs, targets, training=False)
    model.predict_on_batch(inputs)
    model.evaluate(inputs, targets, verbose=0)
    for told in was_told():
        assert told and not any(told)
    dropped = [numbers(model.encode(inputs, training=True)) for _ in range(2)]
    assert not np.allclose(dropped[0], still)
    assert not np.allclose(dropped[0], dropped[1])
    was_told()
    model.compute_loss(inputs, targets, training=True)
    for told in was_told():
        assert told and all(told)


def check_evaluation_is_inference(model):
    """`evaluate` with the targets of `fit` repeats itself, changes nothing."""
    scramble(model)
    inputs, targets = batch_for(model)
    # Sampled negatives are for training, too.
    model.compile(num_sampled=3, run_eagerly=True)
    before = [keras.ops.convert_to_numpy(v) for v in model.variables]
    losses = {
        float(model.evaluate(inputs, targets, batch_size=8, verbose=0))
        for _ in range(3)
    }
    losses.add(float(model.test_on_batch(inputs[:8], targets[:8])))
    losses.add(float(model.test_on_batch(inputs[:8], targets[:8])))
    assert len(losses) == 2 and np.isfinite(list(losses)).all()
    for variable, old in zip(model.variables, before, strict=True):
        new = keras.ops.convert_to_numpy(variable)
        np.testing.assert_array_equal(new, old, err_msg=variable.path)


def check_every_weight_learns(model):
    """One step of plain gradient descent moves every variable."""
    scramble(model)
    before = [keras.ops.convert_to_numpy(v) for v in model.trainable_variables]
    rows = histories_for(model, num_rows=16)
    model.compile(optimizer=keras.optimizers.SGD(0.1), run_eagerly=True)
    loss = model.train_on_batch(rows[:, :-1], rows[:, 1:])
    assert np.isfinite(loss)
    for variable, old in zip(model.trainable_variables, before, strict=True):
        new = keras.ops.convert_to_numpy(variable)
        assert np.isfinite(new).all(), variable.path
        if variable.path.endswith(WITHOUT_GRADIENT):
            continue
        assert not np.array_equal(new, old), variable.path


def check_appended_blocks(model):
    """Blocks whose alpha is 0, on top of a trained model, change nothing."""
    scramble(model)
    num_blocks = len(model.blocks)
    deep = nextitnet_tf.Stacker("random", "paper").stack(model, num_blocks + 1)
    assert len(deep.blocks) == num_blocks + 1
    item_ids = histories_for(model)
    np.testing.assert_array_equal(deep.encode(item_ids), model.encode(item_ids))
    # They may compute other positions for the last one, in another order.
    np.testing.assert_allclose(
        deep(item_ids), model(item_ids), rtol=1e-5, atol=1e-5
    )


def check_mixed_precision(model, compute_dtype):
    """Computes in half precision; weights, logits and loss stay float32."""
    scramble(model)
    hidden = model.encode(histories_for(model))
    assert keras.backend.standardize_dtype(hidden.dtype) == compute_dtype
    for variable in model.weights:
        if "seed" not in variable.path:
            name = keras.backend.standardize_dtype(variable.dtype)
            assert name == "float32", variable.path
    check_shapes(model)  # float32 logits
    full = type(model).from_config({**model.get_config(), "dtype": "float32"})
    full.set_weights(model.get_weights())
    item_ids = histories_for(model)
    found, expected = np.array(model(item_ids)), np.array(full(item_ids))
    assert np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
    check_every_weight_learns(model)


def write_sessions(
    folder, rows, *, users=None, raw_ids=None, counts=None, meta=None
):
    """A folder of prepared sessions, written without `preparation`.

    It has no checksums, so that a test may change a file of it.

    Args:
        folder: made here.
        rows: (num_rows, t) item ids, 0 for padding.
        users: (num_rows,), by default a user a row.
        raw_ids: of items 1, 2, ...; by default 101, 102, ...
        counts: of items 1, 2, ...; by default counted.
        meta: added to meta.json.

    Returns:
        The folder.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    rows = np.asarray(rows, "<i4")
    num_items = len(raw_ids) if raw_ids is not None else int(rows.max())
    if raw_ids is None:
        raw_ids = [100 + i for i in range(1, num_items + 1)]
    if counts is None:
        counts = [int((rows == i).sum()) for i in range(1, num_items + 1)]
    if users is None:
        users = np.arange(len(rows))
    np.save(folder / "sessions-00000.npy", rows)
    np.save(folder / "users.npy", np.asarray(users, "<i4"))
    with open(folder / "items.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "raw_id", "count"])
        for i in range(num_items):
            writer.writerow([i + 1, raw_ids[i], counts[i]])
    is_integer = all(isinstance(raw, int) for raw in raw_ids)
    about = {
        "format_version": 1,
        "source": "by hand",
        "t": rows.shape[1],
        "num_rows": len(rows),
        "num_users": int(np.max(users)) + 1,
        "num_items": num_items,
        "item_id_type": "int" if is_integer else "str",
        **(meta or {}),
    }
    (folder / "meta.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


def served_by_tensorflow(model, folder, histories, k, exclude_seen=True):
    """What a model that was exported into a new folder answers.

    Args:
        model: a `SequentialRecommender` with a vocabulary.
        folder: for the SavedModel.
        histories: sequences of raw ids, of any lengths.
        k: how many items.
        exclude_seen: leave out the items of the history.

    Returns:
        Raw ids, a list a history, as `recommend` has them; all outputs, of
        NumPy, by name; the names of all operations of the graph.
    """
    import tensorflow as tf

    model.export_recommender(folder)
    served = tf.saved_model.load(str(folder)).signatures["serving_default"]
    dtype = served.structured_input_signature[1]["histories"].dtype
    rows = tf.ragged.constant(
        [list(h) for h in histories], dtype, ragged_rank=1
    )
    outputs = served(
        histories=rows.to_tensor(),
        lengths=tf.cast(rows.row_lengths(), tf.int32),
        k=tf.constant(k),
        exclude_seen=tf.constant(exclude_seen),
    )
    outputs = {name: x.numpy() for name, x in outputs.items()}
    answers = [
        [raw.decode() if dtype == tf.string else raw for raw in row[:num_found]]
        for row, num_found in zip(
            outputs["raw_ids"].tolist(), outputs["num_found"], strict=True
        )
    ]
    graph = served.graph.as_graph_def()
    kinds = {node.op for f in graph.library.function for node in f.node_def}
    return answers, outputs, kinds | {node.op for node in graph.node}
