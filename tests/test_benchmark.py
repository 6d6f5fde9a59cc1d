"""The benchmark's arithmetic, and a case of each kind on tiny sizes."""

import json
import os
import subprocess

import numpy as np
import pytest

import nextitnet_tf
from experiments.benchmark import accuracy
from experiments.benchmark import answers
from experiments.benchmark import batch
from experiments.benchmark import cases
from experiments.benchmark import child
from experiments.benchmark import compression
from experiments.benchmark import growth
from experiments.benchmark import inference
from experiments.benchmark import last_position
from experiments.benchmark import machine
from experiments.benchmark import padding
from experiments.benchmark import processes
from experiments.benchmark import recommending
from experiments.benchmark import report
from experiments.benchmark import steps
from experiments.benchmark.settings import Settings
from nextitnet_tf import data
from nextitnet_tf import release
from nextitnet_tf.serving import history_files
from tests import checks


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


def test_files_of_histories_hold_the_rows_that_are_evaluated(tmp_path):
    rows = np.repeat(np.arange(1, 4001), 2).reshape(400, 20)
    found = dict(batch.write(rows, tmp_path))
    assert found.keys() == {"evaluate", "jsonl", "parquet", "txt"}
    evaluated = data.read_sessions(tmp_path / "sessions")
    model = nextitnet_tf.load_model(tmp_path / "model.keras")
    assert model.vocabulary.raw_ids == evaluated.vocabulary.raw_ids
    raw = np.asarray(evaluated.vocabulary.raw_ids[1:])[evaluated.rows - 1]
    np.testing.assert_array_equal(raw, rows)
    for suffix in ("jsonl", "parquet", "txt"):
        source = tmp_path / f"histories.{suffix}"
        assert f"--input={source}" in found[suffix]
        (block,) = history_files.read_blocks(source, 1000)
        histories = [[*map(int, history)] for history in block.histories]
        assert histories == rows[:, :-1].tolist()


def test_rows_a_second_leave_out_what_a_process_needs_to_start(monkeypatch):
    monkeypatch.setattr(batch, "NUM_ROWS", 1000)
    monkeypatch.setattr(batch, "NUM_FEW", 100)
    monkeypatch.setattr(batch, "NUM_ROUNDS", 2)
    ran = iter(
        {"seconds": seconds, "peak_gb": gb}
        for seconds, gb in [(10, 1), (12, 1.5), (9, 1), (9, 1)]
        + [(20, 1), (12, 1), (9, 1), (9, 1)]
        + [(30, 1.25), (21, 2), (12, 1), (9.5, 1)]
        + [(60, 1), (22, 2.5), (12, 1), (9.5, 1)]
    )
    monkeypatch.setattr(
        batch, "write", lambda rows, _: [(k, []) for k in kinds]
    )
    kinds = ("evaluate", "jsonl", "parquet", "txt")
    monkeypatch.setattr(batch, "_run", lambda command: next(ran))
    shown = batch.to_markdown(batch.measure(None))
    # 900 rows in 20 s, 9 s, 3 s and half a second; then in 40 and 10 s.
    assert "| evaluate | 45 | 34 | 100%, 100% | 1.25 | 1.00 |" in shown
    assert "| recommend, .jsonl | 22 | 95 | 222%, 400% | 2.50 | 1.50 |" in shown
    assert "| recommend, .txt | 10 | 1,800 | 4000%, 8000% | 1.00 | 1.00 |" in (
        shown
    )


def test_a_line_through_points():
    fit = growth.fit_line([1, 2, 4], [0.5, 0.7, 1.1])
    assert fit["intercept"] == pytest.approx(0.3)
    assert fit["slope"] == pytest.approx(0.2)
    assert fit["largest_residual"] == pytest.approx(0, abs=1e-9)
    fit = growth.fit_line([1, 2, 3], [1.0, 2.0, 6.0])
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


