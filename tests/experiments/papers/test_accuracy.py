"""What is trained beside counting, and what is counted."""

import dataclasses

import pytest

from experiments import papers
from experiments.papers import counted
from experiments.papers.field import accuracy
from experiments.papers.field import depth
from experiments.papers.rows import Choices
from nextitnet_tf.models import MODELS
from nextitnet_tf.protocol import PROTOCOLS
from nextitnet_tf.tuned import SPARSE
from nextitnet_tf.tuned import SPARSE_MODEL
from nextitnet_tf.tuned import TUNED
from nextitnet_tf.tuned import TUNED_PROTOCOLS


def make_rows(protocol=TUNED_PROTOCOLS["clean"], seed=2):
    return accuracy.rows(Choices(protocol, seed=seed, settings=accuracy.NAMES))


def test_the_rows():
    assert papers.find("accuracy") is accuracy
    rows = make_rows()
    assert [row.label for row in rows] == [
        "MostPop",
        "Markov (order 1)",
        *(f"Markov (order 5, decay {d})" for d in ("0.5", "0.7", "0.85")),
        *(f"ItemKNN (decay {d})" for d in ("0.5", "0.7", "0.85")),
        *(f"EASE (ridge {ridge}, decay 0.7)" for ridge in (100, 300)),
        *("NextItNet-4", "SASRec-2", "GRU4Rec"),
        "NextItNet-4 (dropout_rate=0.5)",
        "SASRec-2 (dropout_rate=0.5, tie_output=True)",
    ]
    # Counting draws nothing: the same runs whatever the seed, whole rows.
    assert {row.recipe.seed for row in rows[:-5]} == {0}
    assert not any(row.recipe.protocol.recut for row in rows[:-5])
    assert {row.recipe.seed for row in rows[-5:]} == {2}
    assert all(row.recipe.protocol.recut for row in rows[-5:])
    # The last two are as those of that name, but for what they say.
    for usual, sparse, said in [
        (-5, -2, {"dropout_rate": 0.5}),
        (-4, -1, {"dropout_rate": 0.5, "tie_output": True}),
    ]:
        recipe = rows[usual].recipe
        assert rows[sparse].recipe == dataclasses.replace(
            recipe, model_config={**recipe.model_config, **said}
        )


def test_a_sampled_softmax_has_no_smoothed_labels():
    protocol = dataclasses.replace(
        TUNED_PROTOCOLS["clean"], sampled_fraction=0.2
    )
    (gru4rec,) = (
        row.recipe for row in make_rows(protocol) if row.setting == "gru4rec"
    )
    assert (gru4rec.label_smoothing, TUNED["gru4rec"].label_smoothing) == (
        *(0.0, 0.1),
    )


@pytest.mark.parametrize("is_generated", [False, True])
def test_the_budget_that_was_asked_for(is_generated):
    """As far as it was: what was not said stays as it is tuned."""
    usual = dict(
        protocol=TUNED_PROTOCOLS["clean"],
        settings=["nextitnet"],
        depths=[2],
        is_generated=is_generated,
    )

    def budgets(**said):
        choices = Choices(**usual, options=said)
        found = [accuracy.rows(choices), depth.rows(choices)]
        stages = [rows[-1].recipe.stages[0] for rows in found]
        return [
            (s.max_steps, s.eval_every, s.patience, s.budget_in) for s in stages
        ]

    of_depth = (8, 1, 8) if is_generated else (40, 1, 10)
    assert budgets() == [(40, 1, 10, "passes"), (*of_depth, "passes")]
    assert budgets(patience=3) == [
        (40, 1, 3, "passes"),
        (*of_depth[:2], 3, "passes"),
    ]
    assert budgets(max_steps=3000, eval_every=500) == [
        (3000, 500, 10, "steps"),
        (3000, 500, of_depth[2], "steps"),
    ]


def test_floors_that_take_seconds():
    choices = Choices(PROTOCOLS["release"], seed=1)
    few, many = (
        [row.label for row in counted.rows(choices, "x", num_items)]
        for num_items in (5_000, 5_001)
    )
    assert few == ["MostPop", "Markov", "ItemKNN", "EASE"]
    assert many == few[:-1]


@pytest.mark.parametrize("name", list(SPARSE))
def test_what_is_better_of_sparse_data_is_of_the_models(name):
    assert set(SPARSE[name]) <= MODELS[name].arguments()
    assert SPARSE_MODEL in SPARSE and {*SPARSE} <= {*TUNED}


@pytest.mark.parametrize("name", list(TUNED))
def test_tuned_recipes_are_of_the_models(name):
    recipe = TUNED[name]
    assert recipe.model == name
    assert set(recipe.model_config) <= MODELS[name].arguments()
    (stage,) = recipe.stages
    assert stage.budget_in == "passes" and stage.eval_every == 1
    # What decides who is in the test is as under protocol clean.
    clean = dataclasses.asdict(PROTOCOLS["clean"])
    differ = {
        key
        for key, value in dataclasses.asdict(recipe.protocol).items()
        if value != clean[key]
    }
    assert differ == {"recut", "stop_on_unseen"}
