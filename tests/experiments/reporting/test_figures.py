"""Figures 1, 5 and 6, by hand."""

import json

import pytest

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.reporting import all_stages
from experiments.reporting import by_depth
from experiments.reporting import convergence
from nextitnet_tf.recipe import PROTOCOLS

RELEASE = PROTOCOLS["release"]


@pytest.fixture
def given_lines(monkeypatch, made_up_store):
    """Has a writer read these lines; returns what it is to be called with."""

    def give(module, lines):
        monkeypatch.setattr(module, "read_lines", lambda *_: lines)
        meta = {"source": "hand<1>", "num_items": 50}
        store = made_up_store(meta=meta)

        class Sessions:
            rows = type("Rows", (), {"shape": (1000, 20)})()

        store.sessions = {"first_appearance": Sessions}
        return store

    return give


def row(role, depth, ratio=0.4, seed=0, **fields):
    choices = Choices(RELEASE, seed)
    stages = [choices.stage(depth, ratio)]
    if role == "stacked":
        stages = [
            choices.stage(depth // 2, ratio),
            choices.stage(depth, ratio, method="adjacent", preset="best"),
        ]
    return Row(f"{ratio:.0%}", role, choices.recipe(*stages), **fields)


def test_figure_1(tmp_path, make_line, given_lines):
    lines = [
        make_line(row("scratch", 8, 1.0), [0.1], mrr=0.06),
        make_line(row("scratch", 4), [0.1], mrr=0.02),
        make_line(row("scratch", 4, seed=1), [0.1], mrr=0.04),
    ]
    store = given_lines(by_depth, lines)
    text = by_depth.write([], store, tmp_path, "figure1", "Title")
    assert "| 40% | 4 | 2 | 0.0300 | 0.0200 0.0400 | 10 |" in text
    assert "| 100% | 8 | 1 | 0.0600 | 0.0600 | 10 |" in text
    assert (
        "- Data: hand&lt;1>, 1,000 sessions of t = 20, 50 items. Protocol "
        "release; 1,234 test sessions.\n"
    ) in text
    found = json.loads((tmp_path / "figure1.json").read_text())["rows"]
    assert [
        (p["data"], p["data_ratio"], p["num_blocks"], p["values"])
        for p in found
    ] == [("40%", 0.4, 4, [0.02, 0.04]), ("100%", 1.0, 8, [0.06])]
    assert (tmp_path / "figure1.png").read_bytes()[1:4] == b"PNG"


def test_figure_5(tmp_path, make_line, given_lines):
    """0.3 is reached after 400 steps from scratch, 100 stacked."""
    scratch = row("scratch", 8)
    stacked = row("stacked", 8, compared_with=scratch)
    lines = [
        make_line(scratch, [0.1, 0.1, 0.1, 0.3], 0.5),
        make_line(stacked, [0.3, 0.2], 0.5),
    ]
    store = given_lines(convergence, lines)
    text = convergence.write([], store, tmp_path, "figure5", "Title")
    assert text == (
        "40% StackA-Next-8 best seed 0: as good as from scratch 4.00 times "
        "sooner"
    )
    found = json.loads((tmp_path / "figure5.json").read_text())
    assert found["rows"][1]["curve"][0] == {
        "step": 100,
        "seconds": 50.0,
        "val_mrr_at_5": 0.3,
    }
    assert found["rows"][1]["method"] == "adjacent"
    assert "the runs themselves" in found["seconds"]
    assert (tmp_path / "figure5.png").read_bytes()[1:4] == b"PNG"


def stage(num_blocks, *values):
    return {
        "stages": [{"num_blocks": num_blocks}],
        "curve": [
            {"step": 100 * (i + 1), "val_mrr_at_5": value}
            for i, value in enumerate(values)
        ],
    }


def test_all_of_the_time_counts():
    """The shallow stage's steps after its best, too."""
    points = all_stages.whole_curve(
        [stage(2, 0.1, 0.3, 0.2), stage(4, 0.25, 0.4)], [0.01, 0.02], [3, 5]
    )
    assert [p["flop"] for p in points] == [300, 600, 900, 1400, 1900]
    assert [p["seconds"] for p in points] == pytest.approx([1, 2, 3, 5, 7])
    assert [p["num_blocks"] for p in points] == [2, 2, 2, 4, 4]
    assert all_stages.seconds_to(points, 0.4) == pytest.approx(7)
    assert all_stages.seconds_to(points, 0.3) == pytest.approx(2)
    assert all_stages.seconds_to(points, 0.5) is None


def test_figure_6_compares_with_the_direct_model_of_the_seed(make_line):
    class Clock:
        @staticmethod
        def step_seconds(summary):
            return 0.1 if summary["stages"][-1]["num_blocks"] == 8 else 0.05

    direct = row("scratch", 8)
    stacked = row("stacked", 8, schedule="fixed 200", compared_with=direct)
    shallow = make_line(row("shallow", 4), [0.1, 0.2]).run
    done = [
        (direct, [make_line(direct, [0.1, 0.3, 0.4]).run]),
        (stacked, [shallow, make_line(stacked, [0.4, 0.5]).run]),
    ]
    ours, theirs = all_stages.to_records(done, Clock)
    assert (ours["seconds_to_direct"], ours["share"]) == (30, 1)
    # 200 steps of 0.05 s and 100 of 0.1 s.
    assert theirs["seconds_to_direct"] == pytest.approx(20)
    assert theirs["share"] == pytest.approx(20 / 30)
    assert theirs["seconds"] == pytest.approx(30)
    assert theirs["steps"] == [200, 200]
    assert (theirs["copied"], theirs["method"]) == ("best", "adjacent")
    assert theirs["compared_with"] == "NextItNet-8"
