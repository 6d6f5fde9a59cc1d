"""Pruned top items are those of the whole distribution, ties included."""

import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf import layers
from nextitnet_tf.compression import Compression
from nextitnet_tf.layers.pruned_top_items import CLOSED
from nextitnet_tf.layers.pruned_top_items import leaf_reaches
from nextitnet_tf.layers.pruned_top_items import pruned_top_items
from nextitnet_tf.models.recommending import TopItems
from nextitnet_tf.vocabulary import Vocabulary
from tests import checks

# 30 columns in clusters of 5, 7, 3 and 15.
CLUSTERS = (5, 12, 15, 30)
NONE = np.full((1, 0), 0, "int32")


def make_softmax(seed=0, scale=1.0, ranks=(4, 2, 1, 2)):
    layer = layers.TreeSoftmax(29, CLUSTERS, ranks)
    layer.build((None, 4))
    generator = np.random.default_rng(seed)
    for variable in layer.trainable_variables:
        variable.assign(generator.normal(scale=scale, size=variable.shape))
    return layer


def expected_top_items(layer, hidden, k, closed):
    """By a stable sort of everything: ties go to the lower id."""
    scores = np.array(layer(hidden))
    for row, ids in zip(scores, closed, strict=True):
        row[ids] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(scores, order, axis=1), order


def pruned(layer, hidden, k, closed):
    """With what is known of the leaves' weights."""
    return pruned_top_items(layer, hidden, k, closed, leaf_reaches(layer))


def check(layer, hidden, k, closed=None):
    """Both with and without what is known of the leaves' weights.

    Returns:
        How many leaves were visited, with.
    """
    hidden = np.asarray(hidden, "float32")
    if closed is None:
        closed = np.repeat(NONE, len(hidden), axis=0)
    scores, order = expected_top_items(layer, hidden, k, closed)
    is_open = np.isfinite(scores)
    visited = []
    for find in (pruned_top_items, pruned):
        found, item_ids, count = (
            np.array(v) for v in find(layer, hidden, k, closed)
        )
        np.testing.assert_allclose(
            found[is_open], scores[is_open], rtol=1e-5, atol=1e-5
        )
        np.testing.assert_array_equal(item_ids[is_open], order[is_open])
        assert (found[~is_open] == CLOSED).all()
        visited.append(int(count))
    assert visited[0] >= visited[1]
    return visited[1]


@pytest.mark.parametrize("num_rows", [1, 6])
@pytest.mark.parametrize("k", [1, 4, 9, 30])
def test_random_weights(num_rows, k):
    for seed in range(4):
        layer = make_softmax(seed, scale=1.5)
        generator = np.random.default_rng(10 + seed)
        hidden = generator.normal(size=(num_rows, 4))
        closed = generator.integers(0, 30, (num_rows, 5)).astype("int32")
        check(layer, hidden, k)
        check(layer, hidden, k, closed)


def root_of(*logits):
    """A tree whose root has these logits of the parents; all else equal."""
    layer = make_softmax(ranks=(4, 4, 4, 4))
    for variable in layer.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    kernel = np.zeros((8, 4))
    kernel[5:, 0] = logits
    layer.kernels[0].assign(kernel)
    return layer, np.array([[1.0, 0, 0, 0]])


def test_leaves_that_cannot_matter_are_not_visited():
    # All mass is in the first cluster.
    assert check(*root_of(-9, -9, -9), k=5) == 0
    # All parents are alike, and all items of a leaf: the sixth item is in the
    # leaf of three, where an item has a third of its parent. Those of seven
    # and of fifteen cannot have more than a seventh and a fifteenth.
    assert check(*root_of(-9, -9, -9), k=6) == 1
    assert check(*root_of(-9, -9, -9), k=9) == 2
    # The leaf of the third cluster has the three likeliest items.
    assert check(*root_of(-9, 9, -9), k=3) == 1
    # All mass is in the last one, of 15 items.
    assert check(*root_of(-9, -9, 20), k=15) == 1
    assert check(*root_of(-9, -9, 20), k=16) == 1  # then come the first ones
    # One row needs the second leaf, the other the first, whose seven items are
    # likelier than the fifteen of the third: all rows look into both.
    layer, hidden = root_of(-9, 9, -9)
    rows = np.concatenate([hidden, -hidden])
    assert check(layer, rows, k=3) == 2


def test_one_item_that_has_nearly_all_of_its_leaf():
    """The parent is as likely as the sixth item, the bound is reached."""
    layer, hidden = root_of(-2, -2, -2)
    kernel = np.zeros((15, 4))
    kernel[11, 0] = 30.0
    layer.kernels[3].assign(kernel)
    assert check(layer, hidden, k=6) == 1
    scores, item_ids, _ = pruned(layer, hidden.astype("float32"), 6, NONE)
    assert np.array(item_ids)[0, 5] == 15 + 11
    # Its log-probability is that of its parent.
    total = np.log(5 + 3 * np.exp(-2))
    np.testing.assert_allclose(np.array(scores)[0, 5], -2 - total, rtol=1e-5)


