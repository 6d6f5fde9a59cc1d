"""SSE-PT: the release's numbers, its replacements, what models must have."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from nextitnet_tf import SSEPT
from nextitnet_tf import Recipe
from nextitnet_tf import Stacker
from nextitnet_tf import Stage
from nextitnet_tf import data
from nextitnet_tf import layers
from nextitnet_tf import release
from nextitnet_tf import training
from nextitnet_tf.recipe import PROTOCOLS
from tests import checks
from tests import test_sasrec


def make_model(**config):
    return SSEPT(
        **{
            "num_items": 20,
            "num_users": 5,
            "num_blocks": 2,
            "embedding_dim": 8,
            "max_length": 12,
            "num_heads": 2,
            **config,
        }
    )


@pytest.fixture(scope="module")
def golden():
    path = test_sasrec.GOLDEN / "ssept.npz"
    with np.load(path, allow_pickle=False) as npz:
        return {key: npz[key] for key in npz.files}


# --- the release ----------------------------------------------------------


def weight_of(model, key):
    if key == "user_embeddings.weight":
        return model.user_embedding.embeddings
    return test_sasrec.weight_of(model, key)


def test_logits_loss_and_every_gradient_of_the_release(golden, tmp_path):
    state = {
        key.removeprefix("state/"): tensor
        for key, tensor in golden.items()
        if key.startswith("state/")
    }
    np.savez(tmp_path / "state.npz", **state)
    model = release.load_state_dict(tmp_path / "state.npz", num_heads=2)
    assert isinstance(model, SSEPT) and model.num_users == 9
    assert len(model.trainable_variables) == 16 * 12 + 7 == len(state)
    users = golden["users"][:, 0]
    inputs, targets = golden["sequences"][:, :-1], golden["sequences"][:, 1:]
    largest = np.abs(golden["last_logits"]).max()
    np.testing.assert_allclose(
        model((inputs, users)),
        golden["last_logits"],
        rtol=0,
        atol=1e-5 * largest,
    )
    every = model.item_softmax(model.encode((inputs, users)))
    np.testing.assert_allclose(
        tf.reshape(every, (-1, 47)),
        golden["all_logits"],
        rtol=0,
        atol=1e-5 * np.abs(golden["all_logits"]).max(),
    )
    model.item_replacement = model.user_replacement = 0.0
    model.compile()
    uniform = np.full(targets.shape, 1 / targets.size, "float32")
    weights = [weight_of(model, key).value for key in state]
    with tf.GradientTape() as tape:
        loss = model.compute_loss(
            (inputs, users), targets, sample_weight=uniform
        )
    assert float(loss) == pytest.approx(float(golden["loss"]), rel=1e-5)
    for key, gradient in zip(state, tape.gradient(loss, weights), strict=True):
        expected = test_sasrec.in_our_shape(key, golden[f"grad/{key}"])
        if key.endswith("fc2.bias"):
            assert np.abs(gradient).max() < 1e-6
            continue
        np.testing.assert_allclose(
            tf.convert_to_tensor(gradient),
            expected,
            rtol=0,
            atol=1e-4 * np.abs(expected).max(),
            err_msg=key,
        )


# --- what every model must have -------------------------------------------


@pytest.mark.parametrize("variant", ["stackrec", "original"])
def test_ssept(tmp_path, variant):
    checks.check_model(make_model(variant=variant), tmp_path)


def test_mixed_precision():
    checks.check_mixed_precision(make_model(dtype="mixed_bfloat16"), "bfloat16")


def test_user_embedding():
    layer = layers.UserEmbedding(3, 2)
    checks.check_layer(layer, np.array([2, 0], "int32"))
    table = np.array([[1.0, 2.0], [3.0, 6.0], [5.0, 1.0]], "float32")
    layer.set_weights([table])
    found = np.array(layer(np.array([1, -1, 3, 0])))
    np.testing.assert_allclose(found, [[3, 6], [3, 3], [3, 3], [1, 2]])
    with pytest.raises(ValueError, match="num_users=0"):
        layers.UserEmbedding(0, 2)


@pytest.mark.parametrize("variant", ["stackrec", "original"])
def test_a_user_changes_the_scores_and_an_unknown_one_is_the_mean(variant):
    model = make_model(variant=variant)
    checks.scramble(model)
    item_ids = checks.histories_for(model)
    one = np.array(model((item_ids, np.array([0, 1, 2, 3]))))
    other = np.array(model((item_ids, np.array([0, 1, 2, 4]))))
    np.testing.assert_array_equal(one[:3], other[:3])
    assert not np.allclose(one[3], other[3])
    # Were all users alike, it would not matter who it is.
    table = model.user_embedding.get_weights()[0]
    model.user_embedding.set_weights([np.tile(table.mean(0), (5, 1))])
    alike = np.array(model((item_ids, np.array([0, 1, 2, 3]))))
    model.user_embedding.set_weights([table])
    np.testing.assert_allclose(model(item_ids), alike, rtol=1e-4, atol=1e-5)


def test_arguments():
    with pytest.raises(ValueError, match="embedding_dim=7"):
        make_model(embedding_dim=7)
    with pytest.raises(ValueError, match=r"item_replacement=1\.5"):
        make_model(item_replacement=1.5)
    with pytest.raises(ValueError, match="num_users=0"):
        make_model(num_users=0)


def test_stacking_copies_users():
    shallow = make_model()
    checks.scramble(shallow)
    deep = Stacker(method="adjacent", preset="release").stack(shallow)
    np.testing.assert_array_equal(
        deep.user_embedding.get_weights()[0],
        shallow.user_embedding.get_weights()[0],
    )


# --- replacements ---------------------------------------------------------


def seen_in_training(model, item_ids, user_ids, targets):
    """Inputs, users and targets that a step of training computes with."""
    seen = {}
    encode = model.encode
    model.encode = lambda inputs, training: (
        seen.update(inputs=inputs) or encode(inputs, training)
    )
    _, found_targets, weights = model.encode_for_loss(
        (item_ids, user_ids),
        targets,
        np.ones(targets.shape, "float32"),
        training=True,
    )
    model.encode = encode
    assert np.array(weights).all()
    (found_items, found_users) = seen["inputs"]
    return tuple(np.array(x) for x in (found_items, found_users, found_targets))


def test_what_is_replaced_and_what_is_not():
    model = make_model(num_users=50, user_replacement=0.8, item_replacement=0.3)
    generator = np.random.default_rng(0)
    rows = generator.integers(1, 21, (2000, 6)).astype("int32")
    rows[:1000, :3] = 0
    users = generator.integers(0, 50, 2000).astype("int32")
    items, who, targets = seen_in_training(
        model, rows[:, :-1], users, rows[:, 1:]
    )
    # Of targets: what is replaced is asked for; the last one never is.
    np.testing.assert_array_equal(targets[:, :-1], items[:, 1:])
    np.testing.assert_array_equal(targets[:, -1], rows[:, -1])
    np.testing.assert_array_equal(items[:, 0], rows[:, 0])
    assert (items[:1000, :3] == 0).all()
    assert items.min() == 0 and items[1000:].min() == 1 and items.max() == 20
    # A draw hits the same item once in 20, the same user once in 50.
    # 5000 items: one standard error is below 0.007; 2000 users: below 0.01.
    candidates = items[1000:, 1:]
    share = (candidates != rows[1000:, 1:-1]).mean()
    assert share == pytest.approx(0.3 * 19 / 20, abs=0.03)
    assert (who != users).mean() == pytest.approx(0.8 * 49 / 50, abs=0.04)
    assert who.min() >= 0 and who.max() == 49


def test_nothing_is_replaced_outside_of_training_or_when_rows_are():
    model = make_model(overwrites_rows=True)
    rows = checks.histories_for(model, num_rows=30, length=6)
    users = np.arange(30, dtype="int32") % 5
    items, who, targets = seen_in_training(
        model, rows[:, :-1], users, rows[:, 1:]
    )
    np.testing.assert_array_equal(items, rows[:, :-1])
    np.testing.assert_array_equal(who, users)
    np.testing.assert_array_equal(targets, rows[:, 1:])
    changed, changed_users = rows.copy(), users.copy()
    model.item_replacement = model.user_replacement = 1.0
    model.overwrite(changed, changed_users, np.random.default_rng(0))
    for column in (0, -1):
        np.testing.assert_array_equal(changed[:, column], rows[:, column])
    assert (changed[rows == 0] == 0).all()
    inner = (slice(None), slice(1, -1))
    assert (changed[inner] != rows[inner]).mean() > 0.8
    assert (changed_users != users).mean() > 0.5


def test_what_was_overwritten_stays_so(tmp_path):
    rows = np.arange(1, 13).reshape(4, 3)
    sessions = data.read_sessions(
        checks.write_sessions(tmp_path / "s", rows, users=[0, 1, 2, 3])
    )
    protocol = dataclasses.replace(PROTOCOLS["clean"], reshuffle=False)

    def overwrite(rows, users, generator):
        rows[:, 1] = 12
        users += 10

    dataset = data.make_training_dataset(
        sessions,
        np.array([2, 0, 3]),
        2,
        protocol,
        with_users=True,
        overwrite=overwrite,
    )
    batches = list(dataset.take(3).as_numpy_iterator())
    (items, users), targets, weights = batches[0]
    assert items.tolist() == [[7, 12], [1, 12]]
    assert targets.tolist() == [[12, 9], [12, 3]]
    assert users.tolist() == [12, 10]
    assert weights.sum() == pytest.approx(1)
    assert batches[2][0][1].tolist() == [22, 20]
    assert sessions.rows.tolist() == rows.tolist()
    assert sessions.users.tolist() == [0, 1, 2, 3]


# --- training -------------------------------------------------------------


@pytest.mark.parametrize("name", ["release", "clean"])
def test_training(tmp_path, name):
    generator = np.random.default_rng(0)
    rows = generator.integers(1, 9, (60, 6))
    rows[:10, :2] = 0
    folder = checks.write_sessions(
        tmp_path / "s", rows, users=np.arange(60) % 12
    )
    protocol = dataclasses.replace(PROTOCOLS[name], split="rows")
    if name == "clean":
        protocol = dataclasses.replace(protocol, nesting="prefix")
    sessions = data.read_sessions(folder, protocol.item_ids)
    recipe = Recipe(
        stages=(
            Stage(1, max_steps=4, eval_every=2),
            Stage(2, method="adjacent", max_steps=2, eval_every=2),
        ),
        protocol=protocol,
        model="ssept",
        model_config={"embedding_dim": 8},
        batch_size=8,
    )
    runs = training.run(recipe, sessions, tmp_path / "runs", verbose=0)
    model = runs[-1].load_model()
    assert model.num_users == 12 and len(model.blocks) == 2
    assert model.overwrites_rows == (name == "release")
    # Users are part of what is evaluated.
    training.compile_model(model, recipe, sessions, jit_compile=False)
    parts = data.split(sessions, protocol)
    expected = runs[-1].summary["test"]["mrr_at_5"]
    found = training.evaluate(model, sessions, parts.test, recipe)
    assert found["mrr_at_5"] == pytest.approx(expected, rel=1e-5)
    (answer,) = model.recommend([[101, 102]], k=2)
    assert len(answer) == 2


def test_users_on_one_side_only_are_refused(tmp_path):
    rows = np.random.default_rng(0).integers(1, 9, (40, 6))
    sessions = data.read_sessions(checks.write_sessions(tmp_path / "s", rows))
    recipe = Recipe(stages=(Stage(1),), model="ssept")
    with pytest.raises(ValueError, match="split='users'"):
        training.run(recipe, sessions, tmp_path / "runs", verbose=0)
