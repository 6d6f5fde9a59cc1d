"""The lines of SkipRec's tables and figures."""

import numpy as np
import pytest

from experiments import papers
from experiments.papers.rows import Choices
from experiments.papers.skiprec import figure1
from experiments.papers.skiprec import figure4
from experiments.papers.skiprec import figure5
from experiments.papers.skiprec import rivals
from experiments.papers.skiprec import table2
from experiments.papers.skiprec import table3
from experiments.papers.skiprec import table4
from experiments.papers.skiprec import table5
from experiments.reporting import block_use
from nextitnet_tf.recipe import PROTOCOLS

ALL = [table2, table3, table4, table5, figure1, figure4, figure5, rivals]


def make_rows(target, settings=None, depths=(8, 4), protocol="clean", **more):
    choices = Choices(
        PROTOCOLS[protocol],
        settings=target.NAMES if settings is None else settings,
        depths=list(depths),
        num_items=99,
        figures_of="ml20",
        options={
            "max_steps": 20,
            "eval_every": 1,
            "model_config": {"embedding_dim": 16, "dilation_rates": (1, 4)},
        },
        **more,
    )
    return target.rows(choices)


def trained(rows):
    return {row.label: row for row in rows if row.setting != "counting"}


@pytest.mark.parametrize("target", ALL)
def test_each_is_found(target):
    name = "skiprec-" + target.__name__.rsplit(".", 1)[1]
    assert papers.find(name) is target
    assert "\n    make reproduce-" + name in target.__doc__
    assert trained(make_rows(target))


def test_lines_of_table_2():
    lines = trained(make_rows(table2))
    assert list(lines) == [
        *("NFM", "GRU4Rec", "Caser", "NextItNet-8", "NextItNet+-8"),
        *("SkipRec-Gumbel-8", "Gumbel w/ pre-8"),
        *("SkipRec-RL-8", "RL w/ pre-8"),
    ]
    full = lines["NextItNet+-8"]
    assert full.recipe.model_config["use_alpha"]
    assert not lines["NextItNet-8"].recipe.model_config["use_alpha"]
    assert full.figures == (0.1067, 0.1784, None, None, 1.0)
    one, two = lines["SkipRec-Gumbel-8"], lines["RL w/ pre-8"]
    assert one.figures[:2] == (0.1091, 0.1783) and one.compared_with == full
    assert one.recipe.model_config["skip"] == {
        **{"policy": "cnn", "objective": "gumbel"},
    }
    assert two.recipe.model_config["skip"]["objective"] == "reinforce"
    assert len(one.recipe.stages) == 1
    # Two stages: the backbone is the very run of the line in full.
    before, after = two.recipe.stages
    assert (after.method, after.num_blocks) == ("continue", 8)
    assert two.recipe.up_to(0) == full.recipe


def test_policies_by_table():
    of_3, of_4 = trained(make_rows(table3)), trained(make_rows(table4))
    skip = of_3["Random policy-8"].recipe.model_config["skip"]
    assert skip == {"policy": "random"}
    assert of_3.items() <= of_4.items()
    skip = of_4["SkipRec-RL-GRU-8"].recipe.model_config["skip"]
    assert skip == {"policy": "gru", "objective": "reinforce"}
    for row in trained(make_rows(table5)).values():
        config = row.recipe.model_config
        assert row.recipe.model == "sasrec" and config["block"] == "plus"
        if "skip" in config:
            assert config["skip"]["policy"] == "attention"


def test_the_release_s_policies_are_its_own():
    lines = trained(make_rows(table3, protocol="skiprec_release"))
    of_rl = lines["SkipRec-RL-8"].recipe.model_config["skip"]
    assert of_rl == {
        **{"policy": "cnn", "objective": "reinforce", "updates": "three"},
        **{"sigmoid_logits": True, "is_noisy": True},
        **{"rewards_blocks": True, "tempered_draws": True},
    }
    assert lines["NextItNet+-8"].recipe.model_config["use_alpha"]
    skip = lines["Random policy-8"].recipe.model_config["skip"]
    assert skip == {"policy": "random"}


def test_rivals():
    lines = trained(make_rows(rivals))
    policy = lines["SkipRec-Gumbel w/ pre-8"].recipe.model_config["skip"]
    half = lines["SkipRec-Gumbel w/ pre-8 (block cost 0.5)"]
    skip = half.recipe.model_config["skip"]
    assert skip == {**policy, "block_cost": 0.5}
    for way in ("random blocks", "the same blocks"):
        row = lines[f"SkipRec-Gumbel w/ pre-8 (block cost 0.5, {way})"]
        assert row.recipe == half.recipe and row.served_as == way
        assert row.rival_of == half
    claimants = [half.label, "NextItNet+-8", "SkipRec-Gumbel w/ pre-8"]
    for row in lines.values():
        assert (row.rival_of is None) == (row.label in claimants), row.label
    assert lines["NextItNet+-4"].compared_with == lines["NextItNet+-8"]
    student = lines["NextItNet+-4 (distilled, soft labels)"].recipe
    assert student.up_to(0) == lines["NextItNet+-8"].recipe
    assert student.stages[1].method == "distill"
    assert student.model_config["distill"] == {"soft_labels": 1.0}
    stages = lines["StackA-Next-4"].recipe.stages
    assert [stage.num_blocks for stage in stages] == [2, 4]
    for depths in [(8,), (8, 3), (4, 8)]:
        with pytest.raises(ValueError, match="Expected two depths"):
            make_rows(rivals, depths=depths)


def test_generated_data_have_no_tuned_dropout():
    """What was tuned on ratings makes a model of generated sessions worse."""
    for is_generated, rate in ((True, None), (False, 0.3)):
        (row,) = make_rows(figure1, ["full"], [4], is_generated=is_generated)
        assert row.recipe.model_config.get("dropout_rate") == rate


def test_rank_correlation_by_hand():
    """Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5)."""
    found = block_use._rank_correlation(
        np.array([1, 2, 2, 9]), np.array([0, 1, 2, 3])
    )
    assert found == pytest.approx(4.5 / 22.5**0.5)
    assert block_use._rank_correlation(np.ones(3), np.arange(3)) is None