def test_a_bound_that_an_item_comes_near_to():
    """Fifteen columns of which one has the logit 2 and all others 0.

    It has 2 - log(14 + e^2) = -1.06 of its parent; the bound is
    2 * 14 / 15 - log 15 = -0.84. The first items have -1.4, in between no
    more.
    """
    layer, hidden = root_of(-50, -50, 0)
    kernel = np.zeros((15, 4))
    kernel[11, 0] = 2.0
    layer.kernels[3].assign(kernel)
    root = np.array(layer.kernels[0])
    root[:5, 0] = -1.4
    layer.kernels[0].assign(root)
    assert check(layer, hidden, k=1) == 1
    # They have -0.7: no item of the leaf can be above that.
    root[:5, 0] = -0.7
    layer.kernels[0].assign(root)
    assert check(layer, hidden, k=1) == 0


def test_half_precision():
    layer = layers.TreeSoftmax(
        29, CLUSTERS, (4, 2, 1, 2), dtype="mixed_bfloat16"
    )
    layer.build((None, 4))
    generator = np.random.default_rng(5)
    for variable in layer.trainable_variables:
        variable.assign(generator.normal(scale=3, size=variable.shape))
    for seed in range(5):
        rows = np.random.default_rng(seed).normal(size=(2, 4))
        check(layer, rows, k=5)


def test_ties_between_clusters_go_to_the_lower_id():
    """Parents as likely as an item of the first cluster, of one item each."""
    layer = layers.TreeSoftmax(3, (1, 2, 3, 4), (2, 2, 2, 2))
    layer.build((None, 2))
    for variable in layer.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    hidden = np.ones((1, 2), "float32")
    for k in (1, 2, 3, 4):
        scores, item_ids, _ = pruned(layer, hidden, k, NONE)
        np.testing.assert_array_equal(np.array(item_ids)[0], np.arange(k))
        np.testing.assert_allclose(np.array(scores), np.log(0.25), rtol=1e-6)


@pytest.mark.parametrize("num_closed", [1, 40, 200])
def test_as_many_closed_as_there_may_be(num_closed):
    """Some are looked for among the best, many are closed beforehand."""
    layer = make_softmax(7, scale=1.5)
    generator = np.random.default_rng(num_closed)
    hidden = generator.normal(size=(3, 4))
    closed = generator.integers(0, 30, (3, num_closed)).astype("int32")
    check(layer, hidden, 6, closed)
    check(layer, hidden, 30, closed)


def test_scores_that_rounding_makes_alike_are_a_tie():
    """Two logits one step apart: their log-probabilities are the same."""
    layer = layers.TreeSoftmax(29, (5, 30), (4, 1))
    layer.build((None, 4))
    for variable in layer.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    root = np.zeros((6, 4))
    root[5, 0] = 3.0
    layer.kernels[0].assign(root)
    layer.projections[1].assign([[1.0], [0], [0], [0]])
    leaf = np.full((25, 1), 0.5, "float32")
    leaf[3], leaf[7] = 1.0, np.nextafter(np.float32(1), np.float32(2))
    layer.kernels[1].assign(leaf)
    hidden = np.array([[1.0, 0, 0, 0]], "float32")
    scores = np.array(layer(hidden))[0]
    assert scores[8] == scores[12]
    _, item_ids, _ = pruned(layer, hidden, 2, NONE)
    np.testing.assert_array_equal(np.array(item_ids)[0], [8, 12])


def test_long_columns_that_are_all_alike():
    """Logits of 3,000 with an error of 1e-4, their spread a hundredth."""
    for seed in range(12):
        generator = np.random.default_rng(seed)
        layer = layers.TreeSoftmax(1009, (10, 1010), (1, 1))
        layer.build((None, 1))
        layer.kernels[0].assign(np.zeros((11, 1)))
        layer.kernels[1].assign(300 + 1e-3 * generator.normal(size=(1000, 1)))
        hidden = np.full((1, 1), 10, "float32")
        # All columns of the root are alike so far: an eleventh each.
        best = np.array(layer(hidden))[0, 10:].max() + np.log(11)
        # The first items are as likely as the leaf's likeliest, nearly.
        root = np.zeros((11, 1))
        root[:10] = (best - 5e-5) / 10
        layer.kernels[0].assign(root)
        scores = np.array(layer(hidden))
        order = np.argsort(-scores, axis=1, kind="stable")[:, :1]
        _, item_ids, _ = pruned(layer, hidden, 1, NONE)
        np.testing.assert_array_equal(item_ids, order)


