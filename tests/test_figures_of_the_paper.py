"""Figures 1 and 5 as commands."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from experiments import accuracy_by_depth
from experiments import convergence
from experiments import tables
from experiments.recipes import figure1
from experiments.recipes.rows import Row
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage

ROOT = pathlib.Path(__file__).parents[1]
RELEASE = PROTOCOLS["release"]


class Data:
    meta = {"source": "hand", "num_rows": 1000, "t": 20, "num_items": 50}


def line(role, setting, depth, ratio, seed, mrr, curve=((100, 0.1),)):
    """A row that was run, its numbers made up."""
    recipe = Recipe((Stage(depth, ratio),), protocol=RELEASE, seed=seed)
    if role == "stacked":
        recipe = Recipe(
            (Stage(depth // 2, ratio), Stage(depth, ratio, method="adjacent")),
            protocol=RELEASE,
            seed=seed,
        )
    best = max(value for _, value in curve)
    return tables.Line(
        Row(setting, f"{role}-{depth}", role, recipe),
        {
            "seed": seed,
            "protocol": {"name": "release", "nesting": "release"}
            | {"sampled_fraction": 0.2},
            "protocol_differences": [],
            "model_config": {},
            "batch_size": 256,
            "data": {"t": 20, "num_items": 50},
            "num_parameters": 10_000,
            "test": {"mrr_at_5": mrr, "num_sessions": 200},
            "num_sessions": 200,
            "num_train_rows": int(800 * ratio),
            "versions": {"keras": "3"},
            "wall_seconds": 9.0,
            "best_validation": best,
            "best_step": next(step for step, v in curve if v == best),
            "curve": [{"step": s, "val_mrr_at_5": v} for s, v in curve],
        },
        step_seconds=0.5,
        is_idle_time=True,
    )


def test_points_of_figure_1():
    rows = figure1.select((8, 4), (1.0, 0.4), RELEASE, 3, max_steps=500)
    assert [
        (r.setting, s.num_blocks, s.data_ratio, s.method, r.recipe.seed)
        for r in rows
        for s in r.recipe.stages
    ] == [
        ("40%", 4, 0.4, None, 3),
        ("100%", 4, 1.0, None, 3),
        ("40%", 8, 0.4, None, 3),
        ("100%", 8, 1.0, None, 3),
    ]


def test_figure_1_by_hand(tmp_path, monkeypatch):
    lines = [
        line("scratch", "100%", 8, 1.0, 0, 0.06),
        line("scratch", "40%", 4, 0.4, 0, 0.02),
        line("scratch", "40%", 4, 0.4, 1, 0.04),
    ]
    monkeypatch.setattr(tables, "read_lines", lambda *_: lines)
    text = accuracy_by_depth._write([], {"x": Data}, tmp_path)
    assert "| 40% | 4 | 2 | 0.0300 | 0.0200 0.0400 | 320 |" in text
    assert "| 100% | 8 | 1 | 0.0600 | 0.0600 | 800 |" in text
    found = json.loads((tmp_path / "figure1.json").read_text())["points"]
    assert [(p["data"], p["num_blocks"], p["values"]) for p in found] == [
        ("100%", 8, [0.06]),
        ("40%", 4, [0.02, 0.04]),
    ]
    assert (tmp_path / "figure1.png").read_bytes()[1:4] == b"PNG"


def test_figure_5_by_hand(tmp_path, monkeypatch):
    """0.3 is reached after 400 steps from scratch, 100 stacked."""
    lines = [
        line("scratch", "40-60", 8, 0.6, 0, 0.2, [(100, 0.1), (400, 0.3)]),
        line("stacked", "40-60", 8, 0.6, 0, 0.2, [(100, 0.3), (200, 0.2)]),
    ]
    monkeypatch.setattr(tables, "read_lines", lambda *_: lines)
    text = convergence._write([], {"x": Data}, tmp_path)
    assert text == (
        "40-60 stacked-8 best seed 0: as good as from scratch 4.00 times sooner"
    )
    found = json.loads((tmp_path / "figure5.json").read_text())
    assert found["rows"][1]["curve"][0] == {
        "step": 100,
        "seconds": 50.0,
        "val_mrr_at_5": 0.3,
    }
    assert "idle machine" in found["seconds"]
    assert (tmp_path / "figure5.png").read_bytes()[1:4] == b"PNG"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "flags", "expected"),
    [
        ("accuracy_by_depth", ["--depths=1,2", "--ratios=1"], "figure1"),
        (
            "convergence",
            ["--settings=40-60", "--divide_depth=4", "--presets=best"],
            "figure5",
        ),
    ],
)
def test_the_commands(tmp_path, module, flags, expected):
    rows = np.random.default_rng(0).integers(1, 9, (90, 6))
    lines = "\n".join(",".join(map(str, row)) for row in rows)
    (tmp_path / "my.csv").write_text(lines + "\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", f"experiments.{module}", "--raw=my.csv"),
            *("--output=out", "--embedding_dim=4", "--max_steps=2"),
            *("--eval_every=2", "--batch_size=16", *flags),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for ending in ("json", "png"):
        assert (tmp_path / "out" / f"{expected}.{ending}").is_file()


def test_a_wrong_setting(tmp_path):
    (tmp_path / "my.csv").write_text("1,2,3,4,5,6\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.convergence"),
            *("--raw=my.csv", "--settings=100-100"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: --settings must be among 40-60")
