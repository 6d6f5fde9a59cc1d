"""`python -m experiments.reproduce`: any table or figure, on any data."""

import json
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

from experiments import running
from experiments.papers.rows import Choices
from experiments.papers.stackrec import table2
from nextitnet_tf.models import COUNTED
from nextitnet_tf.preparation import synthetic
from nextitnet_tf.recipe import PROTOCOLS
from tests import checks

ROOT = pathlib.Path(__file__).parents[2]
TINY = (
    *("--max_steps=4", "--eval_every=2", "--patience=1"),
    *("--batch_size=16", "--embedding_dim=4"),
)


@pytest.fixture
def parsed():
    """Flags as they are when nothing was said."""
    flags.FLAGS.mark_as_parsed()
    yield
    flags.FLAGS.unparse_flags()


def refuse(*args, **options):
    raise AssertionError("fit was called again")


def test_a_table_from_sessions_to_paper(tmp_path, call, monkeypatch):
    synthetic.prepare_synthetic(
        tmp_path / "s", num_rows=300, t=8, num_items=24, num_groups=4
    )
    arguments = (
        *("--target=table2", "--sessions=s", "--output=out"),
        *("--protocol=clean", "--divide_depth=4", *TINY),
    )
    code, out, err = call(
        *("reproduce", *arguments, "--settings=40-60", "--presets=best"),
    )
    assert code == 0, err
    markdown = (tmp_path / "out" / "table.md").read_text()
    assert out.endswith(markdown + "\n")  # Keras shows its progress before
    table = json.loads((tmp_path / "out" / "table.json").read_text())
    labels = [
        *("Markov", "ItemKNN", "EASE"),
        *("MostPop", "NextItNet-1 (40%)", "NextItNet-2 (60%)"),
        *("StackA-Next-2", "StackC-Next-2", "CL-NextItNet-1"),
        # Where the next setting begins.
        *("NextItNet-2 (60%)", "Bayes-optimal ceiling"),
    ]
    assert [row["model"] for row in table["rows"]] == labels
    assert [row.get("copied") for row in table["rows"]] == [
        *("", "", "", "", "", "", "best", "best", "", "", None),
    ]
    # The ceiling is a row, and no model to compare.
    assert [g["model"] for g in table["over_seeds"]] == labels[:-1]
    assert table["over_seeds"][6]["low"] is not None
    # Lines are compared with what is counted of as much data as they had.
    (floor, _) = (n for n in table["notes"] if n.startswith("Floor, "))
    assert "on 60% of the data" in floor and "on 40% of the data" in floor
    # 10 % of 300 users with a session each.
    assert [row["num_sessions"] for row in table["rows"]] == [30] * 11
    assert table["rows"][5]["speedup"] == 1.0
    # Generated data have no figures of a paper.
    assert all(row["paper"]["mrr_at_5"] is None for row in table["rows"][:-1])
    picture = (tmp_path / "out" / "convergence.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    # Nothing is trained twice, and a table shows what other commands have
    # done, whatever this one asks for.
    monkeypatch.setattr("keras.Model.fit", refuse)
    (tmp_path / "out" / "table.md").unlink()
    for others in (
        ["--settings=40-60", "--presets=best"],
        ["--seeds=7", "--presets=paper", "--protocol=release", "--table_only"],
    ):
        code, out, err = call("reproduce", *arguments, *others)
        assert code == 0, err
        assert out == markdown + "\n"
    # Other divisors of the paper's depths are found by the runs, but where
    # nothing was stacked a scratch model is another table's.
    assert "| 60-80 | NextItNet-2 (60%) |" in markdown
    code, out, err = call(
        "reproduce", *arguments, "--divide_depth=1", "--table_only"
    )
    assert code == 0, err
    assert "| 40-60 | StackA-Next-2 |" in out and "| 60-80 |" not in out
    code, out, err = call(
        *("reproduce", *arguments[1:], "--target=figure5", "--table_only"),
        "--settings=40-60",
    )
    assert code == 0, err
    assert out.count("StackA-Next-2 best") == 1
    # Each has its command beside it, the last one.
    made_by = json.loads((tmp_path / "out" / "commands.json").read_text())
    assert [*made_by] == ["figure5", "table2"]
    first, *given = made_by["table2"].split(" --")
    assert first == "python -m experiments.reproduce"
    assert given[0] == "target=table2"
    assert {"sessions=s", "divide_depth=1", "protocol=clean"} <= {*given}
    assert not {"table_only", "output=out"} & {*given}
    assert (tmp_path / "out" / "figure5.png").is_file()


@pytest.mark.usefixtures("parsed")
def test_the_users_of_a_line_are_those_of_its_ranks(tmp_path):
    """Of 100 rows protocol release tests 20; 16 of them fill batches."""
    # A row's only item is its number; its user has ten times that.
    ids = np.arange(1, 101)
    folder = checks.write_sessions(
        tmp_path / "s", np.stack([ids, ids], axis=1), users=10 * ids
    )
    store = running.open_store(folder, tmp_path, ["first_appearance"])
    (row,) = table2.rows(
        Choices(PROTOCOLS["release"], options={"batch_size": 16})
    )
    assert row.label == "MostPop"
    written = []
    running.train([row], store, lambda: written.append(1))
    running.train([row], store, lambda: written.append(1))
    assert written == [1]  # not again for what is done
    run = store.find(row.recipe)
    users, ranks = store.users(run), store.ranks(run)
    assert len(users) == len(ranks) == len(set(users)) == 16
    # Items of the test are equally popular, ties go to the lower id: who is
    # ranked later has the higher one.
    by_rank = users[np.argsort(ranks)]
    assert list(by_rank) == sorted(by_rank)
    assert list(users) != sorted(users)
    # Read once.
    assert store.find(row.recipe) is run and store.ranks(run) is ranks


@pytest.mark.usefixtures("parsed")
def test_runs_of_another_version_are_passed_over(tmp_path):
    folder = checks.write_sessions(tmp_path / "s", np.ones((40, 2), "int32"))
    store = running.open_store(folder, tmp_path, ["frequency"])
    (row,) = table2.rows(Choices(PROTOCOLS["clean"]))
    running.train([row], store, list)
    run = store.find(row.recipe)
    for name, change in (
        ("new-field", {"protocol": {**run.summary["protocol"], "new": 1}}),
        ("other-data", {"data": {**run.summary["data"], "fingerprint": "x"}}),
    ):
        (tmp_path / "runs" / name).mkdir()
        text = json.dumps({**run.summary, **change})
        (tmp_path / "runs" / name / "run.json").write_text(text)
    again = running.open_store(folder, tmp_path, ["frequency"])
    assert again.recipes() == [row.recipe]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "arguments", "files"),
    [
        (
            "figure1",
            ["--depths=1,2", "--ratios=1"],
            ["figure1.json", "figure1.md", "figure1.png"],
        ),
        (
            "figure6",
            ["--depths=1,2", "--steps=2"],
            ["figure6.json", "figure6.md", "figure6.png"],
        ),
    ],
)
def test_figures(tmp_path, call, csv_of_sessions, target, arguments, files):
    code, out, err = call(
        *("reproduce", f"--target={target}", "--raw=my.csv", "--output=out"),
        *(*TINY, *arguments),
    )
    assert code == 0, err
    for name in files:
        assert (tmp_path / "out" / name).is_file()
    text = (tmp_path / "out" / f"{target}.md").read_text()
    assert out.endswith(text + "\n")
    if target == "figure6":
        figure = json.loads((tmp_path / "out" / "figure6.json").read_text())
        direct, fixed, adaptive = figure["rows"]
        assert direct["share"] == pytest.approx(1)
        assert fixed["steps"][0] == 2 and len(adaptive["steps"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dataset", "t", "arguments", "expected"),
    [
        (
            "ml20",
            20,
            ["--target=table4", "--divide_depth=8", "--presets=release"],
            {"dilation_rates": [1, 4], "batch_size": 256, "l2": 0.0},
        ),
        # GRec's depths cannot be divided by 6.
        (
            "ml20",
            20,
            [
                *("--target=table7", "--settings=SASRec,SSEPT"),
                *("--divide_depth=6", "--presets=release"),
            ],
            {"dilation_rates": None, "batch_size": 256, "l2": 0.0},
        ),
        (
            "kuaibao",
            30,
            ["--target=table5", "--divide_depth=16", "--presets=best"],
            {"dilation_rates": [1, 2], "batch_size": 256, "l2": 0.0},
        ),
        (
            "coldrec",
            50,
            [
                *("--target=table2", "--settings=40-60", "--divide_depth=4"),
                "--presets=best",
            ],
            {"dilation_rates": [1, 4], "batch_size": 64, "l2": 0.001},
        ),
    ],
)
def test_a_few_steps_of_the_papers_recipes(
    tmp_path, call, dataset, t, arguments, expected
):
    rows = np.random.default_rng(0).integers(1, 41, (2000, t))
    rows[:9, : t // 2] = 0
    text = "\n".join(",".join(map(str, row)) for row in rows)
    (tmp_path / "raw.csv").write_text(text + "\n", encoding="utf-8")
    code, out, err = call(
        *("reproduce", f"--dataset={dataset}", "--raw=raw.csv"),
        *("--output=out", "--max_steps=2", "--eval_every=1"),
        *("--embedding_dim=4", *arguments),
    )
    assert code == 0, err
    runs = [
        json.loads(path.read_text())
        for path in (tmp_path / "out" / "runs").glob("*/run.json")
        if not path.parent.name.startswith(tuple(COUNTED))
    ]
    assert len(runs) >= 4
    for run in runs:
        assert run["data"]["t"] == t
        assert run["batch_size"] == expected["batch_size"]
        assert run["protocol"]["l2"] == expected["l2"]
        dilations = run["model_config"].get("dilation_rates")
        assert dilations == expected["dilation_rates"]
    assert "Stack" in out


# --- how commands fail ------------------------------------------------------


def check_one_line(code, err, *words, status=1):
    assert code == status
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0], (word, lines[0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--settings=40-50", "--dataset=ml1m"], ["40-60", "40-50"]),
        (["--seeds=a", "--dataset=ml1m"], ["seeds", "'a'"]),
        (["--seeds=", "--dataset=ml1m"], ["one seed"]),
        (["--protocol=dirty", "--dataset=ml1m"], ["release", "dirty"]),
        (["--presets=all", "--dataset=ml1m"], ["preset", "all"]),
        (["--dataset=ml1m"], ["ml1m", "--raw"]),
        (["--dilation_rates=1,x", "--dataset=ml1m"], ["dilation_rates", "x"]),
        (["--dataset=ml1m", "--raw=missing.csv"], ["missing.csv"]),
        (["--sessions=nowhere"], ["nowhere"]),
        (["--dataset=ml1m", "extra"], ["extra"]),
        (["--target=table9"], ["table2", "table9"]),
        (["--target=table7", "--settings=40-60"], ["GRec, SASRec, SSEPT"]),
        (["--target=figure5", "--settings=100-100"], ["40-60, 60-80"]),
        # A flag that the target does not use, and those it has.
        (
            ["--target=figure1", "--settings=40-60"],
            ["figure1 takes", "--depths", "Received: --settings=40-60"],
        ),
        (["--target=table4", "--chain"], ["table4 takes", "--chain"]),
        (["--target=table2", "--depths=2,4"], ["--divide_depth", "--depths"]),
        (["--target=table2", "--pairs=x.csv"], ["--pairs=x.csv"]),
        (["--target=table2", "--tune_head=softmax"], ["--tune_head=softmax"]),
        (["--target=figure6", "--steps=1,x", "--raw=x"], ["steps", "'x'"]),
    ],
)
def test_wrong_arguments(call, arguments, words, tmp_path):
    if not any(a.startswith("--target") for a in arguments):
        arguments = ["--target=table2", *arguments]
    code, _, err = call("reproduce", *arguments)
    # What is no flag is an error of usage.
    check_one_line(code, err, *words, status=2 if "extra" in words else 1)
    # Nothing is left behind by a command that could not begin.
    assert not list(tmp_path.rglob("*.json"))


def test_the_scenarios_default_to_protocol_clean(call, csv_of_sessions):
    for name, arguments in (
        ("continual_learning", ["--table=6", "--divide_depth=8"]),
        ("from_scratch", ["--depths=1,2"]),
    ):
        code, out, err = call(
            *(name, "--raw=my.csv", "--output=out", "--table_only"), *arguments
        )
        assert (code, out) == (0, "Nothing is done yet.\n\n"), err
    code, _, err = call("continual_learning", "--raw=my.csv", "--depths=3")
    check_one_line(code, err, "table2 takes --table, ", "--depths=3")
    code, _, err = call("transfer", "--raw=my.csv")
    check_one_line(code, err, "--target_raw", "--pairs", "neither")


@pytest.mark.parametrize(
    "reason",
    [
        urllib.error.URLError(socket.gaierror(-3, "no name resolution")),
        TimeoutError("timed out"),
        ConnectionResetError("reset"),
    ],
)
def test_ml20_without_network(call, monkeypatch, tmp_path, reason):
    """ML20 is what a table is made of unless other data are named."""

    def urlopen(*args, **kwargs):
        raise reason

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    code, _, err = call("reproduce", "--target=table2")
    # The file, where it comes from, where to put it.
    check_one_line(code, err, "ml-20m.zip", "grouplens", "data/raw/ml-20m.zip")
    assert not list((tmp_path / "data").rglob("*.part"))


def test_a_command_line_as_users_run_it(tmp_path):
    """The very process: exit status, and what stderr looks like."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.reproduce"),
            *("--target=table2", "--dataset=ml1m"),
            *(f"--raw={tmp_path}/missing.csv", f"--sessions={tmp_path}/s"),
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
