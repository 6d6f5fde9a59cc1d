"""The continual-learning table's logic, and how its commands fail."""

import dataclasses
import os
import pathlib
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
from absl import flags

from experiments import command
from experiments import continual_learning
from experiments import tables
from experiments.recipes import table2
from experiments.recipes import table6
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf.recipe import PROTOCOLS
from tests import checks

ROOT = pathlib.Path(__file__).parents[1]
RELEASE = PROTOCOLS["release"]
CLEAN = PROTOCOLS["clean"]
SETTING_40_60 = table2.SETTINGS["40-60"]
SETTING_60_80 = table2.SETTINGS["60-80"]


# --- speed-up -------------------------------------------------------------


def make_line(row, curve, step_seconds=0.1):
    """A line whose evaluations, 100 steps apart, gave these values."""
    points = [
        {"step": 100 * (i + 1), "val_mrr_at_5": value}
        for i, value in enumerate(curve)
    ]
    best = max(points, key=lambda p: p["val_mrr_at_5"], default=None)
    return tables.Line(
        row,
        {
            "curve": points,
            "best_step": best["step"] if best else 0,
            "best_validation": best["val_mrr_at_5"] if best else None,
            "test": {
                **{
                    f"{name}_at_{n}": 0.01 * n
                    for name in ("mrr", "hit_rate", "ndcg")
                    for n in (5, 10)
                },
                "loss": 3.0,
                "num_sessions": 1234,
            },
            "protocol": {
                "name": row.recipe.protocol.name,
                "nesting": row.recipe.protocol.nesting,
                "sampled_fraction": 0.5,
            },
            # 99 columns and a padding; 3 channels: 600 weights in tables.
            "data": {"num_items": 99, "t": 11},
            "model_config": {"embedding_dim": 3},
            "batch_size": 7,
            "protocol_differences": [],
            "seed": row.recipe.seed,
            "stage": {"num_blocks": row.recipe.stages[-1].num_blocks},
            "model": row.recipe.model,
            "wall_seconds": 99.0,
            "num_train_rows": 10,
            "num_parameters": 600 + 50,
            "versions": {},
        },
        step_seconds,
    )


def rows_by_label(**options):
    rows = table2.make_rows(
        [SETTING_40_60],
        **{"protocol": RELEASE, "presets": ["best"], "seed": 0, **options},
    )
    return {row.label: row for row in rows}


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        # The reference takes 300 steps of 0.1 s to its best, 0.5.
        ([0.1, 0.5], 30 / (200 * 0.2)),
        ([0.6, 0.9, 0.1], 30 / (100 * 0.2)),  # the first as good, not the best
        ([0.1, 0.2, 0.3, 0.51], 30 / (400 * 0.2)),
        ([0.1, 0.49999], None),
        ([], None),
    ],
)
def test_speedup(curve, expected):
    rows = rows_by_label()
    reference = make_line(
        rows["NextItNet-8 (60%)"], [0.2, 0.4, 0.5, 0.3], step_seconds=0.1
    )
    line = make_line(rows["StackA-Next-8"], curve, step_seconds=0.2)
    found = tables.speedup(line, reference)
    assert found == (expected and pytest.approx(expected))
    assert tables.speedup(reference, reference) == 1


def test_speedup_in_flops():
    """4 blocks continued, 50 weights in them, against 8 with 250."""
    rows = rows_by_label()
    reference = make_line(rows["NextItNet-8 (60%)"], [0.2, 0.5])
    reference.summary["num_parameters"] = 600 + 250
    line = make_line(rows["CL-NextItNet-4"], [0.1, 0.2, 0.6])
    # 50 of 100 columns of 3 channels; forward and two gradients, 70 places.
    assert tables.flops_per_step(line.summary) == 6 * 70 * (50 + 150)
    assert tables.flops_per_step(reference.summary) == 6 * 70 * (250 + 150)
    found = tables.speedup_in_flops(line, reference)
    assert found == pytest.approx(200 * 400 / (300 * 200))


def test_what_a_line_is_compared_with():
    options = [
        {"protocol": protocol, "seed": seed}
        for protocol in (RELEASE, CLEAN)
        for seed in (0, 1)
    ]
    lines = {}
    for option in options:
        for label, row in rows_by_label(**option).items():
            lines[option["protocol"].name, option["seed"], label] = make_line(
                row, [] if label == "MostPop" else [0.5]
            )
    everything = list(lines.values())
    for (protocol, seed, label), line in lines.items():
        reference = tables._reference(line, everything)
        if label in ("MostPop", "NextItNet-4 (40%)"):
            assert reference is None
        else:
            assert reference is lines[protocol, seed, "NextItNet-8 (60%)"]
    # Not run yet.
    stacked = lines["release", 0, "StackA-Next-8"]
    assert tables._reference(stacked, [stacked]) is None


