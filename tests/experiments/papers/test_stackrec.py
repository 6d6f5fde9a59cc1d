"""The rows of StackRec's tables and figures, and the paper's figures."""

import dataclasses
import json
import pathlib

import pytest

from experiments import papers
from experiments.papers.growth import Setting
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.stackrec import figure1
from experiments.papers.stackrec import figure5
from experiments.papers.stackrec import figure6
from experiments.papers.stackrec import table2
from experiments.papers.stackrec import table3
from experiments.papers.stackrec import table4
from experiments.papers.stackrec import table5
from experiments.papers.stackrec import table6
from experiments.papers.stackrec import table7
from nextitnet_tf import paper_data
from nextitnet_tf.models import MODELS
from nextitnet_tf.recipe import FINE_TUNINGS
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import FineTuning

ROOT = pathlib.Path(__file__).parents[3]
RELEASE, CLEAN = PROTOCOLS["release"], PROTOCOLS["clean"]
TABLES = [table2, table4, table5, table6, table7]


def rows_of(target, protocol=RELEASE, settings=None, **choices):
    settings = getattr(target, "NAMES", ()) if settings is None else settings
    choices = {"presets": ["best"], **choices}
    return target.rows(Choices(protocol, settings=settings, **choices))


def described(rows):
    """(setting, label, what is copied, (depth, ratio, method) a stage)."""
    return [
        (
            row.setting,
            row.label,
            row.copied,
            *(
                (s.num_blocks, s.data_ratio, s.method)
                for s in row.recipe.stages
            ),
        )
        for row in rows
    ]


def test_targets_are_found_by_name():
    assert set(papers.names()) >= {
        *(f"table{n}" for n in (2, 3, 4, 5, 6, 7)),
        *("figure1", "figure5", "figure6"),
    }
    assert papers.find("table2") is table2
    with pytest.raises(ValueError, match="table2, .*Received: table9"):
        papers.find("table9")


def test_rows_of_a_setting():
    rows = rows_of(
        table2, settings=["40-60"], presets=["release", "paper"], seed=3
    )
    shallow = (4, 0.4, None)
    stacked = {
        name: (shallow, (8, 0.6, method))
        for name, method in (("A", "adjacent"), ("C", "cross"))
    }
    assert described(rows) == [
        ("100-100", "MostPop", "", (1, 1.0, None)),
        ("40-60", "NextItNet-4 (40%)", "", shallow),
        ("40-60", "NextItNet-8 (60%)", "", (8, 0.6, None)),
        ("40-60", "StackA-Next-8", "release", *stacked["A"]),
        ("40-60", "StackC-Next-8", "release", *stacked["C"]),
        ("40-60", "StackA-Next-8", "paper", *stacked["A"]),
        ("40-60", "StackC-Next-8", "paper", *stacked["C"]),
        ("40-60", "CL-NextItNet-4", "", shallow, (4, 0.6, "continue")),
    ]
    assert all(row.seed == 3 for row in rows)
    assert all(row.recipe.protocol is RELEASE for row in rows)
    assert [row.role for row in rows] == [
        *("baseline", "shallow", "scratch"),
        *("stacked", "stacked", "stacked", "stacked", "continued"),
    ]
    # What a row is compared with is a row, not a name.
    assert [row.compared_with for row in rows] == [
        *(None, None, None),
        *[rows[2]] * 5,
    ]
    assert [row.method for row in rows[2:5]] == [None, "adjacent", "cross"]


@pytest.mark.parametrize("chain", [False, True])
def test_chain(chain):
    found = {
        (row[0], row[1]): row[2:]
        for row in described(
            rows_of(table2, CLEAN, ["40-60", "60-80"], chain=chain)
        )
    }
    for name, method in (("A", "adjacent"), ("C", "cross")):
        last = (16, 0.8, method)
        assert found["60-80", f"Stack{name}-Next-16"] == (
            ("best, chained", (4, 0.4, None), (8, 0.6, method), last)
            if chain
            else ("best", (8, 0.6, None), last)
        )


