"""Transfer as a command, and what its table shows."""

import dataclasses
import json

import numpy as np
import pytest

from experiments.papers.rows import Choices
from experiments.papers.stackrec import table3
from experiments.reporting import transfer_lines
from experiments.reporting.store import Store
from experiments.reporting.transfer_pairs import PairsOf
from nextitnet_tf import data
from nextitnet_tf.recipe import FINE_TUNINGS
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.training.runs import Run
from nextitnet_tf.vocabulary import Vocabulary

CLEAN, RELEASE = FINE_TUNINGS["clean"], FINE_TUNINGS["release"]
CHOICES = Choices(PROTOCOLS["clean"], presets=["best"])


@pytest.fixture
def pairs(tmp_path):
    """50 users of 3 source items, more of them than the file's numbers fit."""
    rows = np.random.default_rng(0).integers(1, 4, (40, 4), dtype="int32")
    vocabulary = Vocabulary([None, 30, 10, 20], [0, 5, 5, 5], 0, 3)
    users = np.arange(40, dtype="int32")
    sessions = data.Sessions(rows, users, vocabulary, {"source": "test"})
    lines = [f"10,{i},,{7 + i % 5}" for i in range(20, 70)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    store = Store(
        tmp_path / "runs",
        dict.fromkeys(("frequency", "first_appearance"), sessions),
    )
    return PairsOf(tmp_path / "pairs.csv", store, "mine")


def made_up_run(name, row, mrr=0.1):
    """A summary of a run that never was."""
    stages = row.transfer.pretraining.stages
    return Run(
        name,
        {
            "stages": [dataclasses.asdict(stage) for stage in stages],
            "test": {
                **{f"{n}_at_5": mrr for n in ("mrr", "hit_rate", "ndcg")},
                "num_sessions": 3,
            },
            "num_sessions": 3,
            "curve": [{"step": 50, "val_mrr_at_5": mrr}],
            "best_step": 50,
            "best_validation": mrr,
            "step_seconds": 0.1,
            "wall_seconds": 1.0,
        },
    )


def test_what_pretraining_was_worth(tmp_path, pairs, monkeypatch):
    """First after pre-training; without second, or third in seed 1."""
    rows = [
        row
        for seed in (0, 1)
        for row in table3.rows(dataclasses.replace(CHOICES, seed=seed), CLEAN)
    ]
    lines = []
    for i, row in enumerate(rows):
        target = made_up_run(tmp_path / f"target {i}", row)
        source = None
        if row.transfer.is_pretrained:
            run = made_up_run(tmp_path / f"source {i}", row, mrr=0.2)
            source = transfer_lines.Line(row.row, run, 0.1)
        lines.append(transfer_lines.TransferLine(row, target, source))
    ranks = {
        line.target.folder.name: np.full(
            3, 0 if line.source else 1 + line.row.row.seed
        )
        for line in lines
    }
    monkeypatch.setattr(
        pairs.store, "ranks", lambda run: ranks[run.folder.name]
    )
    monkeypatch.setattr(pairs, "users", lambda *args: np.array([1, 2, 3]))
    records = transfer_lines.to_records(lines, pairs)
    assert [
        (r["model"], r["role"], r["compared_with"]) for r in records[:6]
    ] == [
        ("NextItNet-8, not pre-trained", "untrained", None),
        ("NextItNet-16, not pre-trained", "untrained", None),
        ("NextItNet-8", "shallow", "NextItNet-8, not pre-trained"),
        ("NextItNet-16", "scratch", "NextItNet-16, not pre-trained"),
        ("StackC-Next-16", "stacked", "NextItNet-16, not pre-trained"),
        ("StackA-Next-16", "stacked", "NextItNet-16, not pre-trained"),
    ]
    for seed, worth in ((0, 1 / 2), (1, 2 / 3)):
        found = [r["worth"].get("difference") for r in records[6 * seed :][:6]]
        assert found[:2] == [None, None]
        assert found[2:] == pytest.approx([worth] * 4)
    # Over the seeds.
    groups = transfer_lines.to_groups(lines, records, pairs)
    assert [g["difference"] for g in groups[:2]] == [None, None]
    for group in groups[2:]:
        assert group["seeds"] == [0, 1]
        assert group["difference"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    # Pre-training is compared with that of the deep model from scratch.
    assert [r["source"].get("is_compared") for r in records[:6]] == [
        *(None, None, False, True, True, True),
    ]
    assert {r["protocol"] for r in records} == {"clean"}
    # One seed: every line has its difference.
    assert transfer_lines.to_groups(lines[:6], records[:6], pairs) == []


def test_the_protocol_says_what_was_changed(pairs):
    tuning = dataclasses.replace(CLEAN, ranked_negatives=9, batch_size=7)
    (row, *_) = table3.rows(
        dataclasses.replace(CHOICES, protocol=PROTOCOLS["release"]), tuning
    )
    assert pairs.protocol(row) == (
        "release fine_tuning=clean tune_ranked_negatives=9"
    )


def test_a_table_leaves_out_what_other_pairs_cannot_be_read_by(pairs):
    """What was done with other pairs must not stop the table of these."""
    rows = table3.rows(CHOICES, CLEAN)
    # More source items than the model has columns for the file's numbers.
    others = table3.rows(CHOICES, RELEASE)
    with pytest.raises(ValueError, match="no more source items"):
        pairs.read(others[0])
    done = transfer_lines.done_rows(table3, rows + others, CHOICES, pairs)
    assert done == []


@pytest.mark.slow
def test_small_models(tmp_path, call):
    make_domains(tmp_path)
    code, out, err = call(
        *("reproduce", "--target=cprec-table6", "--dataset=tiny"),
        *("--raw=source.csv", "--target_raw=target.csv", "--t=8"),
        *("--divide_depth=4", "--embedding_dim=8", "--max_steps=4"),
        *("--eval_every=2", "--batch_size=32", "--tune_batch_size=32"),
        "--tune_max_epochs=2",
    )
    assert code == 0, err[-2000:]
    path = tmp_path / "results/tiny/cprec_table6.json"
    table = json.loads(path.read_text())
    assert [row["model"] for row in table["rows"]] == [
        *("MostPop of the target", "NextItNet-2, not pre-trained"),
        *("NextItNet-2", "CpRec-Cb-2", "CpRec-Al-2", "CpRec-Ab-2"),
    ]
    for row in table["rows"][2:]:
        assert row["worth"]["low"] <= row["worth"]["difference"]
    # By hand: 40 source items and padding, ranks 8, 2, 1 of 8, 7 and 26 ...
    assert "Million parameters of what is pre-trained: NextItNet-2 0.00" in out
    assert out.endswith(path.with_suffix(".md").read_text() + "\n")


def make_domains(tmp_path):
    """Two domains of 200 users, as csv files."""
    generator = np.random.default_rng(0)
    source, target = ["user,item,order"], ["user,item,order"]
    for user in range(200):
        kind = user % 4
        for place in range(8):
            item = 1 + 10 * kind + generator.integers(10)
            source.append(f"{user},{item},{place}")
        target.append(f"{user},{100 + 3 * kind + generator.integers(3)},0")
    # An item that preparing drops must not be in the pairs.
    source.append("0,9999,9")
    for name, lines in (("source", source), ("target", target)):
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.slow
def test_the_command(tmp_path, call):
    make_domains(tmp_path)
    arguments = (
        *("reproduce", "--target=table3", "--dataset=tiny"),
        *("--raw=source.csv", "--divide_depth=8", "--presets=best", "--t=8"),
        *("--embedding_dim=8", "--max_steps=4", "--eval_every=2"),
        *("--batch_size=32", "--tune_batch_size=32", "--tune_max_epochs=2"),
    )
    with_target = (*arguments, "--target_raw=target.csv")
    code, out, err = call(*with_target, "--protocol=release,clean")
    assert code == 0, err[-2000:]
    path = tmp_path / "results/tiny/table3.json"
    rows = json.loads(path.read_text())["rows"]
    assert [row["model"] for row in rows] == [
        *["MostPop of the target"] * 2,
        *[
            "NextItNet-1, not pre-trained",
            "NextItNet-2, not pre-trained",
            "NextItNet-1",
            "NextItNet-2",
            "StackC-Next-2",
            "StackA-Next-2",
        ]
        * 2,
    ]
    counts = {"release": 32, "clean": 20}  # of 40 pairs one batch of 32
    assert all(row["num_sessions"] == counts[row["protocol"]] for row in rows)
    assert out.endswith(path.with_suffix(".md").read_text() + "\n")
    # Fine-tuned by one protocol after pre-training by the other.
    code, _, err = call(
        *(*with_target, "--protocol=release", "--fine_tuning=clean"),
        "--tune_batch_size=16",
    )
    assert code == 0, err[-2000:]
    rows = json.loads(path.read_text())["rows"]
    found = [r for r in rows if "fine_tuning" in r["protocol"]]
    assert len(found) == 7 and len(rows) == 21
    assert {r["protocol"] for r in found} == {"release fine_tuning=clean"}
    # Of 20 pairs of users who are nowhere else, one batch: release drops the
    # incomplete one.
    assert {r["num_sessions"] for r in found} == {16}
    pretrained = {
        r["protocol"]: r["source"]
        for r in rows
        if r["model"] == "StackA-Next-2"
    }
    assert pretrained["release fine_tuning=clean"] == pretrained["release"]
    for more, expected in (
        (arguments, "error: Expected either --target_raw"),
        (
            (*with_target, "--tune_batch_size=64", "--protocol=release"),
            "--tune_batch_size",
        ),
    ):
        code, _, err = call(*more)
        assert code == 1
        assert expected in err.splitlines()[-1]
