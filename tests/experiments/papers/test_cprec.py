"""The lines of CpRec's tables and figures."""

import pytest

from experiments import papers
from experiments.papers.cprec import combined
from experiments.papers.cprec import figure1
from experiments.papers.cprec import figure5
from experiments.papers.cprec import table2
from experiments.papers.cprec import table3
from experiments.papers.cprec import table4
from experiments.papers.cprec import table5
from experiments.papers.cprec import ways
from experiments.papers.field import all_three
from experiments.papers.rows import Choices
from nextitnet_tf.compression import Compression
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.tuned import TUNED_PROTOCOLS


def make_rows(target, protocol="clean", settings=None, **more):
    named = {**PROTOCOLS, **TUNED_PROTOCOLS}
    choices = Choices(
        named[protocol],
        settings=target.NAMES if settings is None else settings,
        depths=[4],
        num_items=999,
        figures_of="ml20",
        options={
            "batch_size": 128,
            "max_steps": 20,
            "eval_every": 1,
            "budget_in": "passes",
            "model_config": {
                "embedding_dim": 64,
                "dilation_rates": (1, 4),
                "use_alpha": True,
            },
        },
    )
    return target.rows(choices, **more)


def trained(rows):
    return {row.label: row for row in rows if row.setting != "counting"}


@pytest.mark.parametrize(
    "target", [table2, table3, table4, table5, combined, figure1, figure5]
)
def test_each_is_found(target):
    name = "cprec-" + target.__name__.rsplit(".", 1)[1]
    assert papers.find(name) is target
    assert "\n    make reproduce-" + name in target.__doc__
    assert trained(make_rows(target))


def test_ways_by_hand():
    """1,000 columns: a fifth, a fifth of the other 800, the rest."""
    clusters = (200, 360, 1000)
    expected = {
        "": None,
        "B1": Compression((1000,), (16,), (16,)),
        "Bi": Compression(clusters, (64, 16, 4), None),
        "Bo": Compression(clusters, None, (64, 16, 4)),
        "Bio": Compression(clusters, (64, 16, 4), (64, 16, 4)),
        "Cl": Compression(sharing="cross_layer"),
        "Ab": Compression(sharing="adjacent_block"),
        "Bio-Cb": Compression(
            clusters, (64, 16, 4), (64, 16, 4), "cross_block"
        ),
    }
    for way, compression in expected.items():
        assert ways.compression_of(way, 1000, 64) == compression


def test_lines_of_table_2():
    lines = trained(make_rows(table2))
    assert list(lines)[:7] == [
        *("Caser", "GRU4Rec", "NextItNet-4"),
        *("CpRec-Cl-4", "CpRec-Cb-4", "CpRec-Al-4", "CpRec-Ab-4"),
    ]
    full, small = lines["NextItNet-4"], lines["CpRec-Ab-4"]
    assert full.figures == (0.1057, 0.1755, 62.0, 104.0, 1.0)
    assert small.figures[:3] == (0.1063, 0.1765, 15.0)
    assert small.compared_with == full
    compression = Compression.of(small.recipe.model_config["compression"])
    assert compression.sharing == "adjacent_block"
    assert "compression" not in full.recipe.model_config
    # Tuned: what nobody has said.
    assert full.recipe.learning_rate == 0.004
    assert full.recipe.decay == "cosine"
    assert full.recipe.model_config["dropout_rate"] == 0.3
    assert small.recipe.batch_size == 128
    # Rivals are as small: by channels, and by bits of the same run.
    narrow, *bits = list(lines.values())[7:]
    assert [row.label for row in bits] == [
        *("NextItNet-4 (int8)", "NextItNet-4 (int4)"),
    ]
    assert {row.recipe for row in bits if row.recipe != full.recipe} == set()
    width = narrow.recipe.model_config["embedding_dim"]
    assert narrow.label == f"NextItNet-4 (width {width})"
    budget = ways.num_parameters(999, 4, 64, "Bio-Ab")
    assert ways.num_parameters(999, 4, width) <= budget
    assert ways.num_parameters(999, 4, width + 1) > budget