@pytest.mark.slow
def test_what_padding_costs(monkeypatch, tmp_path):
    """Of rows whose paddings are where Beauty's are."""
    item_ids, targets = padding.make_rows(padding.Padded())
    assert item_ids.shape == targets.shape == (128, 50)
    share = (targets == 0).mean()
    assert share == pytest.approx(0.88, abs=0.02)
    # Padding is on the left, and each target follows its item.
    assert ((targets[:, :-1] == 0) >= (targets[:, 1:] == 0)).all()
    assert (targets[:, :-1] == item_ids[:, 1:]).all()
    monkeypatch.setattr(steps, "_WARM_UP_SECONDS", 0.01)
    tiny = padding.Padded(8, num_items=30, batch_size=8, length=10)
    monkeypatch.setattr(padding, "STEPS", (tiny,))
    settings = Settings(2, gflop_per_second=1.0, table=tmp_path)
    (found,) = padding.measure(settings)
    ratio = found["seconds_all"] / found["seconds_real"]
    assert found["ratio"] == pytest.approx(ratio) and ratio > 0
    assert "| width 8 |" in padding.to_markdown([found])[2]


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


@pytest.mark.slow
def test_what_a_tree_costs(monkeypatch, tmp_path):
    """A small one: what is measured, and the masses that are promised."""
    monkeypatch.setattr(compression, "STEP", (40, (8, 40), (8, 2)))
    monkeypatch.setitem(
        compression.CATALOGUES, 300, ((40, 84, 300), (64, 16, 4))
    )
    monkeypatch.setattr(compression, "_STEPS", 2)
    steps = {way: compression.time_step(way) for way in ("full", "tree")}
    tiny = compression.time_step("tree", "tiny")
    assert 0 < tiny["num_parameters"] < 10_000
    # Both ends: 8 and 32 of rank 2, a root of one column more.
    both = 2 * (8 * 8 + 32 * 2 + 2 * 8) + 8
    assert (
        steps["full"]["num_parameters"] - steps["tree"]["num_parameters"]
        == 2 * 40 * 8 + 40 - both
    )
    softmax = compression.make_softmax(300, 0.04)
    found = np.exp(np.array(softmax(compression.make_hidden(64))))
    assert 0.02 < found[:, 40:].sum(axis=1).mean() < 0.08
    monkeypatch.setattr(compression, "BATCH_SIZES", (2,))
    (answer,) = compression.time_answers(300, 0.5)["batches"]
    answer |= {"num_columns": 300, "mass": 0.5}
    served = {}
    for way in ("full", "tree", "int8"):
        path = tmp_path / f"{way}.keras"
        compression.save_to_serve(way, str(path))
        served[way] = {
            **compression.serve(str(path)),
            "file_bytes": path.stat().st_size,
        }
    steps["full"] |= {"seconds": 1.5, "more_gb": 1.25, "compiling_gb": 0.25}
    steps["tree"] |= {"seconds": 0.5, "more_gb": 0.75, "compiling_gb": 0.5}
    text = compression.to_markdown(
        {"steps": steps, "answers": [answer], "served": served}
    )
    assert text[-2].startswith("| 300 | 50% | 2 | ")
    (line,) = (line for line in text if "[8, 40]" in line)
    assert "| 0.500 | 3.0x | 0.75 | 0.60 | 0.25 | 0.25 |" in line


def test_skipping_half_of_the_blocks(monkeypatch):
    """Both ways answer; times and bounds by hand."""
    monkeypatch.setattr(inference, "_NUM_ITEMS", 40)
    monkeypatch.setattr(inference, "_WIDTH", 4)
    monkeypatch.setattr(inference, "_QUERIES", 3)
    ways = inference.make_ways(2)
    queries = inference.make_queries(2, 3)
    for _, keep in queries:
        np.testing.assert_array_equal(np.array(keep).sum(axis=1), [1, 1, 1])
    times = inference.time_in_turns(ways, queries)
    names = ["full", "frozen", "skipping", "frozen_skipping"]
    assert [(name, len(t)) for name, t in times.items()] == [
        (name, 3) for name in names
    ]
    # Blocks begin as the identity: which of them run makes no difference.
    full, *others = (way(*queries[0]).numpy() for way in ways.values())
    for other in others:
        np.testing.assert_allclose(full, other, rtol=1e-5)
    found = inference.summarize(
        8,
        3,
        {
            "full": [1.0, 2.0, 9.0],
            "skipping": [1.0, 1.0, 1.0],
            "frozen": [0.8, 0.6, 0.6],
            "frozen_skipping": [0.5, 0.4, 0.5],
        },
    )
    assert found["speedup"] == 2 and found["full"][0] == 2
    assert found["frozen_speedup"] == pytest.approx(1.2)
    assert found["bound"] == pytest.approx(8 / 6)
    text = inference.to_markdown([found])
    assert text[-2].startswith("| 8 | 3 | 2.00 / ")
    assert text[-2].endswith("| 1.20x | 0.90 of 1.33x | 3 |")


