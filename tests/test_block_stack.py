"""The loop over blocks: what it passes on, keeps and yields."""

import keras
import numpy as np
import pytest

from nextitnet_tf import NextItNet
from nextitnet_tf import SASRec
from nextitnet_tf.layers import BlockStack
from tests import checks


class Adds(keras.layers.Layer):
    """A block that adds a number, and remembers what it was given."""

    def __init__(self, number):
        super().__init__()
        self.number = number
        self.given = []

    def call(self, x, item_mask=None, training=None):
        self.given.append((item_mask, training))
        return x + self.number


def make_stack():
    return BlockStack([Adds(1.0), Adds(10.0), Adds(100.0)])


HIDDEN = np.zeros((2, 3, 1), "float32")


def test_blocks_run_in_order_and_states_are_those_between():
    stack = make_stack()
    states = [np.array(x)[0, 0, 0] for x in stack.states(HIDDEN)]
    assert states == [0, 1, 11, 111]
    assert np.array(stack(HIDDEN))[0, 0, 0] == 111


def test_a_row_that_does_not_keep_a_block_passes_unchanged():
    keep = np.array([[1, 0, 1], [0, 1, 0]])
    found = np.array(make_stack()(HIDDEN, keep=keep))
    np.testing.assert_array_equal(found[:, :, 0], [[101] * 3, [10] * 3])
    for dtype in ("int32", "bool", "float32"):
        again = make_stack()(HIDDEN, keep=keep.astype(dtype))
        np.testing.assert_array_equal(again, found)
    states = make_stack().states(HIDDEN, keep=keep)
    last_row = [np.array(x)[1, 0, 0] for x in states]
    assert last_row == [0, 0, 10, 10]
    with pytest.raises(ValueError, match=r"keep of shape \(2, 2\)"):
        make_stack()(HIDDEN, keep=keep[:, :2])


def test_who_decides_can_be_trained():
    """The gradient of the sum of 3 positions for keeping each block."""
    import tensorflow as tf

    keep = tf.Variable([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
    with tf.GradientTape() as tape:
        hidden = make_stack()(HIDDEN, keep=keep, training=True)
        total = tf.reduce_sum(hidden)
    expected = [[3, 30, 300], [3, 30, 300]]
    np.testing.assert_allclose(tape.gradient(total, keep), expected)


def test_what_blocks_are_told():
    stack = make_stack()
    item_mask = np.array([[True, False, True], [False, True, True]])
    found = stack(HIDDEN, training=True, item_mask=item_mask)
    np.testing.assert_array_equal(found[..., 0], 111 * item_mask)
    stack(HIDDEN)
    for block in stack.blocks:
        (mask, training), without = block.given
        np.testing.assert_array_equal(mask, item_mask)
        assert training is True
        assert without == (None, None)


@pytest.mark.parametrize("variant", ["stackrec", "original"])
def test_a_transformer_encodes_with_the_blocks_it_keeps(variant):
    config = {"num_items": 20, "embedding_dim": 4, "max_length": 9}
    model = SASRec(num_blocks=3, variant=variant, **config)
    checks.scramble(model)
    shallow = SASRec(num_blocks=1, variant=variant, **config)
    for layer in ("item_embedding", "position_embedding", "norm"):
        source = getattr(model, layer).get_weights()
        getattr(shallow, layer).set_weights(source)
    shallow.blocks[0].set_weights(model.blocks[1].get_weights())
    item_ids = checks.histories_for(model)
    keep = np.tile([0, 1, 0], (len(item_ids), 1))
    np.testing.assert_allclose(
        model.encode(item_ids, keep=keep),
        shallow.encode(item_ids),
        rtol=1e-5,
        atol=1e-6,
    )
    everything = model.encode(item_ids, keep=np.ones_like(keep))
    np.testing.assert_array_equal(everything, model.encode(item_ids))


def test_rows_keep_blocks_of_their_own():
    model = NextItNet(num_items=20, num_blocks=2, embedding_dim=4)
    checks.scramble(model)
    item_ids = checks.histories_for(model, num_rows=2)
    first, _, last = (np.array(x) for x in model.states(item_ids))
    keep = np.array([[0, 0], [1, 1]])
    found = np.array(model.encode(item_ids, keep=keep))
    np.testing.assert_allclose(found[0], first[0], rtol=1e-6)
    np.testing.assert_allclose(found[1], last[1], rtol=1e-6)


def test_blocks_that_do_not_name_their_kernels_share_none():
    class Plain(keras.layers.Layer):
        pass

    BlockStack([Plain(), Plain()])
    with pytest.raises(ValueError, match="Plain with sharing='cross_block'"):
        BlockStack([Plain(), Plain()], sharing="cross_block")