def test_parameters_by_hand():
    """1,000 columns, width 64: two tables, a bias, blocks, their norms."""
    block = 2 * (3 * 64 * 64 + 64) + 4 * 64 + 1
    assert ways.num_parameters(999, 4, 64) == 1000 * (64 + 65) + 4 * block


def test_the_release_s_lines_are_its_own():
    lines = trained(make_rows(table4, "cprec_release"))
    full = lines["NextItNet-4"].recipe
    assert full.protocol == PROTOCOLS["cprec_release"]
    assert full.learning_rate == 1e-3 and full.decay == "constant"
    assert full.model_config == {
        "embedding_dim": 64,
        "dilation_rates": (1, 4),
        "use_alpha": False,
    }
    assert lines["Cb-NextItNet-4"].recipe.model_config["compression"] == {
        "clusters": [],
        "embedding_ranks": None,
        "softmax_ranks": None,
        "sharing": "cross_block",
    }
    assert lines["Ab-NextItNet-4"].figures == (0.1062, 0.1762, 3.0, None, None)


def test_another_model():
    lines = trained(make_rows(table5))
    assert list(lines) == [
        *("GRU4Rec", "Bi-GRU4Rec", "Bo-GRU4Rec", "Bio-GRU4Rec"),
    ]
    config = lines["Bio-GRU4Rec"].recipe.model_config
    assert config["compression"]["softmax_ranks"] == [64, 16, 4]
    assert "dilation_rates" not in config and "use_alpha" not in config
    # A tree has no smoothed labels, and neither has what it is compared with.
    assert {row.recipe.label_smoothing for row in lines.values()} == {0.0}


def test_both_papers_together():
    lines = trained(make_rows(combined))
    assert list(lines) == [
        *("NextItNet-4", "StackA-Next-4", "CpRec-Ab-4", "StackA-CpRec-Ab-4"),
    ]
    both = lines["StackA-CpRec-Ab-4"].recipe
    assert [stage.num_blocks for stage in both.stages] == [2, 4]
    assert [stage.method for stage in both.stages] == [None, "adjacent"]
    assert both.model_config == lines["CpRec-Ab-4"].recipe.model_config
    with pytest.raises(ValueError, match="even depth"):
        combined.rows(Choices(PROTOCOLS["clean"], depths=[3], num_items=9))


def test_all_three():
    assert papers.find("all-three") is all_three
    assert all_three.NAMES[1:] == (
        *("plain", "stackrec", "cprec", "skiprec"),
        *("stackrec+cprec", "stackrec+skiprec", "cprec+skiprec"),
        "stackrec+cprec+skiprec",
    )
    lines = trained(make_rows(all_three))
    assert list(lines) == [
        *("NextItNet-4", "StackA-Next-4", "CpRec-Ab-4", "SkipRec-Next-4"),
        *("StackA-CpRec-Ab-4", "StackA-SkipRec-Next-4"),
        *("SkipRec-CpRec-Ab-4", "StackA-SkipRec-CpRec-Ab-4"),
    ]
    everything = lines["StackA-SkipRec-CpRec-Ab-4"]
    config = everything.recipe.model_config
    assert config["skip"] == {"policy": "cnn"}
    assert config["compression"]["sharing"] == "adjacent_block"
    assert len(everything.recipe.stages) == 2
    # The shallow stage knows nothing of a policy: it is the other line's.
    other = lines["StackA-CpRec-Ab-4"].recipe
    assert everything.recipe.up_to(0) == other.up_to(0)
    assert everything.compared_with == lines["NextItNet-4"]


def test_points_of_figure_1():
    lines = trained(make_rows(figure1))
    assert list(lines) == [
        "NextItNet-4",
        *(f"NextItNet of width {width}-4" for width in (64, 128, 256, 512)),
    ]


def test_lines_of_figure_5_are_runs_of_table_2():
    of_figure, of_table = (
        trained(make_rows(figure5)),
        trained(make_rows(table2)),
    )
    assert list(of_figure) == list(of_table)[2:7]
    for label, row in of_figure.items():
        assert row.recipe == of_table[label].recipe
