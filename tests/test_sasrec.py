"""SASRec: the release's numbers, the paper's form, what models must have."""

import dataclasses
import pathlib
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from nextitnet_tf import NextItNet
from nextitnet_tf import Recipe
from nextitnet_tf import SASRec
from nextitnet_tf import Stacker
from nextitnet_tf import Stage
from nextitnet_tf import data
from nextitnet_tf import layers
from nextitnet_tf import release
from nextitnet_tf import training
from nextitnet_tf.recipe import PROTOCOLS
from tests import checks

GOLDEN = pathlib.Path(__file__).parent / "golden"


def make_model(**config):
    return SASRec(
        **{
            "num_items": 20,
            "num_blocks": 2,
            "embedding_dim": 4,
            "max_length": 12,
            "num_heads": 2,
            **config,
        }
    )


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "sasrec.npz", allow_pickle=False) as npz:
        return {key: npz[key] for key in npz.files}


@pytest.fixture
def state(golden):
    return {
        key.removeprefix("state/"): tensor
        for key, tensor in golden.items()
        if key.startswith("state/")
    }


@pytest.fixture
def write_state(tmp_path):
    def write(tensors):
        np.savez(tmp_path / "state.npz", **tensors)
        return tmp_path / "state.npz"

    return write


# --- the release ----------------------------------------------------------


def weight_of(model, key):
    """By the release's key, written down apart from the code under test."""
    part = key.split(".")
    if part[0] != "transformers":
        return {
            "item_embeddings.weight": model.item_embedding.embeddings,
            "pos_embeddings.weight": model.position_embedding.embeddings,
            "layer_norm_pre.weight": model.norm.gamma,
            "layer_norm_pre.bias": model.norm.beta,
            "final.weight": model.item_softmax.kernel,
            "final.bias": model.item_softmax.bias,
        }[key]
    block = model.blocks[int(part[1])]
    is_attention = part[2] == "SelfAttention"
    if part[3] == "rez":
        return (block.rezero1 if is_attention else block.rezero2).alpha
    if part[3] == "layer_norm":
        norm = block.norm1 if is_attention else block.norm2
        return norm.gamma if part[4] == "weight" else norm.beta
    layer = {
        "fc1": block.attention.query,
        "fc2": block.attention.key,
        "fc3": block.attention.value,
        "inner_cnn": block.inner,
        "readout_cnn": block.outer,
    }[part[3]]
    return layer.kernel if part[4] == "weight" else layer.bias


def in_our_shape(key, tensor):
    if key.endswith(".rez"):
        return tensor[0]
    if key.endswith("cnn.weight"):
        tensor = tensor[..., 0]
    is_dense = "transformers" in key and "norm" not in key
    return tensor.T if is_dense else tensor


def test_logits_loss_and_every_gradient_of_the_release(
    golden, state, write_state
):
    model = release.load_state_dict(write_state(state), num_heads=2)
    assert len(model.blocks) == 12
    assert len(model.trainable_variables) == 16 * 12 + 6 == len(state)
    inputs, targets = golden["sequences"][:, :-1], golden["sequences"][:, 1:]
    largest = np.abs(golden["last_logits"]).max()
    np.testing.assert_allclose(
        model(inputs), golden["last_logits"], rtol=0, atol=1e-5 * largest
    )
    every = model.item_softmax(model.encode(inputs))
    np.testing.assert_allclose(
        tf.reshape(every, (-1, 47)),
        golden["all_logits"],
        rtol=0,
        atol=1e-5 * np.abs(golden["all_logits"]).max(),
    )
    model.compile()
    uniform = np.full(targets.shape, 1 / targets.size, "float32")
    weights = [weight_of(model, key).value for key in state]
    with tf.GradientTape() as tape:
        loss = model.compute_loss(inputs, targets, sample_weight=uniform)
    assert float(loss) == pytest.approx(float(golden["loss"]), rel=1e-5)
    for key, gradient in zip(state, tape.gradient(loss, weights), strict=True):
        expected = in_our_shape(key, golden[f"grad/{key}"])
        if key.endswith("fc2.bias"):
            # Softmax does not see it: 0 but for rounding.
            assert np.abs(gradient).max() < 1e-6
            continue
        np.testing.assert_allclose(
            tf.convert_to_tensor(gradient),
            expected,
            rtol=0,
            atol=1e-4 * np.abs(expected).max(),
            err_msg=key,
        )


