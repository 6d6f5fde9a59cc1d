"""`nextitnet_tf.train`: from sessions to a model in one call."""

import dataclasses

import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.protocol import PROTOCOLS
from nextitnet_tf.training import trained
from nextitnet_tf.tuned import TUNED

SHORT = {
    **{"max_steps": 4, "eval_every": 2, "budget_in": "steps"},
    **{"batch_size": 16, "embedding_dim": 8, "verbose": 0},
}


@pytest.fixture(scope="module", name="sessions")
def fixture_sessions():
    """60 users who walk upwards from item to item."""
    users, steps = np.divmod(np.arange(60 * 6), 6)
    return data.Sessions.from_interactions(
        {"user": users, "item": (users + steps) % 7 + 100, "time": steps},
        t=6,
    )


def test_a_model_is_trained_kept_and_found_again(sessions, tmp_path):
    model = nextitnet_tf.train(
        sessions, num_blocks=(1, 2), folder=tmp_path, **SHORT
    )
    runs = sorted(path.name for path in tmp_path.glob("nextitnet-*/"))
    assert [name.split("-")[1] for name in runs] == ["1", "2"]
    assert model.recommend([[101, 102]], k=3)[0]
    again = nextitnet_tf.train(
        sessions, num_blocks=(1, 2), folder=tmp_path, **SHORT
    )
    for ours, theirs in zip(
        model.get_weights(), again.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_metrics_are_those_of_the_run(sessions, tmp_path):
    model = nextitnet_tf.train(
        sessions, num_blocks=1, folder=tmp_path, seed=3, **SHORT
    )
    (path,) = tmp_path.glob("nextitnet-1-*/")
    expected = training.Run.read(path).summary["test"]
    found = model.evaluate_sessions(data.part(sessions, "test"))
    assert found == pytest.approx(
        {name: expected[name] for name in found}, abs=1e-6
    )
    assert found["num_sessions"] == 6
    with pytest.raises(TypeError, match="from_interactions.*a dict"):
        model.evaluate_sessions({"user": [1], "item": [2]})


def test_a_compression_is_an_argument_as_for_the_model(sessions):
    small = nextitnet_tf.Compression(
        (2, sessions.num_items + 1), (4, 2), (4, 2)
    )
    model = nextitnet_tf.train(
        sessions, num_blocks=1, compression=small, **SHORT
    )
    assert model.compression == small


def test_what_was_tuned_is_the_default():
    assert trained.recipe_for("nextitnet") == TUNED["nextitnet"]
    found = trained.recipe_for("grec")
    assert [stage.num_blocks for stage in found.stages] == [2, 4, 8]
    assert [s.method for s in found.stages] == [None, "adjacent", "adjacent"]
    assert found.protocol == PROTOCOLS["clean"]


def test_options_change_what_was_tuned():
    found = trained.recipe_for(
        "sasrec",
        (2, 4),
        max_steps=3,
        eval_every=1,
        batch_size=7,
        model_config={"num_heads": 2},
    )
    tuned = TUNED["sasrec"]
    assert [stage.num_blocks for stage in found.stages] == [2, 4]
    # Steps that are said without their unit are steps.
    assert found.stages[1].budget_in == "steps"
    assert (found.stages[1].max_steps, found.batch_size) == (3, 7)
    assert found.learning_rate == tuned.learning_rate
    assert found.model_config == {**tuned.model_config, "num_heads": 2}


def test_a_tree_has_no_smoothed_labels():
    assert TUNED["gru4rec"].label_smoothing > 0
    found = trained.recipe_for("gru4rec", model_config={"compression": "auto"})
    assert found.label_smoothing == 0
    found = trained.recipe_for(
        "gru4rec",
        protocol=dataclasses.replace(
            TUNED["gru4rec"].protocol, sampled_fraction=0.2
        ),
    )
    assert found.label_smoothing == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "nextit"}, "among caser.*Received: model='nextit'"),
        ({"model": "markov"}, "Received: model='markov'"),
        ({"model": "gru4rec", "num_blocks": 2}, "gru4rec has no blocks"),
        ({"num_block": 2}, "an option of nextitnet.*num_block=2"),
        ({"num_heads": 2}, "an option of nextitnet.*num_heads=2"),
        ({"num_blocks": (4, 2)}, "num_blocks|num_target"),
        ({"num_blocks": "4,8"}, "Expected depths, such as 8"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_what_is_refused(sessions, arguments, message):
    with pytest.raises(ValueError, match=message):
        nextitnet_tf.train(sessions, **arguments)


def test_the_best_on_validation():
    def run(value, config=(), has_model=True):
        recipe = dataclasses.replace(
            TUNED["nextitnet"], model_config=dict(config)
        )
        return type(
            "Run",
            (),
            {
                "recipe": recipe,
                "has_model": has_model,
                "summary": {"best_validation": value},
            },
        )

    low, high = run(0.1), run(0.2)
    assert trained.best_of([high, low]) is high
    assert trained.best_of([low, high]) is high
    assert trained.best_of([high, run(0.2)]) is high
    assert trained.best_of([run(0.9, has_model=False), low]) is low
    skipping = run(0.1, {"skip": {"policy": "cnn"}})
    assert trained.best_of([high, skipping]) is skipping


def test_parts(sessions):
    names = ("train", "validation", "test")
    sizes = [len(data.part(sessions, name).rows) for name in names]
    assert sizes == [48, 6, 6]
    users = [set(data.part(sessions, name).users) for name in names]
    assert not users[0] & users[1] and not users[0] & users[2]
    with pytest.raises(ValueError, match="name='all'"):
        data.part(sessions, "all")
