"""What runs are called, and what their summaries say of the recipe."""

import dataclasses
import hashlib
import json

import numpy as np
import pytest

from nextitnet_tf.recipe import FINE_TUNINGS
from nextitnet_tf.recipe import FineTuning
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.training import ranks as of_ranks
from nextitnet_tf.training import runs

RECIPE = Recipe(
    stages=(
        Stage(2, data_ratio=0.5),
        Stage(4, method="adjacent", preset="best", max_steps=700),
    ),
    model_config={"embedding_dim": 8, "dilation_rates": [1, 2]},
    seed=3,
)


# What is hashed, written by hand: fields without a default, and those that
# differ from theirs.
HASHED = """[1, {"model_config": {"dilation_rates": [1, 2], \
"embedding_dim": 8}, "protocol": {"adam_epsilon": 1e-07, \
"count_padding": false, "identical_kernels": false, \
"item_ids": "frequency", "keep_last_batch": true, "l2": 0.0, \
"nesting": "prefix", "rank_padding": false, "reshuffle": true, \
"sampled_fraction": 0.0, "split": "users"}, "seed": 3, \
"stages": [{"data_ratio": 0.5, "num_blocks": 2}, {"max_steps": 700, \
"method": "adjacent", "num_blocks": 4, "preset": "best"}]}, \
"ffffffffffffffff"]"""


def test_names_never_change():
    """Committed results are found by them."""
    digest = hashlib.sha256(HASHED.encode()).hexdigest()[:10]
    assert digest == "11ad382bc7"
    assert runs.name_of(RECIPE, "f" * 16) == (
        f"nextitnet-4-adjacent-best-100pct-seed3-{digest}"
    )


def test_a_new_field_with_a_default_renames_nothing():
    @dataclasses.dataclass(frozen=True)
    class NewStage(Stage):
        warm_up: int = 0

    @dataclasses.dataclass(frozen=True)
    class NewProtocol(Protocol):
        seen: tuple = ()

    @dataclasses.dataclass(frozen=True)
    class NewRecipe(Recipe):
        warm_up_of: dict = dataclasses.field(default_factory=dict)

    @dataclasses.dataclass(frozen=True)
    class NewFineTuning(FineTuning):
        schedule: str = "constant"

    def renewed(of_class, old, **changes):
        return of_class(
            **{f.name: getattr(old, f.name) for f in dataclasses.fields(old)}
            | changes
        )

    new = renewed(
        NewRecipe,
        RECIPE,
        stages=tuple(renewed(NewStage, s) for s in RECIPE.stages),
        protocol=renewed(NewProtocol, RECIPE.protocol),
    )
    assert runs.name_of(new, "x") == runs.name_of(RECIPE, "x")
    tuning = FINE_TUNINGS["clean"]
    assert runs.identity(renewed(NewFineTuning, tuning)) == runs.identity(
        tuning
    )
    # Once it has another value, it does.
    changed = dataclasses.replace(new, warm_up_of={"steps": 1})
    assert runs.name_of(changed, "x") != runs.name_of(RECIPE, "x")


def test_what_things_are_called_decides_nothing():
    other = dataclasses.replace(RECIPE.protocol, name="mine")
    assert runs.name_of(
        dataclasses.replace(RECIPE, protocol=other), "x"
    ) == runs.name_of(RECIPE, "x")


def test_what_is_best_for_a_model_and_its_name_are_one_run():
    def named(preset, **changes):
        stages = (Stage(1), Stage(2, method="cross", preset=preset))
        return runs.name_of(Recipe(stages=stages, **changes), "x")

    assert named(None) == named("best") != named("paper")
    assert named(None, model="sasrec") == named("paper", model="sasrec")
    # What is copied says nothing of a model from scratch.
    assert runs.name_of(Recipe((Stage(1, preset="best"),)), "x") == (
        runs.name_of(Recipe((Stage(1),)), "x")
    )


def summary_of(recipe):
    return json.loads(
        json.dumps(
            {
                "model": recipe.model,
                "model_config": recipe.model_config,
                "stages": [dataclasses.asdict(s) for s in recipe.stages],
                "protocol": dataclasses.asdict(recipe.protocol),
                "batch_size": recipe.batch_size,
                "learning_rate": recipe.learning_rate,
                "seed": recipe.seed,
            }
        )
    )


def test_a_summary_rebuilds_its_recipe():
    assert runs.recipe_of(summary_of(RECIPE)) == RECIPE
    switched = dataclasses.replace(
        RECIPE,
        stages=(
            RECIPE.stages[0],
            Stage(4, method="cross", switches=(("alpha", True),)),
        ),
    )
    assert runs.recipe_of(summary_of(switched)) == switched


def test_a_summary_of_before_a_field_and_of_a_later_version():
    summary = summary_of(RECIPE)
    del summary["protocol"]["overwrites_rows"]
    del summary["batch_size"]
    assert runs.recipe_of(summary) == RECIPE
    summary["stages"][0]["warm_up"] = 5
    with pytest.raises(ValueError, match="Received: warm_up, of another"):
        runs.recipe_of(summary)


def test_ranks_are_clipped_and_small(tmp_path):
    path = tmp_path / of_ranks.FILE
    ranks = np.arange(400)
    of_ranks.save(path, {"ranks": ranks, "unseen_ranks": ranks // 2})
    run = runs.Run(tmp_path, {})
    found = run.read_ranks()
    assert found.dtype == "uint8"
    np.testing.assert_array_equal(found[:255], ranks[:255])
    assert (found[255:] == 255).all()
    assert run.read_ranks(exclude_seen=True)[399] == 199
    assert runs.Run(tmp_path / "none", {}).read_ranks() is None