def test_a_state_that_is_not_a_sasrecs(state, write_state, tmp_path):
    def message(tensors):
        with pytest.raises(ValueError) as error:
            release.load_state_dict(write_state(tensors), num_heads=2)
        return str(error.value)

    without = dict(state)
    del without["transformers.3.ff.inner_cnn.bias"]
    assert "transformers.3.ff.inner_cnn.bias" in message(without)
    assert "extra" in message({**state, "extra": np.zeros(2)})
    wrong = {**state, "final.bias": np.zeros(5, "float32")}
    assert "final.bias" in message(wrong) and "(5,)" in message(wrong)
    name = "transformers.3.ff.inner_cnn.weight"
    flat = {**state, name: np.squeeze(state[name], axis=2)}
    assert name in message(flat) and str(flat[name].shape) in message(flat)
    assert "item_embeddings.weight" in message({"a": np.zeros(2)})
    with pytest.raises(ValueError, match="which is no file"):
        release.load_state_dict(tmp_path / "nothing.npz")


def test_a_pickle_is_refused_with_the_way_out(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"final.bias": [1.0]}))
    with pytest.raises(ValueError, match="torch.load.*weights_only=True"):
        release.load_state_dict(path)


# --- what every model must have -------------------------------------------


@pytest.mark.parametrize("use_alpha", [True, False])
@pytest.mark.parametrize("variant", ["stackrec", "original"])
def test_sasrec(tmp_path, variant, use_alpha):
    model = make_model(variant=variant, use_alpha=use_alpha)
    checks.check_model(model, tmp_path)


@pytest.mark.parametrize("variant", ["stackrec", "original"])
def test_mixed_precision(variant):
    checks.check_mixed_precision(
        make_model(variant=variant, dtype="mixed_bfloat16"), "bfloat16"
    )


def test_layers():
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    checks.check_layer(layers.PositionEmbedding(7), x)
    checks.check_layer(layers.SelfAttention(4, num_heads=2), x)
    for norm_first in (False, True):
        checks.check_layer(
            layers.TransformerBlock(4, num_heads=2, norm_first=norm_first), x
        )


def test_a_fresh_model_is_its_embedding():
    """Alphas 0; a norm of a norm changes nothing but its epsilon."""
    model = make_model()
    checks.scramble(model)
    for block in model.blocks:
        for layer in (block.rezero1, block.rezero2):
            layer.set_weights([np.array(0.0)])
        for layer in (block.norm1, block.norm2):
            layer.set_weights([np.ones(4), np.zeros(4)])
    model.norm.set_weights([np.ones(4), np.zeros(4)])
    item_ids = checks.histories_for(model)
    first = model.norm(model.position_embedding(model.item_embedding(item_ids)))
    np.testing.assert_allclose(model.encode(item_ids), first, rtol=1e-3)


