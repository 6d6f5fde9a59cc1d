"""Stages of other sessions, and recipes that begin from a saved model."""

import dataclasses
import hashlib
import json

import keras
import numpy as np
import pytest

from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.models import saved
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.training import beginning
from nextitnet_tf.training import next_item
from tests.checks import write_sessions

SMALL = {"max_steps": 2, "eval_every": 2, "patience": 5}
MODEL = {"embedding_dim": 4, "dilation_rates": [1, 2]}
FIRST = Stage(2, **SMALL)
GOES_ON = Stage(2, method="continue", new_items="mean", **SMALL)


def counting(folder, names, num_rows=60):
    """Sessions of 20 users who go round through items, one step a time."""
    count = len(names)
    first = np.arange(num_rows) % count
    rows = (first[:, None] + np.arange(6)) % count + 1
    # Ids by falling frequency: the first ids once more.
    return data.read_sessions(
        write_sessions(
            folder,
            np.concatenate([rows, *[[[0] * 4 + [1, 1]]] * 3]),
            users=np.arange(num_rows + 3) % 20,
            raw_ids=names,
        )
    )


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    names = [f"i{k}" for k in range(8)]
    return counting(tmp_path_factory.mktemp("old") / "s", names)


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    """Two items are new, two are no longer there."""
    names = ["new", *(f"i{k}" for k in range(7, 1, -1)), "newer"]
    return counting(tmp_path_factory.mktemp("new") / "s", names)


def make_recipe(*stages, **changes):
    return Recipe(
        stages=stages,
        **{"model_config": MODEL, "batch_size": 16, **changes},
    )


def run(recipe, sessions, folder, **options):
    return training.run(
        recipe, sessions, folder, jit_compile=False, verbose=0, **options
    )


@pytest.fixture(scope="module")
def first(old, tmp_path_factory):
    """A trained model of the old items."""
    folder = tmp_path_factory.mktemp("runs")
    (found,) = run(make_recipe(FIRST), old, folder)
    return found


def from_it(first, *stages, **changes):
    start = beginning.start_of(first.model_path)
    return make_recipe(*stages, start=start, **changes)


# --- stages of other sessions ----------------------------------------------


def test_stages_of_different_sessions(old, new, tmp_path):
    recipe = make_recipe(FIRST, GOES_ON)
    before, after = run(recipe, [old, new], tmp_path)
    # The first is the run that it is without the second.
    assert before.name == next_item.NextItem(make_recipe(FIRST), old).names[0]
    assert after.load_model().vocabulary == new.vocabulary
    found = json.loads((after.folder / "run.json").read_text())["data"]
    assert found["fingerprint"] == new.fingerprint
    assert found["fingerprints_before"] == [old.fingerprint]
    assert after.summary["num_sessions"] == len(
        data.split(new, recipe.protocol).test
    )
    # Found again; another order of sessions is another run.
    assert training.read_run(recipe, [old, new], tmp_path) is not None
    assert training.read_run(recipe, [new, new], tmp_path) is None
    assert training.read_run(recipe, new, tmp_path) is None


def test_the_same_sessions_are_said_in_either_way(old):
    recipe = make_recipe(FIRST, dataclasses.replace(FIRST, method="continue"))
    one, each = (
        next_item.NextItem(recipe, sessions).names
        for sessions in (old, [old, old])
    )
    assert one == each


def test_sessions_for_some_of_the_stages(old):
    with pytest.raises(ValueError, match="each of the 1 stages.*Received: 2"):
        next_item.NextItem(make_recipe(FIRST), [old, old])


def test_users_are_numbers_of_other_sessions(old, new):
    recipe = make_recipe(
        FIRST,
        GOES_ON,
        model="ssept",
        model_config={"embedding_dim": 4},
        protocol=PROTOCOLS["release"],
    )
    with pytest.raises(ValueError, match="knows no users.*'ssept'"):
        next_item.NextItem(recipe, [old, new])


# --- from a saved model -----------------------------------------------------


def test_nothing_is_trained_in_no_steps(first, new, tmp_path):
    """What the stage begins as, row by row."""
    nothing = dataclasses.replace(GOES_ON, max_steps=0)
    (found,) = run(from_it(first, nothing), new, tmp_path)
    old_model, model = first.load_model(), found.load_model()
    old_table, table = (
        m.item_embedding.get_weights()[0] for m in (old_model, model)
    )
    ids = old_model.vocabulary.ids
    for raw, i in model.vocabulary.ids.items():
        expected = (
            old_table[ids[raw]]
            if raw in ids
            else old_table[1:].mean(axis=0)  # padding is no item
        )
        np.testing.assert_allclose(table[i], expected, atol=1e-6)
    np.testing.assert_array_equal(table[0], old_table[0])
    np.testing.assert_array_equal(
        model.blocks[1].conv1.get_weights()[0],
        old_model.blocks[1].conv1.get_weights()[0],
    )
    assert found.summary["best_step"] == 0 and found.summary["curve"] == []
    assert len(found.read_ranks()) == found.summary["num_sessions"] > 0