def test_one_cluster_has_no_leaves():
    layer = layers.TreeSoftmax(9, (10,), (2,))
    layer.build((None, 4))
    hidden = np.random.default_rng(0).normal(size=(3, 4))
    closed = np.repeat(NONE, 3, axis=0)
    scores, item_ids, visited = pruned(
        layer, hidden.astype("float32"), 4, closed
    )
    expected, order = expected_top_items(
        layer, hidden.astype("float32"), 4, closed
    )
    np.testing.assert_array_equal(item_ids, order)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    assert int(visited) == 0


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("j", [0, 2, 3])
def test_weights_that_are_no_numbers_show(j, dtype):
    """Those of a leaf that has no chance, too: its columns were looked at."""
    layer, hidden = root_of(-9, -9, 20)
    layer.dtype_policy = dtype
    variable = layer.kernels[j]
    value = np.array(variable)
    value[0, 0] = np.nan
    variable.assign(value)
    scores, _, _ = pruned(layer, hidden.astype("float32"), 2, NONE)
    if dtype == "mixed_bfloat16" and j == 2:
        return  # nothing is known of its leaves but what is looked into
    assert not np.isfinite(np.array(scores)).any()


def test_leaf_reaches_by_hand():
    layer = layers.TreeSoftmax(4, (2, 4, 5), (2, 2, 2))
    layer.build((None, 2))
    # The mean is (3, 4): both lie one beside it, 5 and sqrt(9 + 25) from 0.
    layer.kernels[1].assign([[3.0, 3.0], [3.0, 5.0]])
    layer.kernels[2].assign([[0.0, -2.0]])
    np.testing.assert_allclose(
        leaf_reaches(layer), [[1, np.sqrt(34)], [0, 2]], rtol=1e-6
    )


def test_weights_that_change_between_two_answers():
    """What was known of the old ones prunes nothing of the new ones."""
    model = nextitnet_tf.NextItNet(
        29,
        num_blocks=1,
        embedding_dim=4,
        compression=Compression(CLUSTERS, None, (4, 2, 1, 2)),
    )
    model.vocabulary = Vocabulary([None, *range(1, 30)], [1] * 30, 0, 3)
    generator = np.random.default_rng(8)
    histories = generator.integers(1, 30, (80, 3))  # enough for a look
    for scale in (0.01, 3.0):
        for variable in model.trainable_variables:
            variable.assign(generator.normal(scale=scale, size=variable.shape))
        scores = np.array(model(histories.astype("int32")))
        scores[:, 0] = -np.inf  # padding
        expected = np.argsort(-scores, axis=1, kind="stable")[:, :6]
        found = model.recommend(histories.tolist(), k=6, exclude_seen=False)
        np.testing.assert_array_equal(found, expected)
    # A model for answers that nobody has told anything assumes nothing.
    assert np.isinf(np.array(TopItems(model).reaches)).all()


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.parametrize("name", ["NextItNet", "SASRec", "GRec"])
def test_recommend_is_the_same_as_by_all_scores(name, exclude_seen):
    options = {"max_length": 3} if name == "SASRec" else {}
    if name == "GRec":
        options = {"variant": "original"}
    model = getattr(nextitnet_tf, name)(
        29,
        num_blocks=1,
        embedding_dim=4,
        compression=Compression(CLUSTERS, None, (4, 2, 1, 2)),
        **options,
    )
    generator = np.random.default_rng(3)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    model.vocabulary = Vocabulary([None, *range(1, 30)], [1] * 30, 0, 3)
    histories = generator.integers(1, 30, (7, 3))
    scores = np.array(model(histories.astype("int32")))
    scores[:, 0] = -np.inf  # padding
    if exclude_seen:
        np.put_along_axis(scores, histories, -np.inf, axis=1)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :6]
    found = model.recommend(histories.tolist(), k=6, exclude_seen=exclude_seen)
    np.testing.assert_array_equal(found, expected)


def test_an_exported_tree(tmp_path):
    pytest.importorskip("tensorflow")
    model = nextitnet_tf.NextItNet(
        29, num_blocks=1, embedding_dim=4, compression="auto"
    )
    model.vocabulary = Vocabulary([None, *range(1, 30)], [1] * 30, 0, 3)
    histories = [[1, 2, 3], [29, 4]]
    found, _, kinds = checks.served_by_tensorflow(
        model, tmp_path / "served", histories, k=4
    )
    # What only XLA knows is not run everywhere.
    assert kinds and not any(kind.startswith("Xla") for kind in kinds)
    assert found == model.recommend(histories, k=4)
