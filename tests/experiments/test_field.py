"""The commands on accuracy, growth and settings, on very little."""

import json

import pytest

from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf import tuning
from nextitnet_tf.commands import counting
from nextitnet_tf.preparation import synthetic
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage


@pytest.fixture
def sessions(tmp_path):
    return synthetic.prepare_synthetic(
        tmp_path / "s", num_rows=300, t=8, num_items=24, num_groups=4
    )


def rows_of(path):
    return json.loads(path.read_text())["rows"]


def test_counting_alone(call, sessions, tmp_path):
    arguments = ("--sessions=s", "--output=out", "--settings=counting")
    code, out, err = call("reproduce", "--target=accuracy", *arguments)
    assert code == 0, err
    rows = rows_of(tmp_path / "out" / "accuracy.json")
    assert [row["family"] for row in rows] == [
        *("MostPop", "Markov", "ItemKNN", "EASE"),
    ]
    assert sum(row["is_floor"] for row in rows) == 1
    assert out.endswith((tmp_path / "out" / "accuracy.md").read_text() + "\n")
    # What it takes beside data and budget is said in `nextitnet_tf.tuned`.
    code, _, err = call(
        "reproduce", "--target=accuracy", *arguments, "--learning_rate=1"
    )
    assert code == 1 and "--learning_rate=1" in err
    # In a table, none of whose rows are trained.
    code, out, err = call(
        *("reproduce", "--target=table6", *arguments, "--protocol=clean"),
    )
    assert code == 0 and "100-100" not in out, err
    assert "| counting | Markov |" in out


def test_ease_is_left_out_where_items_are_too_many(
    call, sessions, tmp_path, monkeypatch
):
    monkeypatch.setattr("experiments.papers.counted.MAX_ITEMS", 23)
    code, out, err = call(
        *("reproduce", "--target=accuracy", "--sessions=s", "--output=out"),
        "--settings=counting",
    )
    assert code == 0, err
    assert "left out: 24 are too many items" in err
    rows = rows_of(tmp_path / "out" / "accuracy.json")
    assert [row["family"] for row in rows] == ["MostPop", "Markov", "ItemKNN"]
    assert "EASE is left out" in out


def test_accuracy_within_a_budget(call, sessions, tmp_path):
    """Of the paper's data, too, whose tables have a budget of their own."""
    arguments = (
        *("reproduce", "--target=accuracy", "--sessions=s", "--output=out"),
        *("--settings=sasrec", "--dataset=ml20"),
    )
    code, out, err = call(*arguments, "--max_steps=2", "--eval_every=2")
    assert code == 0, err
    (run,) = (tmp_path / "out" / "runs").glob("*/run.json")
    (stage,) = json.loads(run.read_text())["stages"]
    assert (stage["max_steps"], stage["eval_every"]) == (2, 2)
    assert (stage["patience"], stage["budget_in"]) == (10, "steps")


def test_leave_one_out_of_a_data_set_with_settings_of_its_own(
    call, sessions, tmp_path
):
    arguments = (
        *("reproduce", "--target=leave-one-out", "--sessions=s"),
        *("--dataset=ml1m", "--output=out", "--settings=sasrec-64-falling"),
        *("--max_steps=2", "--eval_every=2"),
    )
    code, out, err = call(*arguments)
    assert code == 0, err
    assert "| SASRec-2 (width 64, falling rate) | 1 |" in out
    assert "| HSTU, 8 blocks (published) |  | 0.3294 | 0.1893 |" in out
    (run,) = (tmp_path / "out" / "runs").glob("*/run.json")
    summary = json.loads(run.read_text())
    assert (summary["learning_rate"], summary["decay"]) == (2e-3, "cosine")
    code, out, err = call(*arguments, "--learning_rate=0.01")
    assert code == 0, err
    rates = {
        json.loads(path.read_text())["learning_rate"]
        for path in (tmp_path / "out" / "runs").glob("*/run.json")
    }
    assert rates == {2e-3, 0.01}


