"""Recipes of Tables 4 to 7, and of the paper's data sets."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from experiments.recipes import paper_data
from experiments.recipes import table2
from experiments.recipes import table4
from experiments.recipes import table5
from experiments.recipes import table6
from experiments.recipes import table7
from nextitnet_tf.models import MODELS
from nextitnet_tf.recipe import PROTOCOLS
from tests import checks

ROOT = pathlib.Path(__file__).parents[1]
RELEASE, CLEAN = PROTOCOLS["release"], PROTOCOLS["clean"]
TABLES = [table2, table4, table5, table6, table7]


def described(rows):
    """(setting, label, (depth, ratio, method) of each stage)."""
    return [
        (
            row.setting,
            row.label,
            [(s.num_blocks, s.data_ratio, s.method) for s in row.recipe.stages],
        )
        for row in rows
    ]


def test_table_4():
    rows = table4.select(["60-80"], RELEASE, ["best"], seed=2)
    shallow = (8, 0.6, None)
    assert described(rows) == [
        ("60-80", "NextItNet-8", [shallow]),
        ("60-80", "NextItNet-16", [(16, 0.8, None)]),
        ("60-80", "StackE-Next-16", [shallow, (16, 0.8, "embedding")]),
        ("60-80", "StackR-Next-16", [shallow, (16, 0.8, "random")]),
        ("60-80", "StackC-Next-16", [shallow, (16, 0.8, "cross")]),
        ("60-80", "StackA-Next-16", [shallow, (16, 0.8, "adjacent")]),
    ]
    # What Table 2 has trained is not trained again.
    of_table_2 = table2.select(["60-80"], RELEASE, ["best"], seed=2)
    recipes = [row.recipe for row in of_table_2]
    shared = [row.label for row in rows if row.recipe in recipes]
    assert shared == [
        *("NextItNet-8", "NextItNet-16", "StackC-Next-16", "StackA-Next-16"),
    ]


def test_table_5_at_an_eighth_of_its_depths():
    rows = table5.select(["80-100"], RELEASE, ["best"], 0, divide_depth=8)
    shallow = (4, 0.8, None)
    assert described(rows) == [
        ("80-100", "NextItNet-4", [shallow]),
        ("80-100", "NextItNet-6", [(6, 1.0, None)]),
        ("80-100", "NextItNet-8", [(8, 1.0, None)]),
        ("80-100", "StackC-Next-6", [shallow, (6, 1.0, "cross")]),
        ("80-100", "StackA-Next-6", [shallow, (6, 1.0, "adjacent")]),
    ]
    figures = table5.PAPER["kuaibao"]
    assert [row.paper(figures)[0] for row in rows] == [
        *(0.0669, 0.0703, 0.0709, 0.0719, 0.0725),
    ]
    with pytest.raises(ValueError, match="divide_depth=5"):
        table5.select(["80-100"], RELEASE, ["best"], 0, divide_depth=5)


def test_table_6():
    rows = table6.select(table6.NAMES, CLEAN, ["best"], seed=0)
    assert [row.recipe.model_config["use_alpha"] for row in rows] == (
        [False] * 4 + [True] * 4
    )
    assert described(rows)[3][2] == [(8, 0.8, None), (16, 1.0, "adjacent")]
    assert {len(row.recipe.model_config) for row in rows} == {1}


def test_without_presets_a_table_has_what_is_best_for_each_model():
    for name, best in (("GRec", "best"), ("SASRec", "paper")):
        rows = table7.select([name], RELEASE, None, 0)
        assert [row.preset for row in rows if row.role == "stacked"] == [
            *("release", "release", best, best),
        ]
        assert MODELS[rows[0].recipe.model].best_preset == best


def test_table_7():
    options = {"model_config": {"embedding_dim": 32, "dilation_rates": [1, 2]}}
    rows = table7.select(
        table7.NAMES, RELEASE, ["release", "best"], 0, **options
    )
    by_model = {}
    for row in rows:
        by_model.setdefault(row.recipe.model, []).append(row)
    assert {name: len(found) for name, found in by_model.items()} == {
        "grec": 6,
        "sasrec": 6,
        "ssept": 6,
    }
    assert described(by_model["sasrec"]) == [
        ("SASRec", "SASRec-18", [(18, 0.8, None)]),
        ("SASRec", "SASRec-24", [(24, 1.0, None)]),
        ("SASRec", "StackC-SASRec-24", [(18, 0.8, None), (24, 1.0, "cross")]),
        (
            "SASRec",
            "StackA-SASRec-24",
            [(18, 0.8, None), (24, 1.0, "adjacent_release")],
        ),
        ("SASRec", "StackC-SASRec-24", [(18, 0.8, None), (24, 1.0, "cross")]),
        (
            "SASRec",
            "StackA-SASRec-24",
            [(18, 0.8, None), (24, 1.0, "adjacent")],
        ),
    ]
    config = {name: by_model[name][0].recipe.model_config for name in by_model}
    assert config == {
        "grec": options["model_config"],
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
    clean = table7.select(["SSEPT"], CLEAN, ["best"], 0)
    assert clean[0].recipe.protocol.split == "rows"


@pytest.mark.parametrize("table", TABLES)
def test_every_figure_of_the_paper_has_its_line(table):
    shared = ROOT.parent / "shared" / "paper_tables.json"
    rows = table.select(table.NAMES, RELEASE, ["best"], seed=0)
    labels = {(row.setting, row.paper_label or row.label) for row in rows}
    for figures in table.PAPER.values():
        for setting, of_setting in figures.items():
            for label in of_setting:
                assert (setting, label) in labels
    if not shared.is_file():
        pytest.skip("shared/paper_tables.json is not here")
    number = 2 if table is table2 else int(table.NAME[-1])
    found = {
        (row["dataset"].lower(), row["model"], row["MRR@5"], row["Speedup"])
        for row in json.loads(shared.read_text())["rows"]
        if row["paper"] == "StackRec" and row["table"] == number
    }
    ours = {
        (name, label, values[0], values[3])
        for name, figures in table.PAPER.items()
        for of_setting in figures.values()
        for label, values in of_setting.items()
    }
    assert ours == found


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


def write_sessions_csv(path, num_rows, t, num_items):
    """The format of the release's files: t ids a line, zeros in front."""
    generator = np.random.default_rng(0)
    rows = generator.integers(1, num_items + 1, (num_rows, t))
    rows[:9, : t // 2] = 0
    lines = "\n".join(",".join(map(str, row)) for row in rows)
    path.write_text(lines + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("dataset", "t", "arguments", "expected"),
    [
        (
            "ml20",
            20,
            ["--table=4", "--divide_depth=8", "--presets=release"],
            {"dilation_rates": [1, 4], "batch_size": 256, "l2": 0.0},
        ),
        # GRec's depths cannot be divided by 6.
        pytest.param(
            "ml20",
            20,
            [
                *("--table=7", "--settings=SASRec,SSEPT", "--divide_depth=6"),
                "--presets=release",
            ],
            {"dilation_rates": None, "batch_size": 256, "l2": 0.0},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "kuaibao",
            30,
            ["--table=5", "--divide_depth=16", "--presets=best"],
            {"dilation_rates": [1, 2], "batch_size": 256, "l2": 0.0},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "coldrec",
            50,
            ["--table=2", "--settings=40-60", "--divide_depth=4"],
            {"dilation_rates": [1, 4], "batch_size": 64, "l2": 0.001},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_few_steps_of_the_papers_recipes(
    tmp_path, dataset, t, arguments, expected
):
    raw = write_sessions_csv(tmp_path / "raw.csv", 2000, t, 40)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.continual_learning"),
            *(f"--dataset={dataset}", f"--raw={raw}", "--protocol=release"),
            *("--output=out", "--max_steps=2", "--eval_every=1"),
            "--embedding_dim=4",
            *arguments,
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    runs = [
        json.loads(path.read_text())
        for path in (tmp_path / "out" / "runs").glob("*/run.json")
        if not path.parent.name.startswith("most_pop")
    ]
    assert len(runs) >= 4
    for run in runs:
        assert run["data"]["t"] == t
        assert run["batch_size"] == expected["batch_size"]
        assert run["protocol"]["l2"] == expected["l2"]
        dilations = run["model_config"].get("dilation_rates")
        assert dilations == expected["dilation_rates"]
    assert "Stack" in done.stdout


def test_a_setting_of_another_table(tmp_path):
    rows = np.random.default_rng(0).integers(1, 9, (40, 6))
    checks.write_sessions(tmp_path / "s", rows)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.continual_learning"),
            *("--table=7", "--settings=40-60", "--sessions=s"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line == (
        "error: --settings must be among GRec, SASRec, SSEPT. Received: 40-60"
    )
