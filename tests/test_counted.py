"""Models that are counted: by hand, saved, asked."""

import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf.layers.item_neighbours import ItemNeighbours
from nextitnet_tf.models import saved
from nextitnet_tf.vocabulary import Vocabulary
from tests import checks

# Items 1..4, 0 pads: 1 2 3, 1 2 4, 3 1.
ROWS = np.array([[1, 2, 3], [1, 2, 4], [0, 3, 1]], "int32")


def test_first_order_chain():
    model = nextitnet_tf.Markov(4, order=1, decay=1.0)
    model.adapt(ROWS)
    scores = np.array(model(np.array([[0, 1], [1, 2], [4, 3], [3, 4], [3, 0]])))
    # 2 follows 1 twice of two; 3 and 4 follow 2 once each; 1 follows 3; what
    # follows 4, or padding, nobody has seen.
    np.testing.assert_allclose(
        scores,
        [
            [0, 0, 1, 0, 0],
            [0, 0, 0, 0.5, 0.5],
            [0, 1, 0, 0, 0],
            [0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0],
        ],
    )


def test_second_order_chain_with_decay():
    model = nextitnet_tf.Markov(4, order=2, decay=0.5)
    model.adapt(ROWS)
    # Counts of what follows 1: 2 twice at gap 1 (0.5 each), 3 and 4 once
    # each at gap 2 (0.25 each): 1, 0.25, 0.25, their sum 1.5.
    after_1 = np.array([0, 0, 1, 0.25, 0.25]) / 1.5
    after_2 = np.array([0, 0, 0, 0.5, 0.5])
    scores = np.array(model(np.array([[1, 2], [2, 1], [0, 1]])))
    np.testing.assert_allclose(
        scores,
        [
            0.25 * after_1 + 0.5 * after_2,
            0.25 * after_2 + 0.5 * after_1,
            0.5 * after_1,
        ],
        rtol=1e-6,
    )


def test_only_the_likeliest_followers_are_kept():
    model = nextitnet_tf.Markov(4, order=2, decay=0.5, num_neighbours=2)
    model.adapt(ROWS)
    # Of 3 and 4, equally likely, the lower id; shares are of all followers.
    (scores,) = np.array(model(np.array([[0, 1]])))
    np.testing.assert_allclose(
        scores, 0.5 * np.array([0, 0, 1, 0.25, 0]) / 1.5, rtol=1e-6
    )


def test_nearest_items():
    model = nextitnet_tf.ItemKNN(4, decay=0.5)
    model.adapt(np.array([[1, 2, 3], [2, 1, 1], [0, 3, 1]], "int32"))
    # 1 is in three sessions, 2 and 3 in two; 1 and 2 share two, 1 and 3 two,
    # 2 and 3 one. An item that occurs again counts once.
    near = {(1, 2): 2 / 6**0.5, (1, 3): 2 / 6**0.5, (2, 3): 1 / 2}
    (scores,) = np.array(model(np.array([[0, 2, 1]])))
    expected = [
        0,
        0.5 * near[1, 2],
        near[1, 2],
        0.5 * near[2, 3] + near[1, 3],
        0,
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_ease_by_its_normal_equations():
    """Each column is the ridge regression of an item on all the others."""
    generator = np.random.default_rng(0)
    rows = generator.integers(0, 6, (30, 4)).astype("int32")
    sessions = np.zeros((30, 6))
    for row, of_row in zip(sessions, rows, strict=True):
        row[of_row[of_row > 0]] = 1
    model = nextitnet_tf.EASE(5, ridge=3.0, decay=0.5)
    model.adapt(rows)
    kernel = np.array(model.kernel)
    for item in range(1, 6):
        others = [i for i in range(1, 6) if i != item]
        x = sessions[:, others]
        weights = np.linalg.solve(
            x.T @ x + 3.0 * np.eye(4), x.T @ sessions[:, item]
        )
        np.testing.assert_allclose(kernel[others, item], weights, atol=1e-5)
        assert kernel[item, item] == 0
    (scores,) = np.array(model(np.array([[0, 2, 4]])))
    np.testing.assert_allclose(
        scores, 0.5 * kernel[2] + kernel[4], rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", ["Markov", "ItemKNN", "EASE", "MostPop"])
def test_they_are_saved_and_asked(name, tmp_path):
    model = getattr(nextitnet_tf, name)(4)
    model.adapt(ROWS)
    model.vocabulary = Vocabulary([None, *"abcd"], [0, 3, 2, 2, 1], 0, 3)
    model.save(tmp_path / "model.keras")
    again = saved.load_model(tmp_path / "model.keras")
    assert again.get_config() == model.get_config()
    item_ids = np.array([[0, 1, 2], [3, 1, 4]], "int32")
    np.testing.assert_array_equal(again(item_ids), model(item_ids))
    assert again.recommend([["c", "a"]], k=2)[0][0] == (
        "b" if name != "MostPop" else "b"
    )
    checks.check_batch_independence(model)


def test_padding_wherever_the_vocabulary_has_it():
    """Protocol release gives padding an id of its own."""
    moved = np.array([[0, 1, 2], [0, 1, 3], [4, 2, 0]]) + 0
    for name in ("Markov", "ItemKNN", "EASE"):
        model = getattr(nextitnet_tf, name)(4, padding_id=4)
        model.adapt(moved.astype("int32"))
        usual = getattr(nextitnet_tf, name)(4)
        usual.adapt(np.where(moved == 4, 0, moved + 1).astype("int32"))
        np.testing.assert_allclose(
            np.array(model(np.array([[4, 1, 2]])))[:, :4],
            np.array(usual(np.array([[0, 2, 3]])))[:, 1:],
            rtol=1e-6,
        )


def test_what_is_refused():
    with pytest.raises(ValueError, match="num_items=15001"):
        nextitnet_tf.EASE(15_001)
    for wrong in ({"order": 0}, {"decay": 0.0}, {"decay": 1.5}):
        with pytest.raises(ValueError, match="Received: order="):
            nextitnet_tf.Markov(4, **wrong)
    with pytest.raises(ValueError, match="ridge=0"):
        nextitnet_tf.EASE(4, ridge=0)
    with pytest.raises(ValueError, match="num_neighbours=0"):
        ItemNeighbours(4, 0)


def test_the_layer_keeps_its_configuration():
    layer = ItemNeighbours(4, 2)
    checks.check_layer(
        layer, np.array([[1, 2]], "int32"), np.array([0.5, 1.0], "float32")
    )
