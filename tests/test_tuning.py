"""A search of settings whose best is known."""

import pytest

from nextitnet_tf import tuning
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.tuned import TUNED

START = Recipe((Stage(4),), model="nextitnet")
FACTORS = {
    "rate": [{"learning_rate": 0.002}, {"learning_rate": 0.004}],
    "dropout": [{"dropout_rate": 0.3}],
    "cutting": [{"recut": True}],
    "depth": [{"num_blocks": 8}],
}


def value_of(recipe):
    """Adds up: the rate 2 or 1, dropout 3, cutting 4 unless dropped out."""
    value = {0.001: 0, 0.002: 2, 0.004: 1}[recipe.learning_rate]
    is_dropped = "dropout_rate" in recipe.model_config
    value += 3 * is_dropped
    if recipe.protocol.recut:
        value += -1 if is_dropped else 4
    return value - (recipe.stages[0].num_blocks == 8)


def search(trials=99):
    seen = []

    def evaluate(recipe):
        if len(seen) >= trials:
            raise tuning.OutOfTrials
        return value_of(recipe)

    return tuning.search(START, FACTORS, evaluate, seen.append), seen


def test_one_at_a_time_then_together():
    best, seen = search()
    assert [trial.names for trial in seen] == [
        (),
        *(("rate",), ("rate",), ("dropout",), ("cutting",), ("depth",)),
        # Cutting gave 4: dropout takes that away again, the rate adds 2.
        ("cutting", "dropout"),
        ("cutting", "rate"),
    ]
    assert [trial.value for trial in seen] == [0, 2, 1, 3, 4, -1, 2, 6]
    assert best is seen[-1]
    assert best.changes == {"recut": True, "learning_rate": 0.002}
    assert best.recipe.protocol.recut and best.recipe.learning_rate == 0.002


def test_it_ends_with_the_best_so_far():
    best, seen = search(trials=4)
    assert len(seen) == 4 and best.changes == {"dropout_rate": 0.3}
    with pytest.raises(tuning.OutOfTrials):
        search(trials=0)


def test_each_value_goes_where_it_belongs():
    recipe = tuning.changed(
        START,
        {
            **{"recut": True, "learning_rate": 0.5, "num_blocks": 2},
            **{"dropout_rate": 0.1, "patience": 7},
        },
    )
    assert recipe.protocol.recut and not START.protocol.recut
    assert recipe.learning_rate == 0.5
    assert recipe.stages[0] == Stage(2, patience=7)
    assert recipe.model_config == {"dropout_rate": 0.1}


def test_only_factors_that_a_model_has():
    def names(model, **changes):
        return tuning.factors_of(Recipe((Stage(1),), model=model, **changes))

    assert {"depth", "alpha", "dropout"} <= set(names("nextitnet"))
    assert "embedding dropout" not in names("nextitnet")
    assert "output" in names("sasrec") and "output" in names("nextitnet")
    assert not {"output", "depth"} & set(names("caser"))
    assert not {"depth", "alpha"} & set(names("gru4rec"))
    # What it has already is not tried again.
    found = names("nextitnet", learning_rate=2e-3, decay="cosine")
    assert [c["learning_rate"] for c in found["learning rate"]] == [1e-3, 4e-3]


def test_what_cannot_go_together_is_left_out():
    """Smoothed labels need the full softmax."""
    factors = {
        "smoothing": [{"label_smoothing": 0.1}],
        "softmax": [{"sampled_fraction": 0.2}],
        "rate": [{"learning_rate": 0.004}],
    }
    seen = []
    values = iter([0, 3, 2, 1, 4])
    best = tuning.search(START, factors, lambda _: next(values), seen.append)
    assert seen[-1].names == ("smoothing", "rate") and best is seen[-1]
    smoothed = Recipe((Stage(1),), label_smoothing=0.1)
    assert "softmax" not in tuning.factors_of(smoothed)


def test_where_a_search_begins():
    plain = tuning.start_of("nextitnet", is_tuned=False)
    assert plain.stages[0].num_blocks == 4 and not plain.protocol.recut
    assert plain.protocol.stop_on_unseen and plain.model_config == {}
    assert tuning.start_of("gru4rec", is_tuned=True) == TUNED["gru4rec"]
    stage = tuning.start_of("gru4rec", False, max_steps=2000).stages[0]
    assert (stage.max_steps, stage.budget_in) == (2000, "steps")
    with pytest.raises(ValueError, match="model='caser'"):
        tuning.start_of("caser", is_tuned=True)