def test_a_baseline_is_compared_with_the_nextitnet_that_validates_best():
    """8 blocks in the mean of the seeds, 16 in seed 1; without alpha more."""
    validation = {
        ("NextItNet-8", 0): 0.5,
        ("NextItNet-8", 1): 0.3,
        ("NextItNet-16", 0): 0.2,
        ("NextItNet-16", 1): 0.4,
        ("SNextItNet-8", 0): 0.9,
    }
    lines = [
        make_line(row, [validation.get((row.label, seed), 0.1)])
        for seed in (0, 1)
        for divide_depth in (2, 4)
        for row in table2.select(
            ["100-100"], CLEAN, [], seed, divide_depth=divide_depth
        )
    ]
    others = [
        make_line(row, [0.7])
        for row in table2.select(["100-100"], RELEASE, [], 0, divide_depth=2)
    ]
    for line in lines:
        found = tables._deep(line, [*others, *lines])
        assert found.row.label == "NextItNet-8"
        assert found.row.recipe.seed == line.row.recipe.seed
    assert tables._deep(lines[0], others) is None
    stacked = make_line(rows_by_label()["StackA-Next-8"], [0.5])
    assert tables._deep(stacked, lines) is None


def test_what_alpha_is_worth():
    """Ranked first with alpha, second without, in every session."""
    lines = []
    for row in table6.select(table6.NAMES, RELEASE, ["best"], 0):
        rank = 0 if row.setting == "with alpha" else 1
        line = make_line(row, [0.5])
        lines.append(dataclasses.replace(line, ranks=np.full(20, rank)))
    found = {
        (g["setting"], g["model"]): g.get("alpha_difference")
        for g in tables._groups(lines, tables.to_records(lines))
    }
    assert len(found) == 8
    for (setting, _), difference in found.items():
        assert difference == (0.5 if setting == "with alpha" else None)
    # Nothing to compare with.
    (alone,) = tables._groups(lines[-1:], tables.to_records(lines[-1:]))
    assert "alpha_difference" not in alone


def test_sessions_of_one_user_are_drawn_together():
    """All of one user: there is nothing else that could have been drawn."""
    rows = rows_by_label()
    ranks = {"NextItNet-8 (60%)": [1, 1, 9, 9], "StackA-Next-8": [0, 0, 0, 0]}
    for users, is_wide in (([7, 7, 7, 7], False), ([1, 2, 3, 4], True)):
        lines = [
            dataclasses.replace(
                make_line(rows[label], [0.5]),
                ranks=np.array(of_label),
                users=np.array(users),
            )
            for label, of_label in ranks.items()
        ]
        stacked = tables._groups(lines, tables.to_records(lines))[1]
        assert stacked["difference"] == pytest.approx(0.75)
        assert (stacked["high"] > stacked["low"]) == is_wide


def test_the_users_of_a_line_are_those_of_its_ranks(tmp_path):
    """Of 100 rows protocol release tests 20; 16 of them fill batches."""
    # A row's only item is its number; its user has ten times that.
    ids = np.arange(1, 101)
    folder = checks.write_sessions(
        tmp_path / "s", np.stack([ids, ids], axis=1), users=10 * ids
    )
    sessions = {"first_appearance": data.read_sessions(folder)}
    (row,) = (
        row
        for row in rows_by_label(batch_size=16).values()
        if row.label == "MostPop"
    )
    tables.run([row], sessions, tmp_path, distribution.make_strategy(), list)
    (line,) = tables.read_lines([row], sessions, tmp_path)
    assert len(line.users) == len(line.ranks) == len(set(line.users)) == 16
    # Items of the test are equally popular, ties go to the lower id: who is
    # ranked later has the higher one.
    by_rank = line.users[np.argsort(line.ranks)]
    assert list(by_rank) == sorted(by_rank)
    assert list(line.users) != sorted(line.users)


def test_mrr_among_unseen_items_is_in_the_table():
    row = rows_by_label()["NextItNet-8 (60%)"]
    kept = dataclasses.replace(
        make_line(row, [0.5]), unseen_ranks=np.array([0, 4, 5, 99])
    )
    records = tables.to_records([kept, make_line(row, [0.5])])
    assert records[0]["unseen_mrr_at_5"] == pytest.approx((1 + 1 / 5) / 4)
    assert records[1]["unseen_mrr_at_5"] is None
    text = tables.to_markdown(records, "", [])
    assert "| Unseen MRR@5 |" in text and "| 0.3000 |" in text
    # A column that nobody fills is left out.
    assert "Unseen" not in tables.to_markdown(records[1:], "", [])


