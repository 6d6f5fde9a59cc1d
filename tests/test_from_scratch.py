"""Training from scratch: its recipes, and how its time is counted."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from experiments import from_scratch
from experiments.recipes import figure6
from nextitnet_tf.recipe import PROTOCOLS

ROOT = pathlib.Path(__file__).parents[1]
RELEASE = PROTOCOLS["release"]


def test_the_recipes():
    rows = figure6.select(
        (4, 8, 16),
        [(300, 200)],
        [1],
        RELEASE,
        ["best"],
        1,
        eval_every=100,
        patience=5,
    )
    assert [row.label for row in rows] == [
        "NextItNet-16",
        "StackA 4 -> 8 -> 16, fixed 300+200",
        "StackA 4 -> 8 -> 16, adaptive, patience 1",
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
    assert all(row.recipe.seed == 1 for row in rows)


def test_a_line_for_each_schedule():
    rows = figure6.select(
        (4, 8), [(300,), (50,)], [1, 3], RELEASE, ["best", "paper"], 0
    )
    assert len(rows) == 1 + 2 * 4
    assert len({repr(row.recipe) for row in rows}) == 9
    first = [row.recipe.stages[0] for row in rows[1:5]]
    assert [stage.max_steps for stage in first[:2]] == [300, 50]
    assert [stage.patience for stage in first[2:]] == [1, 3]
    # Fewer steps than between two evaluations: evaluated at its end.
    assert first[1].eval_every == 50


def test_arguments():
    with pytest.raises(ValueError, match=r"depths=\[4, 8\], steps=\[1, 2\]"):
        figure6.select((4, 8), [(1, 2)], [1], RELEASE, ["best"], 0)
    with pytest.raises(ValueError, match="num_target=9"):
        figure6.select((4, 9), [(100,)], [1], RELEASE, ["best"], 0)


def test_steps_unless_a_flag_says():
    assert figure6.steps_of("ml20", 2) == (50_000, 100_000)
    assert figure6.steps_of("ml1m", 2) == (1_000, 1_000)
    assert figure6.steps_of("ml20", 1) == (1_000,)


def stage(num_blocks, *values):
    return {
        "stage": {"num_blocks": num_blocks},
        "curve": [
            {"step": 100 * (i + 1), "val_mrr_at_5": value}
            for i, value in enumerate(values)
        ],
    }


def test_all_of_the_time_counts():
    """The shallow stage's steps after its best, too."""
    points = from_scratch.whole_curve(
        [stage(2, 0.1, 0.3, 0.2), stage(4, 0.25, 0.4)], [0.01, 0.02]
    )
    assert [p["seconds"] for p in points] == pytest.approx([1, 2, 3, 5, 7])
    assert [p["num_blocks"] for p in points] == [2, 2, 2, 4, 4]
    assert from_scratch.seconds_to(points, 0.4) == pytest.approx(7)
    assert from_scratch.seconds_to(points, 0.3) == pytest.approx(2)
    assert from_scratch.seconds_to(points, 0.5) is None


@pytest.mark.slow
def test_the_command(tmp_path):
    rows = np.random.default_rng(0).integers(1, 9, (60, 6))
    lines = "\n".join(",".join(map(str, row)) for row in rows)
    (tmp_path / "my.csv").write_text(lines + "\n")
    arguments = [
        *(sys.executable, "-m", "experiments.from_scratch", "--raw=my.csv"),
        *("--output=out", "--depths=1,2", "--steps=2", "--embedding_dim=4"),
        *("--max_steps=4", "--eval_every=2", "--batch_size=16"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        arguments,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "StackA 1 -> 2, adaptive" in done.stdout
    figure = json.loads((tmp_path / "out" / "figure6.json").read_text())
    direct, fixed, adaptive = figure["rows"]
    assert direct["share"] == pytest.approx(1)
    assert fixed["steps"][0] == 2 and len(adaptive["steps"]) == 2
    assert (tmp_path / "out" / "figure6.png").read_bytes()[1:4] == b"PNG"
    written = (tmp_path / "out" / "figure6.md").read_text()
    assert written and done.stdout.endswith(written + "\n")
