"""GRec: what is masked, what predicts, and what counts."""

import keras
import numpy as np
import pytest
from keras import ops

import nextitnet_tf
from nextitnet_tf.stacking import Stacker
from tests import checks

BATCH, LENGTH = 64, 19


def make(variant, **kwargs):
    return nextitnet_tf.GRec(
        num_items=30,
        num_blocks=2,
        embedding_dim=8,
        dilation_rates=(1, 2),
        variant=variant,
        **kwargs,
    )


@pytest.fixture
def rows():
    """Sessions in which no item is 0, the mask."""
    return np.random.default_rng(0).integers(1, 31, (BATCH, LENGTH + 1))


class Inputs:
    """Stands for `encode` and remembers what it was given."""

    def __init__(self, model, monkeypatch):
        self.given = None
        monkeypatch.setattr(model, "encode", self._encode)

    def _encode(self, item_ids, training=None):
        self.given = np.array(item_ids)
        # A position's hidden state says where it is.
        places = np.arange(item_ids.shape[1], dtype="float32")
        return ops.convert_to_tensor(
            np.tile(places[None, :, None], (len(self.given), 1, 1))
        )


def draw(model, rows):
    item_ids, targets = (
        rows[:, :-1].astype("int32"),
        rows[:, 1:].astype("int32"),
    )
    weights = np.full(targets.shape, 1 / targets.size, "float32")
    found = model.encode_for_loss(item_ids, targets, weights, training=True)
    return [np.array(x) for x in found]


@pytest.mark.parametrize("variant", ["stackrec", "original"])
def test_masks_hide_what_is_predicted_and_nothing_else(
    variant, rows, monkeypatch
):
    model = make(variant)
    inputs = Inputs(model, monkeypatch)
    hidden, targets, weights = draw(model, rows)
    positions = hidden[:, :, 0].astype(int)
    if variant == "original":  # it encodes the first item, too
        positions -= 1
    # round(19 * 0.2) = 4 different positions in each row, ascending.
    assert positions.shape == (BATCH, 4)
    assert (np.diff(positions, axis=1) > 0).all()
    assert positions.min() == 0 and positions.max() == LENGTH - 1
    # Position k predicts item k + 1 of the session.
    users = np.arange(BATCH)[:, None]
    np.testing.assert_array_equal(targets, rows[users, positions + 1])
    # That item is masked wherever it is an input; the others are there.
    expected = rows.copy()
    expected[users, positions + 1] = 0
    if variant == "stackrec":
        expected = expected[:, :-1]
    np.testing.assert_array_equal(inputs.given, expected)
    # Each counts for 19 / 4 positions; all of them for one.
    np.testing.assert_allclose(weights, 19 / 4 / rows[:, 1:].size, rtol=1e-6)
    assert weights.sum() == pytest.approx(1)


def test_how_many_are_drawn(rows):
    # As the release: min(50, max(1, round((t - 1) * 0.2))).
    for length, expected in ((1, 1), (2, 1), (19, 4), (29, 6), (299, 50)):
        ids = np.ones((3, length + 1), "int32")
        assert draw(make("stackrec"), ids)[1].shape == (3, expected)
    assert draw(make("stackrec", mask_fraction=1.0), rows)[1].shape == (
        BATCH,
        LENGTH,
    )


def test_masks_are_drawn_anew_evenly_and_by_the_seed(rows, monkeypatch):
    def positions(seed):
        keras.utils.set_random_seed(seed)
        model = make("stackrec")
        with monkeypatch.context() as patch:
            Inputs(model, patch)
            return [draw(model, rows)[0][:, :, 0].astype(int) for _ in "ab"]

    first, second = positions(3)
    assert (first != second).any()
    np.testing.assert_array_equal(positions(3), [first, second])
    assert (positions(4)[0] != first).any()
    # Each of 19 positions is drawn in 4 of 19 rows: of 64 rows and 2 draws
    # 27 times on average; 5 standard deviations are 23.
    counts = np.bincount(np.concatenate([first, second]).ravel(), minlength=19)
    assert abs(counts - 2 * BATCH * 4 / 19).max() < 23


def test_causal_variant(tmp_path):
    model = make("stackrec", mask_fraction=0.9)
    checks.check_model(model, tmp_path)
    checks.check_appended_blocks(model)


def test_variant_that_looks_both_ways(tmp_path):
    model = make("original", mask_fraction=0.9)
    checks.scramble(model)
    checks.check_shapes(model)
    checks.check_configuration(model)
    checks.check_saving(model, tmp_path)
    checks.check_batch_independence(model)
    checks.check_every_weight_learns(model)
    checks.check_appended_blocks(model)


def test_original_predicts_from_a_mask_behind_the_history():
    model = make("original")
    checks.scramble(model)
    history = np.array([[3, 7, 5]], "int32")
    hidden = model.encode(np.array([[3, 7, 5, 0]], "int32"))[:, -1]
    np.testing.assert_allclose(model(history), model.item_softmax(hidden))


def test_convolutions_that_look_both_ways_by_hand():
    from nextitnet_tf.layers import DilatedConv

    conv = DilatedConv(1, 3, dilation_rate=2, causal=False)
    conv.build((None, None, 1))
    conv.set_weights([np.array([100.0, 10, 1]).reshape(3, 1, 1), np.zeros(1)])
    x = np.arange(1.0, 7).reshape(1, 6, 1)
    # 100 x[k-2] + 10 x[k] + x[k+2], zeros outside.
    expected = [10 + 3, 20 + 4, 130 + 5, 240 + 6, 350, 460]
    np.testing.assert_allclose(np.array(conv(x))[0, :, 0], expected)
    stock = keras.layers.Conv1D(1, 3, dilation_rate=2, padding="same")
    stock.build((None, None, 1))
    stock.set_weights(conv.get_weights())
    np.testing.assert_allclose(conv(x), stock(x))
    checks.check_layer(conv, x.astype("float32"))


@pytest.mark.parametrize("variant", ["stackrec", "original"])
def test_mixed_precision(variant):
    checks.check_mixed_precision(
        make(variant, dtype="mixed_bfloat16"), "bfloat16"
    )


def test_it_stacks_and_keeps_its_variant():
    model = make("original", mask_fraction=0.3)
    checks.scramble(model)
    deep = Stacker("adjacent").stack(model, 4)
    assert (deep.variant, deep.mask_fraction) == ("original", 0.3)
    assert len(deep.blocks) == 4
    np.testing.assert_array_equal(
        deep.blocks[1].conv1.kernel, model.blocks[0].conv1.kernel
    )


@pytest.mark.parametrize("variant", ["stackrec", "original"])
def test_it_learns_what_follows(variant):
    """Sessions count upwards: the next item is the last one plus one."""
    keras.utils.set_random_seed(0)
    starts = np.random.default_rng(0).integers(0, 20, 256)
    rows = (starts[:, None] + np.arange(9)) % 20 + 1
    model = nextitnet_tf.GRec(
        20, num_blocks=2, embedding_dim=16, variant=variant
    )
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(rows[:, :-1], rows[:, 1:], epochs=60, batch_size=64, verbose=0)
    best = np.argmax(model.predict(rows[:20, :-1], verbose=0), axis=1)
    assert (best == rows[:20, -1]).mean() > 0.9


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"variant": "both"}, "stackrec"),
        ({"mask_fraction": 0}, "mask_fraction"),
        ({"mask_fraction": 1.5}, "1.5"),
    ],
)
def test_what_it_cannot_be(change, word):
    with pytest.raises(ValueError, match=word):
        nextitnet_tf.GRec(10, **change)