def test_a_shallow_line_of_the_next_setting_is_not_compared():
    """NextItNet-8 (60%) is 40-60's reference and where 60-80 begins."""
    rows = table2.make_rows(
        [SETTING_40_60, SETTING_60_80], RELEASE, ["best"], seed=0
    )
    lines = [make_line(row, [0.5]) for row in rows]
    found = {
        (line.row.setting, line.row.label): tables._reference(line, lines)
        for line in lines
    }
    assert found["60-80", "NextItNet-8 (60%)"] is None
    assert found["60-80", "NextItNet-16 (80%)"].row.setting == "60-80"
    reference = found["60-80", "StackC-Next-16"]
    assert reference.row.label == "NextItNet-16 (80%)"
    assert found["40-60", "NextItNet-8 (60%)"].row.setting == "40-60"


def test_the_table_a_reader_sees():
    rows = rows_by_label()
    lines = [
        make_line(rows["MostPop"], [], step_seconds=0.0),
        make_line(rows["NextItNet-8 (60%)"], [0.2, 0.5], 0.5),
        make_line(rows["StackA-Next-8"], [0.5], 0.5),
        make_line(rows["CL-NextItNet-4"], [0.1], 0.25),
    ]
    markdown = tables.to_markdown(
        tables.to_records(lines), "Title", ["A note."]
    )
    shown = markdown.splitlines()
    assert shown[0] == "# Title"
    assert "- A note." in shown
    table = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in shown
        if line.startswith("|")
    ]
    header = table[0]
    cells = {row[1]: dict(zip(header, row, strict=True)) for row in table[2:]}
    assert cells["MostPop"]["Speed-up"] == ""
    assert cells["NextItNet-8 (60%)"]["Speed-up"] == "1.00x"
    assert cells["StackA-Next-8"]["Speed-up"] == "2.00x"
    assert cells["CL-NextItNet-4"]["Speed-up"] == "-"
    assert cells["StackA-Next-8"]["Copied"] == "best"
    assert cells["StackA-Next-8"]["Steps"] == "100"
    assert cells["StackA-Next-8"]["Seconds"] == "50"
    assert cells["StackA-Next-8"]["Sessions"] == "1,234"
    assert cells["StackA-Next-8"]["MRR@5"] == "0.0500"
    assert cells["StackA-Next-8"]["Protocol"] == "release"


# --- the rows of the table ------------------------------------------------


def describe(row):
    return [
        (s.num_blocks, s.data_ratio, s.method, s.preset)
        if s.method in ("adjacent", "cross")
        else (s.num_blocks, s.data_ratio, s.method)
        for s in row.recipe.stages
    ]


def test_rows_of_a_setting():
    rows = table2.make_rows(
        [SETTING_40_60], RELEASE, ["release", "paper"], seed=3
    )
    assert [(r.setting, r.label, r.preset, describe(r)) for r in rows] == [
        ("100-100", "MostPop", "", [(1, 1.0, None)]),
        ("40-60", "NextItNet-4 (40%)", "", [(4, 0.4, None)]),
        ("40-60", "NextItNet-8 (60%)", "", [(8, 0.6, None)]),
        (
            "40-60",
            "StackA-Next-8",
            "release",
            [(4, 0.4, None), (8, 0.6, "adjacent", "release")],
        ),
        (
            "40-60",
            "StackC-Next-8",
            "release",
            [(4, 0.4, None), (8, 0.6, "cross", "release")],
        ),
        (
            "40-60",
            "StackA-Next-8",
            "paper",
            [(4, 0.4, None), (8, 0.6, "adjacent", "paper")],
        ),
        (
            "40-60",
            "StackC-Next-8",
            "paper",
            [(4, 0.4, None), (8, 0.6, "cross", "paper")],
        ),
        (
            "40-60",
            "CL-NextItNet-4",
            "",
            [(4, 0.4, None), (4, 0.6, "continue")],
        ),
    ]
    assert all(r.recipe.seed == 3 for r in rows)
    assert all(r.recipe.protocol is RELEASE for r in rows)
    assert [r.role for r in rows] == [
        *("baseline", "shallow", "scratch"),
        *("stacked", "stacked", "stacked", "stacked", "continued"),
    ]


