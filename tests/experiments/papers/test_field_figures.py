"""The rows of depth and growth."""

import pytest

from experiments import papers
from experiments.papers.field import depth
from experiments.papers.field import growth
from experiments.papers.field import growth_late
from experiments.papers.rows import Choices
from nextitnet_tf.tuned import TUNED_PROTOCOLS

CLEAN = TUNED_PROTOCOLS["clean"]


def test_each_model_at_each_depth():
    assert papers.find("depth") is depth
    rows = depth.rows(
        Choices(CLEAN, seed=1, settings=depth.NAMES, depths=[8, 2])
    )
    labels = [row.label for row in rows]
    assert labels[-6:] == [
        *("NextItNet-2", "NextItNet-8", "SASRec-2", "SASRec-8"),
        *("gated SASRec-2", "gated SASRec-8"),
    ]
    assert "MostPop" in labels[:-6]
    plain, gated = rows[-3].recipe, rows[-1].recipe
    assert "block" not in plain.model_config
    assert gated.model_config["block"] == "gated" and gated.seed == 1
    assert plain.model_config["dropout_rate"] > 0
    (of_deep, _) = depth.rows(
        Choices(CLEAN, settings=["sasrec"], depths=[2, 8], is_generated=True)
    )
    config = of_deep.recipe.model_config
    assert (config["dropout_rate"], config["embedding_dim"]) == (0, 32)
    (stage,) = of_deep.recipe.stages
    assert (stage.num_blocks, stage.max_steps, stage.budget_in) == (
        *(2, 8, "passes"),
    )
    assert of_deep.recipe.decay == "constant"
    assert rows[-1].recipe.stages[0].max_steps == 40


def make_growth(depths, max_steps=100, **options):
    return growth.rows(
        Choices(
            CLEAN,
            depths=depths,
            options={"max_steps": max_steps, "eval_every": 10, **options},
        )
    )


def test_all_ways_to_grow_train_for_the_same_steps():
    assert papers.find("growth") is growth
    rows = make_growth([2, 16])
    assert [row.label for row in rows] == [
        "NextItNet-16",
        "StackA 2 -> 4 -> 8 -> 16, doubling",
        "StackC 2 -> 16, one step at 20%",
        "StackC 2 -> 16, one step at 20%, optimizer kept",
        "StackC 2 -> 16, one step at 50%",
        "StackC 2 -> 16, one step at 50%, optimizer kept",
        "StackR 2 -> 16, one step at 50%, fresh blocks",
        "StackC 2 -> 16, one step at 80%",
        "StackC 2 -> 16, one step at 80%, optimizer kept",
    ]
    steps = [[s.max_steps for s in row.recipe.stages] for row in rows]
    assert [sum(each) for each in steps] == [100] * len(rows)
    assert steps[1] == [16, 16, 16, 52] and steps[2] == [20, 80]
    # None stops early, and what is short is evaluated at its end.
    for row in rows:
        for stage in row.recipe.stages:
            assert stage.patience == stage.max_steps
    assert rows[3].last.switches == (("optimizer", True),)
    assert rows[2].last.switches == () and rows[2].preset == "identity"
    assert rows[2].compared_with is rows[0]


def test_ways_to_grow_in_half_of_the_time():
    assert papers.find("growth-late") is growth_late
    options = {"max_steps": 1800, "eval_every": 10}
    rows = growth_late.rows(Choices(CLEAN, depths=[2, 16], options=options))
    assert [row.label for row in rows] == [
        "NextItNet-16",
        "NextItNet-16 (half of the time)",
        "StackA 2 -> 4 -> 8 -> 16, doubling",
        "StackC 2 -> 16, one step at 20%",
        "StackC 2 -> 16, one step at 50%",
        "StackC 2 -> 16, one step at 80%",
    ]
    # A step of 16 blocks takes 18 units, of 8 10, of 4 6, of 2 4, so that half
    # of the direct model's time is 16,200 units.
    assert [[s.max_steps for s in row.recipe.stages] for row in rows] == [
        [1800],
        [900],
        [219, 219, 219, 657],
        [213, 853],
        [736, 737],
        [1906, 476],
    ]
    units = {2: 4, 4: 6, 8: 10, 16: 18}
    for row in rows[1:]:
        stages = row.recipe.stages
        spent = sum(units[s.num_blocks] * s.max_steps for s in stages)
        assert spent == pytest.approx(16_200, rel=2e-3)
        assert row.compared_with is rows[0]
    for row in rows:
        *first, last = row.recipe.stages
        assert last.decay == "late" and {s.decay for s in first} <= {None}
        assert row.recipe.decay == "constant"
        assert all(s.patience == s.max_steps for s in row.recipe.stages)


@pytest.mark.parametrize("depths", [[8], [2, 3], [2, 4, 8]])
def test_depths_that_are_no_growth(depths):
    with pytest.raises(ValueError, match="two depths"):
        make_growth(depths)