def test_paddings_of_the_original_are_not_looked_at():
    model = make_model(variant="original")
    checks.scramble(model)
    history = np.array([[0, 0, 0, 5, 7, 2]])
    hidden = np.array(model.encode(history))
    # A padding in the middle is left out of all that comes after it ...
    gap = np.array([[0, 0, 0, 5, 0, 2]])
    # ... so whatever its embedding is, the last position does not know it.
    after = np.array(model(gap))
    table = model.item_embedding.get_weights()[0]
    # (The output is tied to the table, so only other columns can be compared.)
    table[0] += 3.0
    model.item_embedding.set_weights([table])
    np.testing.assert_allclose(
        np.array(model.encode(history)), hidden, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(np.array(model(gap))[:, 1:], after[:, 1:])
    # Position by hand: the first item attends to itself alone.
    alone = np.array(model.encode(np.array([[0, 0, 0, 5]])))
    np.testing.assert_allclose(alone[0, 3], hidden[0, 3], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("variant", ["stackrec", "original"])
@pytest.mark.parametrize("tie_output", [None, True, False])
def test_the_output_is_tied_or_its_own(variant, tie_output):
    model = make_model(variant=variant, tie_output=tie_output)
    checks.scramble(model)
    item_ids = checks.histories_for(model)
    last = np.array(model.encode(item_ids))[:, -1]
    is_tied = variant == "original" if tie_output is None else tie_output
    if is_tied:
        kernel, bias = model.item_embedding.get_weights()[0], 0
    else:
        kernel, bias = model.item_softmax.get_weights()
    np.testing.assert_allclose(
        np.array(model(item_ids)), last @ kernel.T + bias, rtol=1e-4, atol=1e-5
    )
    assert model.get_config()["tie_output"] is is_tied
    clone = type(model).from_config(model.get_config())
    assert len(clone.weights) == len(model.weights)


def test_one_block_of_the_original_by_hand():
    model = make_model(
        variant="original", num_blocks=1, embedding_dim=2, num_heads=1
    )
    checks.scramble(model)
    item_ids = np.array([[3, 9]])
    table = np.float64(model.item_embedding.get_weights()[0])
    places = np.float64(model.position_embedding.get_weights()[0])
    block = model.blocks[0]

    def norm(x, layer):
        gamma, beta = layer.get_weights()
        centred = x - x.mean(-1, keepdims=True)
        variance = (centred**2).mean(-1, keepdims=True)
        return centred / np.sqrt(variance + 1e-5) * gamma + beta

    def dense(x, layer):
        kernel, bias = layer.get_weights()
        return x @ kernel + bias

    x = table[item_ids[0]] * np.sqrt(2) + places[:2]
    n = norm(x, block.norm1)
    query, key, value = (
        dense(n, layer)
        for layer in (
            block.attention.query,
            block.attention.key,
            block.attention.value,
        )
    )
    scores = np.exp(query @ key.T / np.sqrt(2)) * np.array([[1, 0], [1, 1]])
    attended = scores / scores.sum(-1, keepdims=True) @ value
    y = x + float(block.rezero1.alpha) * attended
    inner = np.maximum(dense(norm(y, block.norm2), block.inner), 0)
    z = y + float(block.rezero2.alpha) * dense(inner, block.outer)
    hidden = norm(z, model.norm)
    np.testing.assert_allclose(
        np.array(model.encode(item_ids))[0], hidden, rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        np.array(model(item_ids))[0],
        hidden[1] @ table.T,
        rtol=1e-4,
        atol=1e-5,
    )


def test_dropout_is_for_training_only():
    model = make_model(dropout_rate=0.5)
    checks.scramble(model)
    item_ids = checks.histories_for(model)
    still = np.array(model.encode(item_ids))
    np.testing.assert_array_equal(model.encode(item_ids), still)
    assert not np.allclose(model.encode(item_ids, training=True), still)


def test_arguments():
    with pytest.raises(ValueError, match="embedding_dim=4, num_heads=3"):
        make_model(num_heads=3)
    with pytest.raises(ValueError, match="variant='paper'"):
        make_model(variant="paper")
    with pytest.raises(ValueError, match="max_length=0"):
        make_model(max_length=0)
    with pytest.raises(ValueError, match="a history of 13"):
        make_model()(np.ones((1, 13), "int32"))


# --- stacking -------------------------------------------------------------


def test_what_the_release_copies_of_a_transformer():
    shallow = make_model(num_blocks=3)
    checks.scramble(shallow)
    deep = Stacker(method="cross", preset="release").stack(shallow, 4)
    fresh = make_model(num_blocks=4)
    sources = {0: 0, 1: 1, 2: 2, 3: 2}
    for i, block in enumerate(deep.blocks):
        source = shallow.blocks[sources[i]]
        for name in ("query", "key", "value"):
            for found, weight in zip(
                getattr(block.attention, name).get_weights(),
                getattr(source.attention, name).get_weights(),
                strict=True,
            ):
                np.testing.assert_array_equal(found, weight)
        for name in ("norm1", "norm2", "rezero1", "rezero2"):
            for found, weight in zip(
                getattr(block, name).get_weights(),
                getattr(fresh.blocks[0], name).get_weights(),
                strict=True,
            ):
                np.testing.assert_array_equal(found, weight)
        for name in ("inner", "outer"):
            assert not np.isclose(
                getattr(block, name).get_weights()[0],
                getattr(source, name).get_weights()[0],
            ).any()
    for name in ("item_embedding", "position_embedding"):
        np.testing.assert_array_equal(
            getattr(deep, name).get_weights()[0],
            getattr(shallow, name).get_weights()[0],
        )
    np.testing.assert_array_equal(deep.norm.get_weights()[0], np.ones(4))
    assert not np.isclose(
        deep.item_softmax.get_weights()[0],
        shallow.item_softmax.get_weights()[0],
    ).any()


@pytest.mark.parametrize("variant", ["stackrec", "original"])
def test_everything_is_copied_under_preset_paper(variant):
    shallow = make_model(variant=variant)
    checks.scramble(shallow)
    deep = Stacker(method="adjacent", preset="paper").stack(shallow)
    for block, source in zip(deep.blocks, [0, 0, 1, 1], strict=True):
        for found, weight in zip(
            block.get_weights(),
            shallow.blocks[source].get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(found, weight)
    item_ids = checks.histories_for(shallow)
    np.testing.assert_array_equal(
        deep.item_embedding(item_ids), shallow.item_embedding(item_ids)
    )
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(deep.item_softmax.kernel),
        keras.ops.convert_to_numpy(shallow.item_softmax.kernel),
    )


@pytest.mark.slow
def test_tied_copies_move_by_the_sum_of_their_steps(tmp_path, monkeypatch):
    """Plain gradient descent: the same as one weight in several places."""
    rows = np.random.default_rng(0).integers(1, 9, (20, 6))
    sessions = data.read_sessions(checks.write_sessions(tmp_path / "s", rows))
    recipe = Recipe(
        stages=(
            Stage(2, max_steps=1, eval_every=1),
            Stage(3, 1.0, "cross", "release", max_steps=2, eval_every=2),
        ),
        protocol=dataclasses.replace(PROTOCOLS["clean"], reshuffle=False),
        model="sasrec",
        model_config={"embedding_dim": 4},
        batch_size=16,
    )
    seen = []
    fit = keras.Model.fit

    def watching_fit(model, *args, **kwargs):
        # Alphas of 1, or no gradient reaches the copies.
        for block in model.blocks:
            for rezero in (block.rezero1, block.rezero2):
                rezero.set_weights([np.array(1.0)])
        model.optimizer = keras.optimizers.SGD(0.5)
        start = [w.copy() for w in model.get_weights()]
        result = fit(model, *args, **kwargs)
        seen.append((model, start))
        return result

    monkeypatch.setattr(keras.Model, "fit", watching_fit)
    training.run(recipe, sessions, tmp_path / "runs", verbose=0)
    assert list(seen[0][0].tied_blocks) == []
    deep, start = seen[1]
    assert [list(group) for group in deep.tied_blocks] == [[1, 2]]

    # One variable for both, the gradient of both, by hand.
    by_hand = make_model(num_items=8, num_blocks=3, max_length=5, num_heads=1)
    by_hand.set_weights(start)
    by_hand.compile()
    parts = data.split(sessions, recipe.protocol)
    batches = data.make_training_dataset(
        sessions, parts.train, 16, recipe.protocol
    )
    names = ("query", "key", "value")
    for inputs, targets, weights in batches.take(2):
        with tf.GradientTape() as tape:
            loss = by_hand.compute_loss(inputs, targets, None, weights)
        variables = [v.value for v in by_hand.trainable_variables]
        gradient = dict(
            zip(
                [v.path for v in by_hand.trainable_variables],
                tape.gradient(loss, variables),
                strict=True,
            )
        )
        for variable in by_hand.trainable_variables:
            step = gradient[variable.path]
            for mine, other in (
                ("block_1/", "block_2/"),
                ("block_2/", "block_1/"),
            ):
                if mine in variable.path and any(
                    f"attention/{name}/" in variable.path for name in names
                ):
                    step = step + gradient[variable.path.replace(mine, other)]
            variable.assign_sub(0.5 * step)
    for name in names:
        one, other, expected = (
            getattr(model.blocks[i].attention, name).get_weights()
            for model, i in ((deep, 1), (deep, 2), (by_hand, 1))
        )
        for a, b, c in zip(one, other, expected, strict=True):
            np.testing.assert_array_equal(a, b)
            np.testing.assert_allclose(a, c, rtol=1e-4, atol=1e-5)
    assert not np.allclose(
        deep.blocks[1].inner.get_weights()[0],
        deep.blocks[2].inner.get_weights()[0],
    )


def test_who_is_tied():
    shallow = make_model(num_blocks=2)
    for preset, switches, expected in (
        ("release", None, [[0, 1], [2, 3]]),
        ("best", None, []),
        ("release", {"tied": False}, []),
        ("best", {"tied": True}, [[0, 1], [2, 3]]),
    ):
        stacker = Stacker("adjacent", preset, switches)
        found = stacker.stack(shallow).tied_blocks
        assert [list(group) for group in found] == expected, preset
    network = NextItNet(num_items=5, num_blocks=1, embedding_dim=4)
    assert not Stacker("adjacent", "release").stack(network).tied_blocks