def test_baselines():
    rows = rows_of(table2, settings=["100-100"], divide_depth=4)
    assert [row.label for row in rows] == [
        *("MostPop", "NFM", "Caser", "GRU4Rec", "SASRec-2 (its authors')"),
        *("SASRec-2 (its authors', untied)", "SNextItNet-8", "NextItNet-8"),
    ]
    assert rows[-1].without_alpha == rows[-2]
    assert [row.use_alpha for row in rows[-2:]] == [False, True]
    assert [row.use_alpha for row in rows[:4]] == [None] * 4
    # Depths of 32 / 5 there are none of.
    rows = rows_of(table2, settings=["100-100"], divide_depth=5)
    assert rows[-1].label == "SASRec-2 (its authors', untied)"


def test_options_reach_stages_and_recipes():
    options = {
        **{"max_steps": 70, "eval_every": 7, "patience": 3},
        **{"batch_size": 11, "learning_rate": 0.5},
        "model_config": {"embedding_dim": 3},
    }
    for row in rows_of(table2, CLEAN, options=options):
        assert row.recipe.batch_size == 11
        assert row.recipe.learning_rate == 0.5
        for stage in row.recipe.stages:
            assert (stage.max_steps, stage.eval_every) == (70, 7)
            assert stage.patience == 3
        if row.recipe.model != "most_pop":
            assert row.recipe.model_config["embedding_dim"] == 3


def test_the_settings_are_the_papers():
    assert {
        "40-60": Setting(0.4, 0.6, 4, 8),
        "60-80": Setting(0.6, 0.8, 8, 16),
        "80-100": Setting(0.8, 1.0, 16, 32),
    } == table2.SETTINGS
    assert table2.NAMES == ("100-100", "40-60", "60-80", "80-100")


def test_table_4():
    rows = rows_of(table4, seed=2)
    shallow = (8, 0.6, None)
    assert described(rows) == [
        ("60-80", "NextItNet-8", "", shallow),
        ("60-80", "NextItNet-16", "", (16, 0.8, None)),
        ("60-80", "StackE-Next-16", "best", shallow, (16, 0.8, "embedding")),
        ("60-80", "StackR-Next-16", "best", shallow, (16, 0.8, "random")),
        ("60-80", "StackC-Next-16", "best", shallow, (16, 0.8, "cross")),
        ("60-80", "StackA-Next-16", "best", shallow, (16, 0.8, "adjacent")),
    ]
    # What Table 2 has trained is not trained again.
    recipes = [row.recipe for row in rows_of(table2, seed=2)]
    shared = [row.label for row in rows if row.recipe in recipes]
    assert shared == [
        *("NextItNet-8", "NextItNet-16", "StackC-Next-16", "StackA-Next-16"),
    ]


def test_table_5_at_an_eighth_of_its_depths():
    rows = rows_of(table5, divide_depth=8, figures_of="kuaibao")
    shallow = (4, 0.8, None)
    assert described(rows) == [
        ("80-100", "NextItNet-4", "", shallow),
        ("80-100", "NextItNet-6", "", (6, 1.0, None)),
        ("80-100", "NextItNet-8", "", (8, 1.0, None)),
        ("80-100", "StackC-Next-6", "best", shallow, (6, 1.0, "cross")),
        ("80-100", "StackA-Next-6", "best", shallow, (6, 1.0, "adjacent")),
    ]
    assert [row.figures[0] for row in rows] == [
        *(0.0669, 0.0703, 0.0709, 0.0719, 0.0725),
    ]
    with pytest.raises(ValueError, match="divide_depth=5"):
        rows_of(table5, divide_depth=5)


def test_table_6():
    rows = rows_of(table6, CLEAN)
    assert [row.use_alpha for row in rows] == [False] * 4 + [True] * 4
    assert described(rows)[3][3:] == ((8, 0.8, None), (16, 1.0, "adjacent"))
    assert [row.without_alpha for row in rows] == [None] * 4 + rows[:4]
    alone = rows_of(table6, CLEAN, ["with alpha"])
    assert alone == rows[4:]


def test_without_presets_a_table_has_what_is_best_for_each_model():
    for name, best in (("GRec", "best"), ("SASRec", "paper")):
        rows = rows_of(table7, settings=[name], presets=None)
        assert [row.preset for row in rows if row.method] == [
            *("release", "release", best, best),
        ]
        assert MODELS[rows[0].recipe.model].best_preset == best


