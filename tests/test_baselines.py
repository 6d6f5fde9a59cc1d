"""GRU4Rec, Caser and NFM: by hand, and what models must have."""

import keras
import numpy as np
import pytest

from nextitnet_tf import NFM
from nextitnet_tf import Caser
from nextitnet_tf import GRU4Rec
from nextitnet_tf import Recipe
from nextitnet_tf import Stacker
from nextitnet_tf import Stage
from nextitnet_tf import data
from nextitnet_tf import training
from tests import checks

MODELS = {
    "gru4rec": lambda **config: GRU4Rec(20, embedding_dim=8, **config),
    "caser": lambda **config: Caser(
        20, embedding_dim=8, num_horizontal=3, **config
    ),
    "nfm": lambda **config: NFM(20, embedding_dim=8, **config),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_every_model_must_have(name, tmp_path):
    checks.check_model(MODELS[name](), tmp_path)


@pytest.mark.parametrize("name", MODELS)
def test_mixed_precision(name):
    checks.check_mixed_precision(
        MODELS[name](dtype="mixed_bfloat16"), "bfloat16"
    )


@pytest.mark.parametrize("name", MODELS)
def test_training_and_no_stacking(name, tmp_path):
    """Learns to count upwards from 1 to 8, all but its dropout."""
    rows = (np.arange(160)[:, None] + np.arange(6)) % 8 + 1
    sessions = data.read_sessions(checks.write_sessions(tmp_path / "s", rows))
    recipe = Recipe(
        stages=(Stage(1, max_steps=60, eval_every=30),),
        model=name,
        model_config={"embedding_dim": 16},
        batch_size=32,
        learning_rate=0.02,
    )
    (run,) = training.run(recipe, sessions, tmp_path / "runs", verbose=0)
    # NFM has to find out from the set which item was last. Knowing no more
    # than that it is none of the five gives (1 + 1/2 + 1/3) / 3 = 0.61.
    assert run.summary["test"]["mrr_at_5"] > (0.7 if name == "nfm" else 0.9)
    model = run.load_model()
    (answer,) = model.recommend([[101, 102, 103, 104, 105]], k=1)
    assert answer == [106] or name == "nfm"
    with pytest.raises(ValueError, match="needs a model with blocks"):
        Stacker().stack(model)


def test_gru_by_hand():
    """One unit; z, r and the candidate as in Cho et al. (2014)."""
    model = GRU4Rec(num_items=2, embedding_dim=1)
    model.item_embedding.set_weights([np.array([[0.0], [1.0], [-2.0]])])
    kernel = np.array([[0.5, -1.0, 0.7]])  # update, reset, candidate
    recurrent = np.array([[0.3, 0.2, -0.4]])
    bias = np.array([[0.1, 0.2, 0.3], [0.0, 0.1, -0.2]])
    model.recurrent[0].set_weights([kernel, recurrent, bias])

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    h, expected = 0.0, []
    for x in (1.0, -2.0):
        z = sigmoid(0.5 * x + 0.1 + 0.3 * h)
        r = sigmoid(-x + 0.2 + 0.2 * h + 0.1)
        c = np.tanh(0.7 * x + 0.3 + r * (-0.4 * h - 0.2))
        h = z * h + (1 - z) * c
        expected.append(h)
    found = np.array(model.encode(np.array([[1, 2]])))[0, :, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_caser_by_hand():
    """One channel, window 3: filters see at most the latest three items."""
    model = Caser(
        num_items=3,
        embedding_dim=1,
        window=3,
        heights=(1, 2),
        num_horizontal=1,
        dropout_rate=0.5,
    )
    model.item_embedding.set_weights([np.array([[0.0], [1.0], [-2.0], [3.0]])])
    model.horizontal[0].set_weights([np.array([[[2.0]]]), np.zeros(1)])
    model.horizontal[1].set_weights(
        [np.array([[[1.0]], [[-1.0]]]), np.array([0.5])]
    )
    # Rows of the image: 0.1 of the oldest, 0.2, 1 of the latest.
    vertical = np.array([0.1, 0.2, 1.0]).reshape(3, 1, 1, 1)
    model.vertical.set_weights([vertical, np.zeros(1)])
    model.dense.set_weights([np.array([[1.0], [10.0], [100.0]]), np.zeros(1)])
    # Items 3, 1, 2, 1: vectors 3, 1, -2, 1.
    # Height 1, twice the largest of the latest 3: 6, 6, 6, 2.
    # Height 2, previous - this + 0.5, at least 0, largest of the latest 2:
    # (0 - 3 + .5 -> 0), (2.5), (3.5), (-2.5 -> 0): 0, 2.5, 3.5, 3.5.
    # Vertical: 3; 1 + .6; -2 + .2 + .3 -> 0; 1 - .4 + .1.
    expected = [
        6 + 0 + 300,
        6 + 25 + 160,
        6 + 35 + 0,
        2 + 35 + 70,
    ]
    found = np.array(model.encode(np.array([[3, 1, 2, 1]])))[0, :, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_nfm_by_hand():
    model = NFM(num_items=3, embedding_dim=1)
    model.item_embedding.set_weights([np.array([[9.0], [1.0], [2.0], [-3.0]])])
    model.linear_embedding.set_weights([np.array([[9.0], [0.1], [0.2], [0.3]])])
    # gamma, beta, mean, variance (and Keras' epsilon, 1e-3).
    model.norm.set_weights([np.array([x]) for x in (2.0, 1.0, 0.5, 4.0 - 1e-3)])
    model.dense.set_weights([np.array([[3.0]]), np.array([0.5])])
    # Pairs: nothing for a padding or a first item, 1 * 2, then
    # 1 * 2 - 1 * 3 - 2 * 3.
    pooled = np.array([0.0, 0.0, 2.0, 2.0 - 3.0 - 6.0])
    normed = 2 * (pooled - 0.5) / 2 + 1
    linear = np.array([0.0, 0.1, 0.3, 0.6])
    expected = np.maximum(3 * normed + 0.5, 0) + linear
    found = np.array(model.encode(np.array([[0, 1, 2, 3]])))[0, :, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_nfm_does_not_know_an_order():
    model = MODELS["nfm"]()
    checks.scramble(model)
    one = np.array(model(np.array([[3, 7, 5, 2]])))
    other = np.array(model(np.array([[5, 2, 3, 7]])))
    np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_arguments():
    with pytest.raises(ValueError, match=r"heights=\(2, 9\), window=5"):
        Caser(20, window=5, heights=(2, 9))
    with pytest.raises(ValueError, match="num_vertical=0"):
        Caser(20, num_vertical=0)
    with pytest.raises(ValueError, match="num_layers=0"):
        GRU4Rec(20, num_layers=0)


def test_dropout_is_for_training_only():
    for make in MODELS.values():
        config = {} if make is MODELS["nfm"] else {"dropout_rate": 0.5}
        model = make(**config)
        checks.scramble(model)
        item_ids = checks.histories_for(model)
        still = np.array(model.encode(item_ids))
        np.testing.assert_array_equal(model.encode(item_ids), still)
        again = keras.ops.convert_to_numpy(
            model.encode(item_ids, training=True)
        )
        assert not np.allclose(again, still)