def test_counting_beside_a_model_of_small_batches(sessions, tmp_path):
    """Protocol release drops the last batch: 48 of 60 sessions are tested."""
    recipe = Recipe(
        (Stage(1, max_steps=2, eval_every=1),),
        protocol=PROTOCOLS["release"],
        model_config={"embedding_dim": 4},
        batch_size=16,
    )
    known = data.read_sessions(sessions, "first_appearance")
    (run,) = training.run(
        recipe, known, tmp_path / "runs", jit_compile=False, verbose=0
    )
    assert run.summary["num_sessions"] == 48
    text = counting.beside(run, counting.best_of(run, known), known)
    assert text.startswith("floor: ") and "(one seed)" in text


@pytest.mark.slow
def test_a_search_goes_on_where_it_was(call, sessions, tmp_path, monkeypatch):
    arguments = (
        *("--sessions=s", "--output=out", "--model=gru4rec"),
        *("--max_steps=4", "--eval_every=2", "--budget_in=steps"),
    )
    code, out, err = call("tune", *arguments, "--trials=2")
    assert code == 0, err
    first = rows_of(tmp_path / "out" / "tuning-gru4rec.json")
    assert [row["changed"] for row in first] == ["nothing", "recut=True"]
    monkeypatch.setattr("keras.Model.fit", None)  # nothing is trained again
    code, out, err = call("tune", *arguments, "--trials=2")
    assert code == 0, err
    assert rows_of(tmp_path / "out" / "tuning-gru4rec.json") == first
    # A recipe that diverges is passed over, one that cannot begin is not.
    train = training.run

    def diverge(recipe, *args, **options):
        if recipe.protocol.recut:
            raise FloatingPointError("no number")
        return train(recipe, *args, **options)

    monkeypatch.setattr(training, "run", diverge)
    code, out, err = call("tune", *arguments, "--trials=1")
    assert code == 0 and "passed over: no number" not in err
    monkeypatch.setattr(tuning, "FACTORS", {"cutting": [{"recut": True}]})
    code, out, err = call("tune", *arguments)
    assert code == 0 and "passed over: no number" in err, err
    found = rows_of(tmp_path / "out" / "tuning-gru4rec.json")
    assert [row["changed"] for row in found] == ["nothing"]
    code, _, err = call("tune", *arguments, "--embedding_dim=8")
    assert code == 1 and "--embedding_dim=8" in err


@pytest.mark.slow
def test_ways_to_grow(call, sessions, tmp_path):
    code, out, err = call(
        *("reproduce", "--target=growth", "--sessions=s", "--output=out"),
        *("--depths=1,2", "--max_steps=10", "--eval_every=1"),
        *("--embedding_dim=4", "--batch_size=64"),
    )
    assert code == 0, err
    rows = rows_of(tmp_path / "out" / "growth.json")
    assert len(rows) == 9
    direct, doubling, early, *_ = rows
    assert direct["whole_time"] == 1 and direct["steps"] == [10]
    assert doubling["steps"] == [5, 5] and early["steps"] == [2, 8]
    # All share a clock that is measured at the end.
    times = json.loads((tmp_path / "out" / "step_times.json").read_text())
    assert len(times) == 2
    assert "measured in the same run" in out
    assert (tmp_path / "out" / "growth.png").is_file()