def test_a_process_of_one_core(monkeypatch):
    """Which this one has all of, before and after."""
    own = os.sched_getaffinity(0)
    seen = []

    def watched(*args, **kwargs):
        seen.append(os.sched_getaffinity(0))
        return subprocess.CompletedProcess(args, 0, stdout="{}", stderr="")

    monkeypatch.setattr(subprocess, "run", watched)
    child.run("machine", cores=1)
    child.run("machine")
    assert len(seen[0]) == 1 and seen[0] <= own
    assert seen[1] == own == os.sched_getaffinity(0)


def test_whole_answers(monkeypatch):
    """Of all ways alike; how much faster by hand."""
    for name, value in (("NUM_ITEMS", 40), ("DEPTH", 2), ("WIDTH", 4)):
        monkeypatch.setattr(answers, name, value)
    histories = recommending.make_histories(40, 3)
    ways = answers.make_ways()
    *found, end = (way(histories) for way in ways.values())
    assert all(answer == found[0] for answer in found)
    assert np.array(end).shape == (3, 10)
    found = [
        {
            "batch_size": 64,
            "answers": {"recommend": [3.0, 4, 5], "frozen": [1.5, 2, 3]},
            "queries": 7,
        }
    ]
    assert answers.to_markdown(found)[-2] == (
        "| 64 | frozen | 1.50 / 2.00 / 3.00 | 2.00x | 7 |"
    )


@pytest.mark.slow
def test_ways_to_the_last_position(monkeypatch):
    """All answer; times and shares by hand."""
    for name, value in (
        *(("CLICKS", ((2, 6),)), ("FIELDS", ((2, 20), (2, 8)))),
        ("BATCH_SIZES", (3,)),
        *(("_WIDTH", 4), ("_NUM_ITEMS", 40)),
    ):
        monkeypatch.setattr(last_position, name, value)
    monkeypatch.setattr(inference, "_QUERIES", 2)
    click, field, other = last_position.measure(inference.time_in_turns)
    assert set(click["ways"]) == {
        f"{way}{suffix}"
        for way in ("full", "click", "Session.append")
        for suffix in ("", ", frozen")
    }
    assert click["share"] == 1 / 5 and click["queries"] == 2
    assert (field["t"], other["t"]) == (20, 8)
    assert field["share"] == 19 / 76  # 1, 3, 5 and 10 of 19 each
    ways, _ = last_position.field_ways(2, 20)
    full, *others = (
        way(*last_position.make_queries(20, 3)[0]) for way in ways.values()
    )
    assert len(others) == 3
    for other in others:
        np.testing.assert_allclose(full, other, rtol=1e-5)
    found = last_position.summarize(
        *("a click", 16, 20, 1, 1 / 19),
        {
            "full": [2.0, 4.0, 9.0],
            "click": [1.0, 1.0, 1.0],
            "full, frozen": [1.0, 1.0, 1.0],
            "click, frozen": [0.5, 0.5, 0.5],
        },
    )
    text = inference.to_markdown([found])
    last = "| click, frozen | 0.50 / 0.50 / 0.50 | 2.00x | 3 |"
    assert text[-2].endswith(last)
    assert text[-4] == (
        "| a click | 16 | 20 | 1 | 5% | click | 1.00 / 1.00 / 1.00 | 4.00x | "
        "3 |"
    )


def test_both_ways_of_recommending_answer_the_same():
    model = nextitnet_tf.NextItNet(num_items=40, num_blocks=1, embedding_dim=4)
    checks.scramble(model)
    model.vocabulary = recommending.make_vocabulary(40)
    histories = recommending.make_histories(40, 7)
    assert [len(history) for history in histories] == [20] * 7
    answers = [way(model, histories) for way in recommending.WAYS.values()]
    assert answers[0] == answers[1]
    assert [len(answer) for answer in answers[0]] == [10] * 7


def test_one_way_of_recommending_in_a_process_of_its_own():
    found = child.run("recommend", "top_items", "40", "3")
    assert found["num_histories"] == 3
    assert found["histories_per_second"] == pytest.approx(3 / found["seconds"])
    assert 0 < found["more_gb"] < 1