def test_table_7():
    config = {"embedding_dim": 32, "dilation_rates": [1, 2]}
    rows = rows_of(
        table7, presets=["release", "best"], options={"model_config": config}
    )
    by_model = {}
    for row in rows:
        by_model.setdefault(row.recipe.model, []).append(row)
    counts = {name: len(found) for name, found in by_model.items()}
    assert counts == {"grec": 6, "sasrec": 6, "ssept": 6}
    shallow = (18, 0.8, None)
    released = (24, 1.0, "adjacent_release")
    of_sasrec = "StackC-SASRec-24", "StackA-SASRec-24"
    assert described(by_model["sasrec"]) == [
        ("SASRec", "SASRec-18", "", shallow),
        ("SASRec", "SASRec-24", "", (24, 1.0, None)),
        ("SASRec", of_sasrec[0], "release", shallow, (24, 1.0, "cross")),
        ("SASRec", of_sasrec[1], "release", shallow, released),
        ("SASRec", of_sasrec[0], "best", shallow, (24, 1.0, "cross")),
        ("SASRec", of_sasrec[1], "best", shallow, (24, 1.0, "adjacent")),
    ]
    assert {
        n: found[0].recipe.model_config for n, found in by_model.items()
    } == {
        "grec": config,
        "sasrec": {"embedding_dim": 32, "use_alpha": True},
        "ssept": {
            "embedding_dim": 64,
            "use_alpha": True,
            "dropout_rate": 0.2,
        },
    }
    full = dataclasses.replace(RELEASE, sampled_fraction=0.0)
    assert by_model["grec"][0].recipe.protocol == RELEASE
    assert by_model["sasrec"][0].recipe.protocol == full
    clean = rows_of(table7, CLEAN, ["SSEPT"])
    assert clean[0].recipe.protocol.split == "rows"


def test_table_3():
    tuning = FINE_TUNINGS["release"]
    choices = Choices(
        RELEASE, seed=2, presets=["best"], options={"max_steps": 700}
    )
    rows = table3.rows(choices, tuning)
    assert [(r.row.label, r.transfer.is_pretrained) for r in rows] == [
        ("NextItNet-8, not pre-trained", False),
        ("NextItNet-16, not pre-trained", False),
        ("NextItNet-8", True),
        ("NextItNet-16", True),
        ("StackC-Next-16", True),
        ("StackA-Next-16", True),
    ]
    assert all(r.transfer.pretraining.seed == 2 for r in rows)
    assert [
        (s.num_blocks, s.data_ratio)
        for s in rows[-1].transfer.pretraining.stages
    ] == [(8, 0.8), (16, 1.0)]
    # Target HR@5, and how much sooner pre-training is done.
    assert [r.row.figures and r.row.figures[3:] for r in rows] == [
        *(None, None, (0.3497, None), (0.3548, 1.00)),
        *((0.3570, 3.09), (0.3582, 3.58)),
    ]


def test_how_table_3_fine_tunes():
    assert table3.fine_tuning("coldrec", "release") == FineTuning(
        name="release",
        source_ids="file",
        head="dot_product",
        target_l2=0.02,
        split="examples",
        ranked_negatives=99,
        batch_size=512,
        learning_rate=1e-3,
        max_epochs=10,
        eval_every=1000,
        patience=None,
    )
    mine = table3.fine_tuning("mine", "release", max_epochs=3)
    assert (mine.eval_every, mine.max_epochs) == (50, 3)


def test_points_of_figure_1():
    rows = rows_of(figure1, depths=[8, 4], ratios=[1.0, 0.4], seed=3)
    assert described(rows) == [
        ("40%", "NextItNet-4", "", (4, 0.4, None)),
        ("100%", "NextItNet-4", "", (4, 1.0, None)),
        ("40%", "NextItNet-8", "", (8, 0.4, None)),
        ("100%", "NextItNet-8", "", (8, 1.0, None)),
    ]


def test_figure_5_has_the_runs_of_table_2():
    rows = rows_of(figure5)
    assert [row.label for row in rows][:3] == [
        *("NextItNet-8 (60%)", "StackA-Next-8", "StackC-Next-8"),
    ]
    assert len(rows) == 9
    recipes = [row.recipe for row in rows_of(table2)]
    assert all(row.recipe in recipes for row in rows)