def test_items_that_are_gone_stay_known(first, new, old, tmp_path):
    both = new.with_items_of(old.vocabulary)
    assert both.vocabulary.raw_ids[-2:] == ["i0", "i1"]
    assert both.fingerprint != new.fingerprint
    nothing = dataclasses.replace(GOES_ON, max_steps=0)
    (found,) = run(from_it(first, nothing), both, tmp_path)
    model = found.load_model()
    np.testing.assert_array_equal(
        model.item_softmax.get_weights()[0][model.vocabulary.ids["i1"]],
        first.load_model().item_softmax.get_weights()[0][
            old.vocabulary.ids["i1"]
        ],
    )
    (answer,) = model.recommend([["i0", "new"]], k=2)
    assert len(answer) == 2


@pytest.mark.parametrize("new_items", ["co_occurring", "mean"])
def test_only_training_rows_say_how_items_begin(
    first, new, tmp_path, new_items
):
    """The rows of validation and test may not: all paddings but the target."""
    stage = dataclasses.replace(GOES_ON, max_steps=0, new_items=new_items)
    recipe = from_it(first, stage)
    parts = data.split(new, recipe.protocol)
    rows = new.rows.copy()
    rows[np.concatenate([parts.validation, parts.test]), :-1] = 1
    softmaxes = [
        run(recipe, sessions, tmp_path)[0]
        .load_model()
        .item_softmax.get_weights()
        for sessions in (new, dataclasses.replace(new, rows=rows))
    ]
    for one, other in zip(*softmaxes, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_depth_that_is_stacked(first, new, tmp_path):
    deep = Stage(4, method="cross", preset="paper", new_items="random", **SMALL)
    (found,) = run(from_it(first, deep), new, tmp_path)
    model = found.load_model()
    assert len(model.blocks) == 4
    assert model.num_items == new.num_items
    assert found.recipe == from_it(first, deep)  # out of run.json


def test_a_run_is_named_by_what_it_began_from(first, new, tmp_path):
    recipe = from_it(first, GOES_ON)
    (found,) = run(recipe, new, tmp_path)
    assert found.name.startswith("nextitnet-2-continue-100pct-seed0-")
    # The same file elsewhere is the same.
    copy = tmp_path / "copy.keras"
    copy.write_bytes(first.model_path.read_bytes())
    again = dataclasses.replace(recipe, start=beginning.start_of(copy))
    assert training.read_run(again, new, tmp_path) is not None
    # Another one is another, and so are other starts of new items.
    model = first.load_model()
    checks_out = model.item_embedding
    checks_out.set_weights([checks_out.get_weights()[0] + 1])
    model.save(copy)
    other = dataclasses.replace(recipe, start=beginning.start_of(copy))
    assert training.read_run(other, new, tmp_path) is None
    random = dataclasses.replace(GOES_ON, new_items="random")
    assert training.read_run(from_it(first, random), new, tmp_path) is None
    # What is written down is a digest, and where the file was.
    start = json.loads((found.folder / "run.json").read_text())["start"]
    assert start == {
        "source": hashlib.sha256(first.model_path.read_bytes()).hexdigest(),
        "path": str(first.model_path),
    }


def test_another_file_in_its_place(first, new, tmp_path):
    copy = tmp_path / "copy.keras"
    copy.write_bytes(first.model_path.read_bytes())
    start = beginning.start_of(copy)
    copy.write_bytes(copy.read_bytes() + b" ")
    with pytest.raises(ValueError, match="another file there"):
        run(make_recipe(GOES_ON, start=start), new, tmp_path / "runs")
    with pytest.raises(ValueError, match="which is no file"):
        beginning.start_of(tmp_path / "none.keras")


def test_a_start_by_the_name_of_its_run(first, new, tmp_path):
    start = dataclasses.replace(
        beginning.start_of(first.model_path), source=first.name
    )
    (found,) = run(make_recipe(GOES_ON, start=start), new, tmp_path)
    assert found.load_model().vocabulary == new.vocabulary
    other = dataclasses.replace(start, source="nextitnet-2-scratch")
    with pytest.raises(ValueError, match="the run nextitnet-2-scratch"):
        run(make_recipe(GOES_ON, start=other), new, tmp_path)


def test_the_optimizer_is_as_the_recipe_says(first, new):
    for keeps in (False, True):
        stage = dataclasses.replace(GOES_ON, switches=(("optimizer", keeps),))
        model = next_item.NextItem(from_it(first, stage), new).begin(0, None)
        optimizer = getattr(model, "optimizer", None)
        assert (optimizer is not None) == keeps
        if keeps:
            assert int(optimizer.iterations) == 2
    names = {
        next_item.NextItem(
            from_it(first, dataclasses.replace(GOES_ON, switches=switches)),
            new,
        ).names[0]
        for switches in ((), (("optimizer", False),), (("optimizer", True),))
    }
    assert len(names) == 2


@pytest.mark.parametrize(
    ("stage", "changes", "message"),
    [
        (GOES_ON, {"model": "gru4rec"}, "expected a NextItNet.*'gru4rec'"),
        (
            GOES_ON,
            {"model_config": {"embedding_dim": 8}},
            "expected embedding_dim=4. Received: embedding_dim=8",
        ),
        (
            GOES_ON,
            {"model_config": {**MODEL, "compression": "auto"}},
            "expected compression=None. Received: compression=auto",
        ),
        (
            dataclasses.replace(GOES_ON, num_blocks=1),
            {},
            "a depth of 2 or more. Received: num_blocks=1",
        ),
        (
            dataclasses.replace(GOES_ON, num_blocks=3),
            {},
            "'continue' from 2 to 3",
        ),
        (
            dataclasses.replace(GOES_ON, method="cross"),
            {},
            "'cross' from 2 to 2",
        ),
    ],
)
def test_what_a_model_does_not_go_on_as(
    first, new, tmp_path, stage, changes, message
):
    with pytest.raises(ValueError, match=message):
        run(from_it(first, stage, **changes), new, tmp_path)
    assert not list(tmp_path.glob("*/run.json"))


def test_no_shared_item(first, tmp_path):
    others = counting(tmp_path / "s", [f"x{k}" for k in range(8)])
    with pytest.raises(ValueError, match="Expected at least one item"):
        run(from_it(first, GOES_ON), others, tmp_path / "runs")


def test_a_policy_goes_on(first, new, tmp_path):
    """A SkipRec stays one, and is not put into another."""
    skip = {"skip": {"policy": "gru"}}
    (around,) = run(
        from_it(first, GOES_ON, model_config={**MODEL, **skip}), new, tmp_path
    )
    assert saved.load_model(around.model_path).policy == "gru"
    recipe = from_it(around, GOES_ON, model_config={**MODEL, **skip})
    model = next_item.NextItem(recipe, new).begin(0, None)
    assert model.policy == "gru" and model.backbone.num_blocks == 2
    with pytest.raises(ValueError, match="a SkipRec around it"):
        next_item.NextItem(from_it(around, GOES_ON), new).begin(0, None)
    deep = dataclasses.replace(GOES_ON, num_blocks=4, method="cross")
    recipe = dataclasses.replace(recipe, stages=(deep,))
    with pytest.raises(ValueError, match="keeps its depth.*num_blocks=4"):
        next_item.NextItem(recipe, new).begin(0, None)


def test_recipes_that_begin_nowhere(first):
    with pytest.raises(ValueError, match="unless it has a start"):
        make_recipe(GOES_ON)
    with pytest.raises(ValueError, match="unless it has a start"):
        from_it(first, FIRST)
    with pytest.raises(ValueError, match="new_items='zero'"):
        Stage(1, new_items="zero")
    with pytest.raises(ValueError, match="max_steps=-1"):
        Stage(1, max_steps=-1)


def test_an_interrupted_run_goes_on(first, new, tmp_path, monkeypatch):
    """It begins from the same model again, and ends with the same weights."""
    stage = dataclasses.replace(GOES_ON, max_steps=4)
    recipe = from_it(first, stage)
    (expected,) = run(recipe, new, tmp_path / "whole")
    evaluate = stages_validate = training.next_item.stages._validate
    calls = []

    def fails_second(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(*arguments)

    monkeypatch.setattr(training.next_item.stages, "_validate", fails_second)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, new, tmp_path / "cut")
    monkeypatch.setattr(training.next_item.stages, "_validate", stages_validate)
    keras.backend.clear_session()
    (found,) = run(recipe, new, tmp_path / "cut")
    assert found.name == expected.name
    for one, other in zip(
        found.load_model().get_weights(),
        expected.load_model().get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)