def test_which_cases_run():
    assert list(cases.choose(["growth", "steps"])) == ["steps", "growth"]
    for wrong in (["step"], [], ["steps", ""]):
        with pytest.raises(ValueError, match="--cases must be among steps, "):
            cases.choose(wrong)


def test_which_machine_it_is():
    here = json.loads(json.dumps(machine.describe()))
    assert machine.is_this_one({**here, "gflop_per_second": 1.0})
    assert machine.is_this_one({**here, "load_average_before": 99})
    assert not machine.is_this_one({**here, "cores": 99})
    assert not machine.is_this_one({})


def test_time_to_accuracy_by_hand(tmp_path):
    def row(model, seconds, mrr, step=100, **more):
        return {
            "setting": "60-80",
            "protocol": "release",
            "seed": 0,
            "copied": "",
            "speedup": None,
            "model": model,
            "seconds": seconds,
            "mrr_at_5": mrr,
            "best_step": step,
            **more,
        }

    rows = [
        row("NextItNet-8 (60%)", 70.0, 0.04),
        row("NextItNet-16 (80%)", 200.0, 0.05, step=1600),
        row("StackA-Next-16", 60.0, 0.055, speedup=5.0, copied="best"),
        row("StackA-Next-16", 10.0, 0.9, speedup=9.0, copied="paper"),
        row("StackA-Next-16", 10.0, 0.9, setting="40-60", copied="best"),
        row("NextItNet-16 (80%)", 1.0, 0.9, protocol="clean"),
        row("NextItNet-16 (80%)", 1.0, 0.9, seed=1),  # the only row of seed 1
    ]
    table = tmp_path / "table.json"
    assert accuracy.read(table) == []
    table.write_text(json.dumps({"rows": rows}))
    (found,) = accuracy.read(table)
    # 40 s of 200; with the shallow model's 70 s 110 of 200. The release's
    # step at 16 blocks: 164 ms + (612 - 164) / 3 ms, 1,600 of them.
    assert found["seed"] == 0
    assert found["share"] == pytest.approx(0.2)
    assert found["share_with_shallow"] == pytest.approx(0.55)
    assert found["gain"] == pytest.approx(0.1)
    assert found["release_ratio"] == pytest.approx(1600 * 0.31333 / 40, 1e-3)
    for wrong in ("no json", "[]", "{}"):
        (tmp_path / "wrong.json").write_text(wrong)
        with pytest.raises(ValueError, match="table.json.*wrong.json"):
            accuracy.read(tmp_path / "wrong.json")
    rows[2]["speedup"] = None
    table.write_text(json.dumps({"rows": rows}))
    assert accuracy.read(table)[0]["share"] is None


def test_a_failing_job_says_why():
    with pytest.raises(ChildProcessError, match="read_sessions.*nothing.csv"):
        child.run("read_sessions", "nothing.csv")


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
        "recommend": [
            {
                "num_items": 50_000,
                "goal": "5x",
                "ratio": 12.34,
                "top_items": {"histories_per_second": 1234.0, "more_gb": 0.3},
                "full_sort": {"histories_per_second": 100.0, "more_gb": 2.5},
            }
        ],
        "accuracy": [
            {
                "seed": 3,
                "scratch_seconds": 200.0,
                "share": 0.2,
                "share_with_shallow": 0.55,
                "gain": 0.1,
                "release_ratio": 12.53,
            },
            {
                "seed": 4,
                "scratch_seconds": 100.0,
                "share": None,
                "share_with_shallow": None,
                "gain": -0.02,
                "release_ratio": None,
            },
        ],
    }
    markdown = report.to_markdown(json.loads(json.dumps(result)))
    assert (
        "| a step | 7.0 | 70.0 | 60.0 - 80.0 | 100 | 50% | 80% |  | 9.0 |"
        in markdown
    )
    assert "| start | 1.9 s | 2 s |" in markdown
    assert "| blocks | 1: 10, 2: 20 | 0.0 + 10 x | 0% |" in markdown
    assert "| 50,000 | 1,234 | 0.30 | 100 | 2.50 | 12.3x | 5x |" in markdown
    assert "| 3 | 200 | 20% | 55% | +10.0% | 12.5x |" in markdown
    assert "| 4 | 100 | never | never | -2.0% | never |" in markdown
    report.draw(result, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