def test_schedules_of_figure_6():
    rows = rows_of(
        figure6,
        depths=[4, 8, 16],
        schedules=[(300, 200)],
        patiences=[1],
        options={"eval_every": 100, "patience": 5},
    )
    assert [(row.label, row.copied) for row in rows] == [
        ("NextItNet-16", ""),
        ("StackA 4 -> 8 -> 16, fixed 300+200", "best"),
        ("StackA 4 -> 8 -> 16, adaptive, patience 1", "best"),
    ]
    direct, fixed, adaptive = (row.recipe.stages for row in rows)
    assert [(s.num_blocks, s.method, s.patience) for s in direct] == [
        (16, None, 5)
    ]
    assert [
        (s.num_blocks, s.method, s.max_steps, s.patience) for s in fixed
    ] == [
        (4, None, 300, 300),
        (8, "adjacent", 200, 200),
        (16, "adjacent", 20_000, 5),
    ]
    assert [(s.num_blocks, s.max_steps, s.patience) for s in adaptive] == [
        (4, 20_000, 1),
        (8, 20_000, 1),
        (16, 20_000, 5),
    ]
    assert all(s.data_ratio == 1.0 for s in (*direct, *fixed, *adaptive))


def test_a_line_for_each_schedule():
    rows = rows_of(
        figure6,
        depths=[4, 8],
        schedules=[(300,), (50,)],
        patiences=[1, 3],
        presets=["best", "paper"],
    )
    assert len(rows) == 1 + 2 * 4
    assert len({repr(row.recipe) for row in rows}) == 9
    first = [row.recipe.stages[0] for row in rows[1:5]]
    assert [stage.max_steps for stage in first[:2]] == [300, 50]
    assert [stage.patience for stage in first[2:]] == [1, 3]
    # Fewer steps than between two evaluations: evaluated at its end.
    assert first[1].eval_every == 50


def test_schedules_that_cannot_be():
    with pytest.raises(ValueError, match=r"depths=\[4, 8\], steps=\[1, 2\]"):
        rows_of(figure6, depths=[4, 8], schedules=[(1, 2)])
    with pytest.raises(ValueError, match="num_target=4"):
        rows_of(figure6, depths=[4, 4], schedules=[(100,)])
    assert figure6.schedule_of("ml20", 2) == (50_000, 100_000)
    assert figure6.schedule_of("ml1m", 2) == (1_000, 1_000)
    assert figure6.schedule_of("ml20", 1) == (1_000,)


def test_a_role_that_is_none():
    recipe = rows_of(figure1, depths=[4], ratios=[1.0])[0].recipe
    with pytest.raises(ValueError, match="role='best'"):
        Row("40-60", "best", recipe)


@pytest.mark.parametrize("table", TABLES)
def test_every_figure_of_the_paper_has_its_line(table):
    shared = ROOT.parent / "shared" / "paper_tables.json"
    ours = set()
    for name, of_table in table.PAPER.items():
        lines = [row for row in rows_of(table, figures_of=name) if row.figures]
        assert len(lines) == sum(map(len, of_table.values()))
        ours |= {
            (name, row.label, row.figures[0], row.figures[3]) for row in lines
        }
    if not shared.is_file():
        pytest.skip("shared/paper_tables.json is not here")
    number = 2 if table is table2 else int(table.NAME[-1])
    assert ours == {
        (row["dataset"].lower(), row["model"], row["MRR@5"], row["Speedup"])
        for row in json.loads(shared.read_text())["rows"]
        if row["paper"] == "StackRec" and row["table"] == number
    }


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("kuaibao", "kuaibao"),
        ("ml1m", "ml20"),
        ("movielens-100k", "ml20"),
        ("ml-latest-small", "ml20"),
        ("globo", None),
        ("mlops_clicks", None),
        ("clicks", None),
    ],
)
def test_whose_figures_may_stand_beside_ours(dataset, expected):
    assert paper_data.comparable(dataset) == expected


def test_settings_of_the_papers_data_sets():
    """Section 5.1.1 and 5.1.4 of the paper; the release's ColdRec script."""
    found = paper_data.PAPER_DATA
    assert {name: data.t for name, data in found.items()} == {
        "ml20": 20,
        "kuaibao": 30,
        "coldrec": 50,
    }
    assert found["kuaibao"].dilation_rates == (1, 2)
    assert (found["coldrec"].batch_size, found["coldrec"].l2) == (64, 0.001)
    assert paper_data.budget("ml20")["max_steps"] == 300_000
    assert paper_data.budget("ml1m")["max_steps"] == 20_000
