"""The core runs on another Keras backend, with TensorFlow blocked.

`make test-jax` runs this folder in a process of its own.
"""

import inspect
import os
import sys

import pytest

if os.environ.get("KERAS_BACKEND") != "jax":
    pytest.skip(
        "needs KERAS_BACKEND=jax and a fresh process: `make test-jax`",
        allow_module_level=True,
    )
if sys.modules.get("tensorflow"):
    pytest.skip("TensorFlow is already imported", allow_module_level=True)
sys.modules["tensorflow"] = None  # any import of it now fails

import keras  # noqa: E402
import numpy as np  # noqa: E402

import nextitnet_tf  # noqa: E402

NUM_ITEMS = 11
NEXT_OF = np.r_[0, np.random.default_rng(0).permutation(NUM_ITEMS) + 1]


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


def make_model(num_blocks=2):
    return nextitnet_tf.NextItNet(
        num_items=NUM_ITEMS,
        num_blocks=num_blocks,
        embedding_dim=8,
        dilation_rates=(1, 2),
    )


def make_rows(num_rows=16, t=7):
    """Sessions in which an item decides the next one; two are short."""
    rows = np.zeros((num_rows, t), "int32")
    rows[:, 0] = np.arange(num_rows) % NUM_ITEMS + 1
    for position in range(1, t):
        rows[:, position] = NEXT_OF[rows[:, position - 1]]
    rows[0, :4] = 0
    rows[1, :2] = 0
    return rows


def with_other_weights(model):
    """Alphas start at 0 and hide the blocks: give every weight a value."""
    generator = np.random.default_rng(1)
    model.set_weights(
        [w + 0.3 * generator.normal(size=w.shape) for w in model.get_weights()]
    )
    return model


def numpy_of(tensor):
    return keras.ops.convert_to_numpy(tensor)


def test_tensorflow_is_blocked():
    assert keras.backend.backend() == "jax"
    with pytest.raises(ImportError):
        import tensorflow  # noqa: F401
    with pytest.raises(ImportError):
        _ = nextitnet_tf.training


def test_forward():
    model = with_other_weights(make_model())
    item_ids = make_rows()[:, :-1]
    logits = numpy_of(model(item_ids))
    assert logits.shape == (16, 12)
    assert np.isfinite(logits).all()
    # The last position sees all of a history, the others see none of it.
    changed = item_ids.copy()
    changed[:, -1] = NEXT_OF[changed[:, -1]]
    hidden = numpy_of(model.encode(item_ids))
    hidden_of_changed = numpy_of(model.encode(changed))
    assert hidden.shape == (16, 6, 8)
    np.testing.assert_allclose(
        hidden[:, :-1], hidden_of_changed[:, :-1], atol=1e-6
    )
    assert np.abs(hidden[:, -1] - hidden_of_changed[:, -1]).max() > 1e-2


def test_loss_is_the_mean_over_real_targets():
    model = with_other_weights(make_model())
    model.compile(optimizer="adam")
    rows = make_rows()
    inputs, targets = rows[:, :-1], rows[:, 1:]
    loss = float(model.compute_loss(x=inputs, y=targets))
    logits = numpy_of(model.item_softmax(model.encode(inputs)))
    logits = logits.astype("float64")
    minus_log = np.log(np.exp(logits).sum(-1)) - np.take_along_axis(
        logits, targets[..., None], -1
    ).squeeze(-1)
    assert loss == pytest.approx(minus_log[targets != 0].mean(), rel=1e-5)


@pytest.mark.parametrize("num_sampled", [None, 5])
def test_training_lowers_the_loss(num_sampled):
    model = make_model()
    rows = make_rows()
    model.compile(optimizer=keras.optimizers.Adam(0.02))
    before = full_loss(model, rows)
    model.compile(
        optimizer=keras.optimizers.Adam(0.02), num_sampled=num_sampled
    )
    for _ in range(30):
        model.train_on_batch(rows[:, :-1], rows[:, 1:])
    assert full_loss(model, rows) < 0.7 * before


def full_loss(model, rows):
    num_sampled, model.num_sampled = model.num_sampled, None
    loss = float(model.compute_loss(x=rows[:, :-1], y=rows[:, 1:]))
    model.num_sampled = num_sampled
    return loss


