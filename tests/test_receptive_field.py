"""The last position alone, from what it sees and no more."""

import keras
import numpy as np
import pytest

from nextitnet_tf import Compression
from nextitnet_tf import GRec
from nextitnet_tf import NextItNet
from nextitnet_tf import SkipRec
from nextitnet_tf import layers
from nextitnet_tf.layers.receptive_field import computed_share
from nextitnet_tf.layers.receptive_field import is_worth_it
from tests import checks


def make_model(**options):
    options = {"num_blocks": 3, "embedding_dim": 8, **options}
    model = NextItNet(num_items=30, **options)
    checks.scramble(model)
    return model


def by_field(model, item_ids, keep=None):
    """However many positions that is worth."""
    fields = model.block_stack.fields(item_ids.shape[1])
    hidden = model.item_embedding(item_ids[:, fields[0].inputs])
    return np.array(model.block_stack.last(hidden, fields, keep=keep))[:, 0]


def test_what_the_last_position_sees_by_hand():
    """Rates 1 and 4, thus 1, 2, 4, 8: from position 18 downwards."""
    stack = make_model(num_blocks=2).block_stack
    first, second = stack.fields(19)
    assert second.inputs.tolist() == [2, 6, 10, 14, 18]
    assert second.own.tolist() == [4]
    # The last convolution has 18 - 16, 18 - 8, 18; the one below it each of
    # these, 4 and 8 before it, of which some are before the start.
    before_last, last = second.taps
    assert last.places.tolist() == [[0, 1, 2]]
    np.testing.assert_array_equal(
        before_last.places, [[-6, -2, 0], [0, 1, 2], [2, 3, 4]]
    )
    assert first.own.tolist() == [2, 6, 10, 14, 18]
    assert first.inputs.tolist() == list(range(19))
    computed = [len(t.places) for f in (first, second) for t in f.taps]
    assert computed == [10, 5, 3, 1]  # of 19 each
    assert computed_share([first, second], 19) == 19 / 76
    # Three quarters at most.
    assert is_worth_it([first, second], 7) is True  # 19 of 28
    assert is_worth_it([first, second], 6) is False  # 19 of 24


@pytest.mark.parametrize("length", [1, 2, 5, 19, 70])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dilation_rates": (1, 2, 4), "kernel_size": 2, "num_blocks": 4},
        {"dilation_rates": (3,), "kernel_size": 4, "use_alpha": False},
        {"kernel_size": 1},
        {"dilation_rates": (16, 1), "num_blocks": 1},
        {
            "num_blocks": 4,
            "compression": Compression(
                (9, 31), (8, 4), (8, 4), "adjacent_block"
            ),
        },
    ],
    ids=["usual", "narrow", "wide", "one", "far", "compressed"],
)
def test_it_equals_the_whole(options, length):
    model = make_model(**options)
    item_ids = checks.histories_for(model, length=length)
    expected = np.array(model.encode(item_ids))[:, -1]
    for found in (by_field(model, item_ids), model.last_hidden(item_ids)):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("num_rows", [1, 3, 40])
def test_with_blocks_that_are_skipped(num_rows):
    model = make_model()
    item_ids = checks.histories_for(model, num_rows=num_rows, length=40)
    generator = np.random.default_rng(num_rows)
    keep = generator.integers(0, 2, (num_rows, 3)).astype("float32")
    expected = np.array(model.encode(item_ids, keep=keep))[:, -1]
    for found in (
        by_field(model, item_ids, keep),
        SkipRec(model).last_hidden(item_ids, keep=keep),
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_a_batch_that_the_graph_does_not_know():
    tf = pytest.importorskip("tensorflow")
    backbone = make_model()
    skip_rec = SkipRec(backbone)
    checks.scramble(skip_rec.skip_policy)
    item_ids = checks.histories_for(skip_rec, num_rows=7, length=40)
    for model, shape in ((skip_rec, (None, 40)), (backbone, (None, None))):
        expected = np.array(model.encode(item_ids))[:, -1]
        spec = tf.TensorSpec(shape, "int32")
        answer = tf.function(model.last_hidden, input_signature=[spec])
        np.testing.assert_allclose(
            answer(item_ids), expected, rtol=1e-5, atol=1e-5
        )


class Lengths(layers.DilatedConv):
    """A convolution that remembers how many positions it computed."""

    computed: list[int] = []

    def call(self, x, **kwargs):
        outputs = super().call(x, **kwargs)
        Lengths.computed.append(outputs.shape[1])
        return outputs


def computed(model, length, **arguments):
    """How many positions each convolution computes for the last one."""
    for block in model.blocks:
        for conv in (block.conv1, block.conv2):
            conv.__class__ = Lengths
    Lengths.computed.clear()
    model.last_hidden(checks.histories_for(model, length=length), **arguments)
    return Lengths.computed.copy()


def test_what_is_not_seen_is_not_computed():
    assert computed(make_model(num_blocks=2), 19) == [10, 5, 3, 1]
    # Of rates 1 and 2: 9; 9, 7, 5; from 3 to 9; from -1, which is none, to 9.
    near = make_model(num_blocks=2, dilation_rates=(1,))
    assert computed(near, 10) == [10, 7, 3, 1]
    # Of 8 blocks the upper two are spared the most, which is a fifth of all.
    assert computed(make_model(num_blocks=8), 19) == [19] * 16
    # All positions count in training.
    assert computed(make_model(num_blocks=2), 19, training=True) == [19] * 4


def test_both_ways_are_computed_in_full():
    model = GRec(30, num_blocks=2, embedding_dim=8, variant="original")
    checks.scramble(model)
    assert computed(model, 19) == [20] * 4  # a mask behind the history
    with pytest.raises(ValueError, match="conv2 with causal=False"):
        model.block_stack.fields(19)


def test_gradients_are_those_of_the_whole():
    tf = pytest.importorskip("tensorflow")
    model = make_model(num_blocks=2)
    item_ids = checks.histories_for(model, length=30)
    gradients = []
    for way in (model.last_hidden, lambda ids: model.encode(ids)[:, -1]):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(way(item_ids) ** 2)
        variables = [v.value for v in model.trainable_variables]
        gradients.append(tape.gradient(total, variables))
    for found, expected in zip(*gradients, strict=True):
        if expected is not None:
            found, expected = map(tf.convert_to_tensor, (found, expected))
            np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_in_half_precision():
    model = make_model(num_blocks=2, dtype="mixed_bfloat16")
    item_ids = checks.histories_for(model, length=30)
    found = model.last_hidden(item_ids)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    expected = np.array(model.encode(item_ids)[:, -1], "float32")
    np.testing.assert_allclose(
        np.array(found, "float32"), expected, atol=0.05 * abs(expected).max()
    )
