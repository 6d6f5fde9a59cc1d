"""The benchmark's arithmetic, and a case of each kind on tiny sizes."""

import json

import pytest

from experiments.benchmark import processes
from experiments.benchmark import report
from experiments.benchmark import steps
from nextitnet_tf import release


def test_arithmetic_of_a_step_by_hand():
    """Batch 256, t 20, width 64, 3,501 columns, 700 of them sampled."""
    positions = 256 * 19
    convolution = 2 * positions * (3 * 64) * 64
    head = 2 * positions * 64 * 700
    expected = 3 * (16 * convolution + head) / 1e9
    assert steps.Step().gflop == pytest.approx(expected)
    assert expected == pytest.approx(7.0, abs=0.05)
    full = steps.Step(sampled_fraction=0).gflop
    assert full == pytest.approx(12.3, abs=0.05)
    assert steps.Step(num_blocks=32).gflop == pytest.approx(24.3, abs=0.1)


def test_a_line_through_points():
    fit = report.fit_line([1, 2, 4], [0.5, 0.7, 1.1])
    assert fit["intercept"] == pytest.approx(0.3)
    assert fit["slope"] == pytest.approx(0.2)
    assert fit["largest_residual"] == pytest.approx(0, abs=1e-9)
    fit = report.fit_line([1, 2, 3], [1.0, 2.0, 6.0])
    assert fit["largest_residual"] > 0.1


def test_steps_of_a_tiny_model(monkeypatch):
    monkeypatch.setattr(steps, "_WARM_UP_SECONDS", 0.01)
    step = steps.Step(
        num_blocks=1, num_items=20, batch_size=4, t=5, embedding_dim=8
    )
    for timed in (steps.time_training, steps.time_evaluation):
        timing = timed(step, repetitions=2)
        assert len(timing.seconds) == 2
        assert 0 < timing.median < timing.first_seconds


def test_a_csv_of_sessions_that_can_be_read(tmp_path):
    path = processes.write_sessions(tmp_path, num_rows=100)
    rows, vocabulary = release.read_sessions(path)
    assert rows.shape == (100, 20)
    assert len(vocabulary) > 50


def test_csvs_of_words_and_of_targets_that_can_be_read(tmp_path):
    path = processes.write_sessions(tmp_path, num_rows=100, item="item-{}")
    rows, vocabulary = release.read_sessions(path)
    assert rows.shape == (100, 20)
    assert list(vocabulary)[1].startswith("item-")
    path = processes.write_sessions(tmp_path, num_rows=100, num_targets=3)
    found = release.read_transfer(path)
    assert found.examples.shape == (300, 17 + 2)


def test_a_failing_job_says_why():
    with pytest.raises(ChildProcessError, match="read_sessions.*nothing.csv"):
        processes.run("read_sessions", "nothing.csv")


def test_the_report(tmp_path):
    result = {
        "machine": {
            "processor": "P",
            "cores": 2,
            "device": "cpu",
            "keras": "3",
            "backend": "b",
            "backend_version": "1",
            "gflop_per_second": 200.0,
            "narrow_gflop_per_second": 120.0,
            "copy_gb_per_second": 10.0,
        },
        "steps": [
            {
                "name": "a step",
                "gflop": 7.0,
                "seconds": 0.07,
                "min": 0.06,
                "max": 0.08,
                "gflop_per_second": 100.0,
                "share": 0.5,
                "goal_share": 0.8,
                "release_share": None,
                "first_seconds": 9.0,
            }
        ],
        "processes": [{"name": "start", "goal": "2 s", "shown": "1.9 s"}],
        "growth": [
            {
                "name": "blocks",
                "x": [1, 2],
                "seconds": [0.01, 0.02],
                "intercept": 0.0,
                "slope": 0.01,
                "largest_residual": 0.0,
            }
        ],
    }
    markdown = report.to_markdown(json.loads(json.dumps(result)))
    assert (
        "| a step | 7.0 | 70.0 | 60.0 - 80.0 | 100 | 50% | 80% |  | 9.0 |"
        in markdown
    )
    assert "| start | 1.9 s | 2 s |" in markdown
    assert "| blocks | 1: 10, 2: 20 | 0.0 + 10 x | 0% |" in markdown
    report.draw(result, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