@pytest.mark.parametrize(
    ("method", "sources"),
    [("adjacent", [0, 0, 1, 1]), ("cross", [0, 1, 0, 1])],
)
def test_stacking(method, sources):
    model = with_other_weights(make_model(num_blocks=2))
    deep = nextitnet_tf.Stacker(method=method, preset="paper").stack(model)
    assert len(deep.blocks) == 4
    for block, source in zip(deep.blocks, sources, strict=True):
        of_shallow = model.blocks[source].get_weights()
        assert len(of_shallow) == 9  # two kernels, biases, norms; an alpha
        for weight, copied in zip(of_shallow, block.get_weights(), strict=True):
            np.testing.assert_array_equal(weight, copied)
    for part in ("item_embedding", "item_softmax"):
        for weight, copied in zip(
            getattr(model, part).get_weights(),
            getattr(deep, part).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(weight, copied)


def test_a_compressed_model():
    compression = nextitnet_tf.Compression(
        (4, 9, 12), (8, 2, 1), (8, 2, 1), "adjacent_block"
    )
    model = nextitnet_tf.NextItNet(
        NUM_ITEMS, num_blocks=2, embedding_dim=8, compression=compression
    )
    rows = make_rows()
    inputs, targets = rows[:, :-1], rows[:, 1:]
    model.compile(optimizer=keras.optimizers.Adam(0.02))
    before = float(model.compute_loss(x=inputs, y=targets))
    for _ in range(30):
        model.train_on_batch(inputs, targets)
    assert float(model.compute_loss(x=inputs, y=targets)) < 0.7 * before
    deep = nextitnet_tf.Stacker(preset="best").stack(model)
    kernels = [block.conv2.kernel for block in deep.blocks]
    assert kernels[1] is kernels[0] and kernels[3] is kernels[2]
    deep.vocabulary = nextitnet_tf.Vocabulary(
        [None, *range(1, 12)], [1] * 12, 0, 6
    )
    scores = numpy_of(deep(inputs[2:5]))
    np.testing.assert_allclose(np.exp(scores).sum(axis=1), 1, rtol=1e-5)
    scores[:, 0] = -np.inf
    np.put_along_axis(scores, inputs[2:5], -np.inf, axis=1)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :3]
    found = deep.recommend(inputs[2:5].tolist(), k=3)
    np.testing.assert_array_equal(found, best)


def test_blocks_with_alpha_0_change_nothing():
    model = make_model(num_blocks=2)
    deep = nextitnet_tf.Stacker(preset="best").stack(model, num_blocks=3)
    item_ids = make_rows()[:, :-1]
    np.testing.assert_allclose(
        numpy_of(deep(item_ids)), numpy_of(model(item_ids)), rtol=1e-6
    )


def test_target_rank():
    logits = np.array(
        [[0.1, 0.4, 0.3, 0.2], [1, 2, 2, 2], [1, 2, 2, 2], [1, 2, 2, 2]],
        "float32",
    )
    ranks = nextitnet_tf.metrics.target_rank(logits, np.array([3, 1, 3, 0]))
    assert numpy_of(ranks).tolist() == [2, 0, 2, 3]


def test_ranking_metrics():
    logits = np.array([[0, 3, 2, 1], [3, 2, 1, 0]], "float32")
    targets = np.array([2, 0])
    mrr, hit_rate, ndcg = nextitnet_tf.metrics.make_ranking_metrics((2,))
    for metric, expected in (
        (mrr, (1 / 2 + 1) / 2),
        (hit_rate, 1),
        (ndcg, (0.6309298 + 1) / 2),
    ):
        metric.update_state(targets, logits)
        assert float(metric.result()) == pytest.approx(expected, abs=1e-6)


def test_top_items_by_hand():
    model = nextitnet_tf.MostPop(num_items=4)
    model.adapt(np.array([[0, 0, 1, 2, 2, 3, 3, 3, 4, 4]]))
    model.vocabulary = nextitnet_tf.Vocabulary(
        [None, *"abcd"], [0, 1, 2, 3, 2], padding_id=0, history_length=2
    )
    # Padding, the first column, is never among them; ties: the lower id.
    assert model.recommend([["d"], ["c", "a", "a"], []], k=3) == [
        ["c", "b", "a"],
        ["b", "d"],
        ["c", "b", "d"],
    ]
    model.counts.assign([0, np.nan, 0, 0, 0])
    with pytest.raises(FloatingPointError, match="finite"):
        model.recommend([["d"]])


def test_round_trip(tmp_path):
    model = with_other_weights(make_model())
    model.vocabulary = nextitnet_tf.Vocabulary(
        raw_ids=[None, *"abcdefghijk"],
        counts=[0, *range(NUM_ITEMS, 0, -1)],
        padding_id=0,
        history_length=6,
    )
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    item_ids = make_rows()[:, :-1]
    np.testing.assert_array_equal(
        numpy_of(copy(item_ids)), numpy_of(model(item_ids))
    )
    histories = [["a", "b", "c"], ["z", "z"], []]
    answers = copy.recommend(histories, k=4)
    assert answers == model.recommend(histories, k=4)
    assert not set(answers[0]) & set("abc")
    assert answers[1] == answers[2] == list("abcd")  # the most popular