@pytest.mark.parametrize("chain", [False, True])
def test_chain(chain):
    rows = table2.make_rows(
        [SETTING_40_60, SETTING_60_80], CLEAN, ["best"], seed=0, chain=chain
    )
    found = {(r.setting, r.label): describe(r) for r in rows}
    before = [(8, 0.6, None)]
    if chain:
        before = [(4, 0.4, None), (8, 0.6, "adjacent", "best")]
    assert found["60-80", "StackA-Next-16"] == [
        *before,
        (16, 0.8, "adjacent", "best"),
    ]
    if chain:
        before = [(4, 0.4, None), (8, 0.6, "cross", "best")]
    assert found["60-80", "StackC-Next-16"] == [
        *before,
        (16, 0.8, "cross", "best"),
    ]


def test_options_reach_stages_and_recipes():
    rows = table2.make_rows(
        [SETTING_40_60],
        CLEAN,
        ["best"],
        seed=0,
        max_steps=70,
        eval_every=7,
        patience=3,
        batch_size=11,
        learning_rate=0.5,
        model_config={"embedding_dim": 3},
    )
    for row in rows:
        assert row.recipe.batch_size == 11
        assert row.recipe.learning_rate == 0.5
        for stage in row.recipe.stages:
            assert (stage.max_steps, stage.eval_every) == (70, 7)
            assert stage.patience == 3
        if row.label != "MostPop":
            assert row.recipe.model_config == {"embedding_dim": 3}


def test_the_settings_are_the_papers():
    assert {
        name: (s.ratio_before, s.ratio_after, s.num_blocks, s.num_blocks_after)
        for name, s in table2.SETTINGS.items()
    } == {
        "40-60": (0.4, 0.6, 4, 8),
        "60-80": (0.6, 0.8, 8, 16),
        "80-100": (0.8, 1.0, 16, 32),
    }
    assert all(s.name == name for name, s in table2.SETTINGS.items())
    # Every line with figures of the paper is a line of the table.
    rows = table2.select(table2.NAMES, RELEASE, ["best"], seed=0)
    labels = {(r.setting, r.label) for r in rows}
    for name, figures in table2.PAPER.items():
        assert list(figures) == list(table2.NAMES), name
        for setting, of_setting in figures.items():
            for label in of_setting:
                assert (setting, label) in labels


# --- how commands fail ----------------------------------------------------


@pytest.fixture
def run_command(capsys, monkeypatch, tmp_path):
    """Runs continual_learning with flags: (exit status, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(
            sys, "argv", ["continual_learning", *map(str, arguments)]
        )
        try:
            with pytest.raises(SystemExit) as stopped:
                command.run(continual_learning.main)
        finally:
            flags.FLAGS.unparse_flags()
            for name in flags.FLAGS:
                flags.FLAGS[name].unparse()
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run


def check_one_line(code, err, *words):
    assert code == 1
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    assert "Traceback" not in err
    for word in words:
        assert word in lines[0], (word, lines[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--settings=40-50", "--dataset=ml1m"], ["40-60", "40-50"]),
        (["--seeds=a", "--dataset=ml1m"], ["seeds", "'a'"]),
        (["--protocol=dirty", "--dataset=ml1m"], ["release", "dirty"]),
        (["--presets=all", "--dataset=ml1m"], ["preset", "all"]),
        (["--dataset=ml1m"], ["ml1m", "--raw"]),
        ([], ["--raw", "--dataset"]),
        (["--dilation_rates=1,x", "--dataset=ml1m"], ["dilation_rates", "x"]),
        (["--dataset=ml1m", "--raw=missing.csv"], ["missing.csv"]),
        (["--sessions=nowhere"], ["nowhere"]),
        (["--dataset=ml1m", "extra"], ["extra"]),
    ],
)
def test_wrong_arguments(run_command, arguments, words, tmp_path):
    code, _, err = run_command(*arguments)
    check_one_line(code, err, *words)
    # Nothing is left behind by a command that could not begin.
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(
    "reason",
    [
        urllib.error.URLError(socket.gaierror(-3, "no name resolution")),
        TimeoutError("timed out"),
        ConnectionResetError("reset"),
    ],
)
def test_ml20_without_network(run_command, monkeypatch, tmp_path, reason):
    def urlopen(*args, **kwargs):
        raise reason

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    code, _, err = run_command("--dataset=ml20")
    # The file, where it comes from, where to put it.
    check_one_line(code, err, "ml-20m.zip", "grouplens", "data/raw/ml-20m.zip")
    assert not list((tmp_path / "data").rglob("*.part"))


def test_a_command_line_as_users_run_it(tmp_path):
    """The very process: exit status, and what stderr looks like."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.continual_learning"),
            *("--dataset=ml1m", f"--raw={tmp_path}/missing.csv"),
            f"--sessions={tmp_path}/s",
            f"--output={tmp_path}/out",
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    check_one_line(done.returncode, done.stderr, "missing.csv")
    assert done.stdout == ""
    assert not (tmp_path / "s").exists()
