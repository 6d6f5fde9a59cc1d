"""What holds of every model: training, evaluation, weights, Keras' methods."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import nextitnet_tf
from nextitnet_tf.models import MODELS as CLASSES
from nextitnet_tf.models.sasrec import BLOCKS
from tests import checks

N, T = 20, 9
SMALL = {"num_items": N, "embedding_dim": 8}
DEEP = {**SMALL, "num_blocks": 2}
MODELS = {
    "nextitnet": lambda **kwargs: nextitnet_tf.NextItNet(**DEEP, **kwargs),
    "nextitnet tied": lambda **kwargs: nextitnet_tf.NextItNet(
        **DEEP, tie_output=True, **kwargs
    ),
    "grec": lambda **kwargs: nextitnet_tf.GRec(**DEEP, **kwargs),
    "grec original": lambda **kwargs: nextitnet_tf.GRec(
        **DEEP, variant="original", **kwargs
    ),
    "sasrec": lambda **kwargs: nextitnet_tf.SASRec(
        **DEEP, max_length=12, dropout_rate=0.5, **kwargs
    ),
    "sasrec original": lambda **kwargs: nextitnet_tf.SASRec(
        **DEEP, max_length=12, variant="original", **kwargs
    ),
    **{
        f"sasrec {block}": functools.partial(
            nextitnet_tf.SASRec, **DEEP, max_length=12, block=block
        )
        for block in BLOCKS
        if block != "transformer"
    },
    "ssept": lambda **kwargs: nextitnet_tf.SSEPT(
        **DEEP, num_users=5, max_length=12, **kwargs
    ),
    "gru4rec": lambda **kwargs: nextitnet_tf.GRU4Rec(
        **SMALL, dropout_rate=0.5, **kwargs
    ),
    "caser": lambda **kwargs: nextitnet_tf.Caser(
        **SMALL, window=7, num_horizontal=3, **kwargs
    ),
    "nfm": lambda **kwargs: nextitnet_tf.NFM(**SMALL, **kwargs),
}
every_model = pytest.mark.parametrize("name", MODELS)


def test_no_model_is_forgotten():
    counted = {"most_pop", "markov", "item_knn", "ease"}
    assert {name.split()[0] for name in MODELS} | counted == set(CLASSES)


@every_model
def test_dropout_is_active_in_training_and_silent_outside(name, monkeypatch):
    checks.check_dropout(MODELS[name](), monkeypatch)


@pytest.mark.parametrize("name", ["nextitnet", "grec", "gru4rec"])
def test_an_output_that_is_the_item_embedding(name):
    model = MODELS[name](tie_output=True)
    checks.scramble(model)
    item_ids = checks.histories_for(model)
    last = np.array(model.encode(item_ids))[:, -1]
    table = model.item_embedding.get_weights()[0]
    np.testing.assert_allclose(
        np.array(model(item_ids)), last @ table.T, rtol=1e-4, atol=1e-5
    )
    assert model.get_config()["tie_output"] is True
    # The table and the bias of an output of its own are not there.
    own = MODELS[name]()
    assert own.count_params() - model.count_params() == (N + 1) * 8 + N + 1


@every_model
def test_evaluation_is_inference(name):
    checks.check_evaluation_is_inference(MODELS[name]())


@pytest.mark.parametrize("head", ["softmax", "dot_product"])
def test_evaluation_of_a_fine_tuned_model(head):
    source = MODELS["sasrec"]()
    model = nextitnet_tf.FineTuned(source, 6, head=head)
    checks.scramble(model)
    inputs = checks.histories_for(source, num_rows=8)
    targets = (np.arange(8)[:, None] % 6) + 1
    model.compile(jit_compile=False)
    losses = [model.test_on_batch(inputs, targets) for _ in range(2)]
    assert losses[0] == losses[1]
    logits = np.float64(model(inputs))
    of_target = np.take_along_axis(logits, targets, axis=1)[:, 0]
    if head == "softmax":
        expected = np.log(np.exp(logits).sum(axis=1)) - of_target
    else:
        others = np.log1p(np.exp(logits[:, 1:])).sum(axis=1)
        others -= np.log1p(np.exp(of_target))
        expected = np.log1p(np.exp(-of_target)) + others / 5
    assert float(losses[0]) == pytest.approx(expected.mean(), rel=1e-5)


def log_losses(model, inputs, targets):
    """(B, T) cross-entropies of every position."""
    hidden = np.float64(model.encode(inputs))
    logits = np.float64(model.item_softmax(hidden.astype("float32")))
    chosen = np.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return np.log(np.exp(logits).sum(axis=-1)) - chosen


@every_model
def test_the_loss_of_an_evaluation_is_that_of_all_positions(name):
    """Or, where a position sees what it is to predict, of the last one."""
    model = MODELS[name]()
    checks.scramble(model)
    model.compile()
    inputs, targets = checks.batch_for(model, num_rows=4)
    targets = np.maximum(targets, 1)
    if name == "grec original":
        with_mask = np.pad(inputs, ((0, 0), (0, 1)))
        hides = np.pad(targets, ((0, 0), (1, 0)))
        expected = log_losses(model, with_mask, hides)[:, -1].mean()
    else:
        expected = log_losses(model, inputs, targets).mean()
    found = model.compute_loss(inputs, targets, training=False)
    assert float(found) == pytest.approx(expected, rel=1e-4)


# --- weights --------------------------------------------------------------


def test_weights_of_rows_by_hand():
    """Each spreads over the targets of its row that are not padding."""
    model = MODELS["nextitnet"](padding_id=3)
    checks.scramble(model)
    model.compile()
    inputs, targets = checks.batch_for(model, num_rows=3)
    targets[0, :5] = 3
    targets[1, 2] = 0
    of_target = log_losses(model, inputs, targets)
    is_item = targets != 3
    assert 0 < is_item[0].sum() < 8
    for weights in (None, [1, 1, 1], [2, 2, 2], [1, 0, 3], [0, 0, 1]):
        each = np.ones(3) if weights is None else np.array(weights)
        counts = is_item * each[:, None]
        expected = (of_target * counts).sum() / counts.sum()
        given = None if weights is None else np.array(weights, "float32")
        for training in (True, False):
            found = model.compute_loss(
                inputs, targets, None, given, training=training
            )
            assert float(found) == pytest.approx(expected, rel=1e-5)
    nothing = model.compute_loss(inputs, targets, None, np.zeros(3, "float32"))
    assert float(nothing) == 0


@pytest.mark.parametrize("name", ["nextitnet", "gru4rec"])
def test_a_weight_trains_its_row_and_no_other(name):
    """Rows without a common item: what moves in the table is theirs."""
    rows = np.arange(1, 19)[:, None].repeat(T + 1, 1)
    model = MODELS[name]()
    checks.scramble(model)
    only = np.zeros(18)
    only[10] = 1
    table = model.item_embedding.get_weights()[0]
    model.compile(keras.optimizers.SGD(1.0), run_eagerly=True)
    model.fit(
        rows[:, :-1],
        rows[:, 1:],
        sample_weight=only,
        batch_size=18,
        shuffle=False,
        verbose=0,
    )
    moved = np.abs(model.item_embedding.get_weights()[0] - table).max(axis=-1)
    assert np.flatnonzero(moved).tolist() == [11]


@pytest.mark.parametrize("name", ["nextitnet", "grec", "ssept"])
@pytest.mark.parametrize("shape", [(16, 1), (16, 4), (4,), (16, 8, 1)])
def test_weights_of_another_shape_are_refused(name, shape):
    model = MODELS[name]()
    model.compile(run_eagerly=True)
    inputs, targets = checks.batch_for(model)
    with pytest.raises(ValueError, match="Received: sample_weight of shape"):
        model.compute_loss(inputs, targets, None, np.ones(shape, "float32"))


def test_weights_of_an_evaluation_of_last_items():
    model = MODELS["nextitnet"]()
    model.compile(run_eagerly=True)
    inputs, targets = checks.batch_for(model)
    with pytest.raises(ValueError, match=r"sample_weight of shape \(16, 8\)"):
        model.test_on_batch(inputs, targets[:, -1], np.ones((16, 8)))


def test_unknown_lengths_of_weights():
    model = MODELS["nextitnet"]()
    inputs, targets = checks.batch_for(model)
    targets = np.maximum(targets, 1)

    def dataset(weights, shape):
        batch = (inputs, targets, weights)
        specs = (
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec(shape, tf.float32),
        )
        return tf.data.Dataset.from_generator(
            lambda: iter([batch]), output_signature=specs
        )

    model.compile()
    expected = float(model.compute_loss(inputs, targets, training=False))
    for weights, shape in (
        (np.ones(16, "float32"), (None,)),
        (np.full((16, 8), 1 / 128, "float32"), (None, None)),
    ):
        model.compile(jit_compile=False)  # forgets the other rank
        found = model.evaluate(dataset(weights, shape), verbose=0)
        assert found == pytest.approx(expected, rel=1e-5)
    model.compile(jit_compile=False)
    with pytest.raises(ValueError, match="sample_weight"):
        model.evaluate(
            dataset(np.ones((16, 1), "float32"), (None, 1)), verbose=0
        )


def test_weights_of_classes_and_losses_are_refused():
    model = MODELS["gru4rec"]()
    inputs, targets = checks.batch_for(model)
    for name in ("loss", "loss_weights"):
        with pytest.raises(ValueError, match=f"Received: {name}="):
            model.compile(**{name: "mse"})
    model.compile(run_eagerly=True)
    for call in (
        lambda: model.fit(inputs, targets, class_weight={1: 2.0}),
        lambda: model.train_on_batch(inputs, targets, None, {1: 2.0}),
    ):
        with pytest.raises(ValueError, match="Received: class_weight="):
            call()


def test_a_target_for_each_position():
    model = MODELS["nextitnet"]()
    model.compile()
    inputs, targets = checks.batch_for(model)
    with pytest.raises(ValueError, match="Received: 7 targets a row"):
        model.compute_loss(inputs, targets[:, :7])


# --- padding --------------------------------------------------------------


@pytest.mark.parametrize("name", ["nextitnet", "gru4rec", "grec original"])
def test_targets_that_are_padding_do_not_count(name):
    """Whatever id padding has."""
    model = MODELS[name](padding_id=4)
    model.compile()
    inputs, targets = checks.batch_for(model, num_rows=3)
    targets[targets == 4] = 5
    inputs[0], targets[0] = 4, 4
    found = model.compute_loss(inputs, targets, training=False)
    rest = model.compute_loss(inputs[1:], targets[1:], training=False)
    assert float(found) == pytest.approx(float(rest), rel=1e-5)
    nothing = model.compute_loss(inputs[:1], targets[:1], training=False)
    assert float(nothing) == 0


@pytest.mark.parametrize("name", ["nfm", "sasrec original"])
def test_models_that_mask_padding_mask_their_own(name):
    """Renumbered, 0 and 4 changing places, a model answers the same."""
    model, renumbered = MODELS[name](), MODELS[name](padding_id=4)
    checks.scramble(model)
    renumbered.set_weights(model.get_weights())
    places = np.arange(N + 1)
    places[[0, 4]] = 4, 0
    for layer in (
        renumbered.item_embedding,
        getattr(renumbered, "linear_embedding", None),
    ):
        if layer:
            layer.set_weights([layer.get_weights()[0][places]])
    item_ids = np.array([[0, 0, 0, 4, 7, 2], [0, 0, 9, 0, 4, 1]])
    np.testing.assert_array_equal(
        renumbered.encode(places[item_ids]), model.encode(item_ids)
    )
    assert not np.allclose(
        renumbered.encode(item_ids), renumbered.encode(places[item_ids])
    )


def test_ssept_replaces_neither_padding_nor_with_it():
    model = MODELS["ssept"](
        padding_id=4, user_replacement=1.0, item_replacement=1.0
    )
    inputs = np.random.default_rng(0).integers(0, N + 1, (200, T))
    is_padding = inputs == 4
    seen = []
    encode = model.encode
    model.encode = lambda inputs, training: (
        seen.append(inputs) or encode(inputs, training)
    )
    model.encode_for_loss(inputs, inputs, np.ones((200, T)), training=True)
    found = np.array(seen[0])
    np.testing.assert_array_equal(found == 4, is_padding)
    # All other columns are drawn: 20 of 1,500 or so.
    drawn = found[:, 1:][~is_padding[:, 1:]]
    assert set(drawn) == set(range(N + 1)) - {4}
    rows = inputs.astype("int32").copy()
    model.overwrite(rows, np.zeros(200, "int32"), np.random.default_rng(0))
    assert (rows[is_padding] == 4).all()
    assert (rows[:, 1:-1] != inputs[:, 1:-1]).any()


class Protocol:
    """Fields that a model may ask for; it has no name to be asked."""

    identical_kernels = True
    overwrites_rows = True


@pytest.mark.parametrize("name", CLASSES)
def test_a_recipe_decides_what_a_model_does_not_know(name):
    config = CLASSES[name].config_for(
        num_blocks=3,
        history_length=7,
        num_users=5,
        padding_id=2,
        protocol=Protocol(),
    )
    model = CLASSES[name](num_items=9, **config)
    assert model.padding_id == 2
    assert json.loads(json.dumps(model.get_config()))["padding_id"] == 2
    expected = {
        "nextitnet": {"num_blocks": 3, "kernel_seed": 1},
        "grec": {"num_blocks": 3, "kernel_seed": 1},
        "sasrec": {"num_blocks": 3, "max_length": 7},
        "ssept": {
            "num_blocks": 3,
            "max_length": 7,
            "num_users": 5,
            "overwrites_rows": True,
        },
        "caser": {"window": 7, "heights": (2, 3, 4)},
    }
    assert config == {"padding_id": 2, **expected.get(name, {})}


@pytest.mark.parametrize("padding_id", [-1, N + 1])
def test_a_padding_id_is_a_column(padding_id):
    with pytest.raises(ValueError, match=f"padding_id={padding_id}"):
        MODELS["gru4rec"](padding_id=padding_id)


# --- what Keras' models can do --------------------------------------------


@every_model
@pytest.mark.parametrize("expand_nested", [False, True])
def test_summary(name, expand_nested):
    lines = []
    MODELS[name]().summary(
        expand_nested=expand_nested,
        print_fn=lambda line, **_: lines.append(line),
    )
    assert "item_embedding" in "".join(lines)


@every_model
def test_methods_of_keras(name):
    model = MODELS[name]()
    checks.scramble(model)
    before = model.get_weights()
    assert model.compute_output_shape((None, 7)) == (None, N + 1)
    if name == "ssept":
        shape = model.compute_output_shape(((4, 7), (4,)))
        assert shape == (4, N + 1)
    model.build((None, 7))
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    copy = keras.models.clone_model(model)
    assert copy.get_config() == model.get_config()
    assert [w.shape for w in copy.get_weights()] == [w.shape for w in before]


def test_output_shapes_of_a_fine_tuned_model():
    model = nextitnet_tf.FineTuned(MODELS["sasrec"](), 6)
    assert model.compute_output_shape((4, 9)) == (4, 7)
    assert model.compute_output_shape(((4, 9), (4, 3))) == (4, 3)
    model.summary(expand_nested=True, print_fn=lambda *_, **__: None)


@every_model
def test_batches_of_unknown_length(name):
    """`padded_batch`: each as wide as its longest session."""
    generator = np.random.default_rng(0)
    sessions = [
        generator.integers(1, N + 1, generator.integers(3, 9))
        for _ in range(20)
    ]
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(sessions),
        output_signature=tf.TensorSpec((None,), tf.int32),
    )
    dataset = dataset.padded_batch(8).map(lambda r: (r[:, :-1], r[:, 1:]))
    model = MODELS[name]()
    checks.scramble(model)
    model.compile(jit_compile=False)
    if not name.startswith(("grec", "caser")):
        model.fit(dataset.take(1), verbose=0)
        return
    # These compute with the length: the same as where it is known.
    inputs, targets = next(iter(dataset))
    expected = model.compute_loss(inputs, targets, training=False)
    found = model.evaluate(dataset.take(1), verbose=0)
    assert found == pytest.approx(float(expected), rel=1e-4)
    before = model.get_weights()
    model.fit(dataset, verbose=0)
    assert any(
        not np.array_equal(new, old)
        for new, old in zip(model.get_weights(), before, strict=True)
    )