@pytest.mark.parametrize(
    ("model_class", "config", "learning_rate"),
    [
        (nextitnet_tf.SASRec, {"max_length": 6}, 1e-3),
        (nextitnet_tf.SASRec, {"max_length": 6, "block": "gated"}, 1e-3),
        (nextitnet_tf.SASRec, {"max_length": 6, "block": "plus"}, 1e-3),
        (nextitnet_tf.SSEPT, {"max_length": 6, "num_users": 3}, 1e-3),
        (nextitnet_tf.GRU4Rec, {}, 1e-2),
        (nextitnet_tf.Caser, {"window": 6, "num_horizontal": 4}, 1e-2),
        (nextitnet_tf.NFM, {}, 1e-2),
        # One target in six counts in a step of GRec.
        (nextitnet_tf.GRec, {"variant": "stackrec"}, 1e-2),
        (nextitnet_tf.GRec, {"variant": "original"}, 1e-2),
    ],
)
def test_other_models(model_class, config, learning_rate):
    if "num_blocks" in inspect.signature(model_class).parameters:
        config = {**config, "num_blocks": 1}
    model = with_other_weights(
        model_class(num_items=NUM_ITEMS, embedding_dim=8, **config)
    )
    rows = make_rows()
    assert np.isfinite(numpy_of(model(rows[:, :-1]))).all()
    model.compile(optimizer=keras.optimizers.Adam(learning_rate))
    before = full_loss(model, rows)
    for _ in range(30):
        model.train_on_batch(rows[:, :-1], rows[:, 1:])
    assert full_loss(model, rows) < 0.9 * before


def test_the_benchmark_of_a_step(monkeypatch):
    from experiments.benchmark import machine
    from experiments.benchmark import steps

    monkeypatch.setattr(steps, "_WARM_UP_SECONDS", 0.01)
    assert machine.describe()["backend"] == "jax"
    step = steps.Step(
        num_blocks=1, num_items=20, batch_size=4, t=5, embedding_dim=8
    )
    for timed in (steps.time_training, steps.time_evaluation):
        assert timed(step, repetitions=1).median > 0


def test_most_pop():
    model = nextitnet_tf.MostPop(num_items=3)
    model.adapt(np.array([[0, 1, 2], [2, 2, 3]]))
    counts = numpy_of(model(np.array([[0, 3], [1, 2]])))
    assert counts.tolist() == [[1, 1, 3, 1], [1, 1, 3, 1]]


@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_items_of_few_bits(mode, tmp_path):
    model = with_other_weights(make_model())
    item_ids = make_rows()[:, :-1]
    before = numpy_of(model(item_ids))
    model.quantize(mode, filters="^item_")
    found = numpy_of(model(item_ids))
    # A number is off by half a part at most, a 254th or a 14th of the largest.
    largest = {"int8": 0.02, "int4": 0.3}[mode] * np.abs(before).max()
    assert 0 < np.abs(found - before).max() < largest
    model.save(tmp_path / "small.keras")
    copy = keras.saving.load_model(tmp_path / "small.keras")
    np.testing.assert_array_equal(numpy_of(copy(item_ids)), found)


def test_the_last_position_alone():
    backbone = with_other_weights(make_model(num_blocks=2))
    item_ids = make_rows(t=31)[:, :-1]
    fields = backbone.block_stack.fields(30)
    assert len(fields[0].inputs) < 30  # not all of them are seen
    for model in (backbone, with_other_weights(nextitnet_tf.SkipRec(backbone))):
        np.testing.assert_allclose(
            numpy_of(model.last_hidden(item_ids)),
            numpy_of(model.encode(item_ids))[:, -1],
            rtol=1e-5,
            atol=1e-5,
        )


def test_a_frozen_model(monkeypatch):
    from nextitnet_tf.models import frozen

    for most_bytes in (frozen._MOST_BYTES, 0):
        monkeypatch.setattr(frozen, "_MOST_BYTES", most_bytes)
        model = with_other_weights(make_model())
        model.vocabulary = nextitnet_tf.Vocabulary(
            [None, *range(1, 12)], [1] * 12, 0, 6
        )
        expected = model.recommend([[3, 4], [5]], 3)
        served = model.freeze()
        # Training gives the arrays of weights away.
        model.compile(keras.optimizers.Adam(0.1))
        model.fit(make_rows(), make_rows(), verbose=0)
        assert model.recommend([[3, 4], [5]], 3) != expected
        assert served.recommend([[3, 4], [5]], 3) == expected
        session = served.start([3])
        session.append(4)
        hidden = model.freeze().start([3]).hidden
        assert session.hidden.shape == hidden.shape
        assert np.abs(session.hidden - hidden).max() > 0.1


def test_a_session():
    backbone = with_other_weights(make_model())
    for model in (backbone, with_other_weights(nextitnet_tf.SkipRec(backbone))):
        model.vocabulary = nextitnet_tf.Vocabulary(
            [None, *range(1, 12)], [1] * 12, 0, 6
        )
        session = model.start([3, 4])
        assert session.top(3) == model.recommend([[3, 4]], 3)[0]
        row = [0, 0, 0, 0, 3, 4]
        keep = {} if session.keep is None else {"keep": session.keep}
        for click in (7, 1, 11, 5):
            session.append(click)
            row.append(click)
            hidden = numpy_of(model.encode(np.array([row]), **keep))
            np.testing.assert_allclose(
                session.hidden, hidden[:, -1], rtol=1e-5, atol=1e-5
            )
        assert not {3, 4, 7, 1, 11, 5} & set(session.top(11))


def test_ties_to_the_higher_id():
    logits = np.array([[1.0, 4.0, 1.0, 4.0]], "float32")
    ranks = [
        int(nextitnet_tf.metrics.rank_among(logits, [i], ties_to="higher")[0])
        for i in range(4)
    ]
    assert ranks == [3, 1, 2, 0]