@pytest.mark.slow
def test_small_models_and_their_rivals(call, sessions, tmp_path, monkeypatch):
    """A line in full, a tree, fewer channels, fewer bits: sizes, answers."""
    arguments = (
        *("--target=cprec-table2", "--sessions=s", "--output=out"),
        *("--protocol=clean", "--depths=1", "--embedding_dim=8"),
        *("--max_steps=4", "--eval_every=2", "--budget_in=steps"),
        "--settings=counting,full,Ab,rivals",
    )
    code, out, err = call("reproduce", *arguments)
    assert code == 0, err
    rows = rows_of(tmp_path / "out" / "cprec_table2.json")[4:]
    assert [row["model"].split(" (")[0] for row in rows] == [
        *("NextItNet-1", "CpRec-Ab-1", "NextItNet-1"),
        *("NextItNet-1", "NextItNet-1"),
    ]
    for row in rows:
        assert set(row["milliseconds"]) == {"1", "32", "256"}
        assert set(row["frozen_milliseconds"]) == {"1", "32", "256"}
        assert row["smaller"] or row["model"] == "NextItNet-1"
    bits = {row["model"]: row for row in rows[3:]}
    assert set(bits) == {"NextItNet-1 (int8)", "NextItNet-1 (int4)"}
    sizes = [row["megabytes"] for row in rows]
    assert sizes[3] < sizes[0] and sizes[4] < sizes[3]
    (folder,) = (tmp_path / "out" / "runs").glob("*/ranks-int8.npz")
    assert (folder.parent / "ranks.npz").is_file()
    # Nothing is trained, ranked or measured again.
    monkeypatch.setattr(training, "run", None)
    monkeypatch.setattr(training, "rank", None)
    code, again, err = call("reproduce", *arguments)
    assert code == 0, err
    assert again in out


@pytest.mark.slow
def test_policies_and_their_rivals(call, sessions, tmp_path, monkeypatch):
    """The same run as it is, with random blocks, and with fewer for all."""
    arguments = (
        *("--sessions=s", "--output=out", "--protocol=clean"),
        *("--embedding_dim=8", "--max_steps=2", "--eval_every=2"),
        "--budget_in=steps",
    )
    rivals = (
        *("--target=skiprec-rivals", *arguments, "--depths=4,2"),
        "--settings=full,half,distilled",
    )
    code, out, err = call("reproduce", *rivals)
    assert code == 0, err
    rows = rows_of(tmp_path / "out" / "skiprec_rivals.json")
    full, policy, drawn, same, student, _ = rows
    assert [row["model"] for row in rows] == [
        "NextItNet+-4",
        "SkipRec-Gumbel w/ pre-4 (block cost 0.5)",
        "SkipRec-Gumbel w/ pre-4 (block cost 0.5, random blocks)",
        "SkipRec-Gumbel w/ pre-4 (block cost 0.5, the same blocks)",
        "NextItNet+-2 (distilled, soft labels)",
        "NextItNet+-2 (distilled, soft labels and topology)",
    ]
    # The time of a student's step has its teacher's part; it is no other's.
    times = json.loads((tmp_path / "out" / "step_times.json").read_text())
    assert sum(", distill=" in name for name in times) == 2
    # A student is served without its teacher.
    assert student["megabytes"] < full["megabytes"]
    assert full["blocks_run"] is None and same["blocks_run"] is None
    assert 0 <= policy["blocks_run"] <= 1
    assert abs(drawn["blocks_run"] - policy["blocks_run"]) < 0.2
    # Fewer blocks and no policy are a smaller file.
    assert same["megabytes"] < full["megabytes"] < policy["megabytes"]
    assert all(row["over_full"] for row in rows[1:])
    (folder,) = (tmp_path / "out" / "runs").glob("*/ranks-random_blocks.npz")
    assert (folder.parent / "ranks-the_same_blocks.npz").is_file()
    monkeypatch.setattr(training, "rank", None)
    code, again, err = call("reproduce", *rivals)
    assert code == 0, err
    assert again in out
    # Which blocks run, of a policy of Table 2.
    code, out, err = call(
        *("reproduce", "--target=skiprec-figure4", *arguments),
        *("--depths=4", "--settings=gumbel-pre"),
    )
    assert code == 0, err
    (row,) = rows_of(tmp_path / "out" / "skiprec_figure4.json")
    assert row["model"] == "Gumbel w/ pre-4" and len(row["shares"]) == 4
    assert row["mean"] == pytest.approx(sum(row["shares"]) / 4, abs=1e-3)
    assert row["least"] <= row["mean"] <= row["most"]
    assert (tmp_path / "out" / "skiprec_figure4.png").is_file()
