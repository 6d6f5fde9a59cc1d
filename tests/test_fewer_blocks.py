"""A model of some of another's blocks."""

import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf.fewer_blocks import with_blocks
from tests.checks import scramble


@pytest.mark.parametrize(
    "make",
    [
        lambda **blocks: nextitnet_tf.NextItNet(
            9, embedding_dim=8, dilation_rates=(1, 4), **blocks
        ),
        lambda **blocks: nextitnet_tf.SASRec(
            9, embedding_dim=8, max_length=7, **blocks
        ),
    ],
)
def test_what_every_history_would_run(make):
    """Given `keep` as one and the same for all, hidden states are equal."""
    model = make(num_blocks=4)
    scramble(model, 0)
    item_ids = np.random.default_rng(1).integers(0, 10, (3, 7))
    keep = np.tile(np.float32([1, 0, 0, 1]), (3, 1))
    fewer = with_blocks(model, [0, 3])
    assert len(fewer.blocks) == 2
    np.testing.assert_allclose(
        fewer.encode(item_ids), model.encode(item_ids, keep=keep), atol=1e-6
    )
    np.testing.assert_allclose(fewer(item_ids).shape, (3, 10))
    # The weights are copies.
    before = np.asarray(fewer(item_ids))
    scramble(model, 2)
    np.testing.assert_array_equal(fewer(item_ids), before)


def test_refused():
    model = nextitnet_tf.NextItNet(9, num_blocks=4, embedding_dim=8)
    for blocks in ([], [1, 0], [0, 4], [1, 1]):
        with pytest.raises(ValueError, match="increasing places of the model"):
            with_blocks(model, blocks)
    with pytest.raises(ValueError, match="increasing places"):
        with_blocks(nextitnet_tf.GRU4Rec(9, embedding_dim=8), [0])
    shared = nextitnet_tf.NextItNet(
        9,
        num_blocks=4,
        embedding_dim=8,
        compression=nextitnet_tf.Compression(sharing="adjacent_block"),
    )
    with pytest.raises(ValueError, match="sharing='adjacent_block'"):
        with_blocks(shared, [0, 1])
