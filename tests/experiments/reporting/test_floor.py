"""Trained models beside counting, by hand."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.papers.rows import Row
from experiments.reporting import against_counting
from experiments.reporting import floor
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage

# 200 sessions of as many users: where each model ranks what did follow.
_ALWAYS, _NEVER = np.zeros(200, "uint8"), np.full(200, 99, "uint8")
_HALF = np.where(np.arange(200) % 2, 0, 99).astype("uint8")
# Of the model's name and its `order`, if it has one: ranks of all items,
# ranks without seen ones, and what a counted one has on the validation in
# either way of ranking. Each way has a floor of its own.
RESULTS = {
    ("markov", 1): (_NEVER, _NEVER, (0.1, 0.1)),
    ("markov", 5): (_NEVER, _HALF, (0.1, 0.5)),
    ("item_knn", None): (_HALF, _NEVER, (0.5, 0.2)),
    ("nextitnet", None): (_HALF, _ALWAYS, None),
    ("gru4rec", None): (_NEVER, _NEVER, None),
    ("sasrec", None): (_HALF, _HALF, None),
}


class Runs:
    """A run for each model of `RESULTS`, whatever the seed."""

    meta = {"source": "x.csv", "num_items": 5}
    sessions = {"frequency": SimpleNamespace(rows=np.zeros((9, 4)), meta=meta)}

    def find(self, recipe):
        key = recipe.model, recipe.model_config.get("order")
        if key not in RESULTS:
            return None
        names, kept = ("mrr_at_5", "unseen_mrr_at_5"), RESULTS[key][2]
        found = {"validation": dict(zip(names, kept or (), strict=False))}
        return SimpleNamespace(
            folder=SimpleNamespace(name=f"{key}-{recipe.seed}"),
            name=f"{key}-{recipe.seed}",
            key=key,
            recipe=recipe,
            summary={
                **found,
                "best_step": 10 + recipe.seed,
                "best_validation": 0.9,
                "num_parameters": 1234,
                "num_sessions": 200,
                "protocol": {"name": "clean"},
                "protocol_differences": [],
            },
        )

    def find_row(self, row):
        return self.find(row.recipe)

    def ranks(self, run, exclude_seen):
        return RESULTS[run.key][exclude_seen]

    def users(self, run):
        return np.arange(200)

    def once(self, key, compute):
        return compute()


def make_row(model, family, seed=0, **config):
    recipe = Recipe(
        (Stage(1),),
        protocol=PROTOCOLS["clean"],
        model=model,
        model_config=config,
        seed=seed,
    )
    note = ", ".join(f"{k} {v}" for k, v in config.items())
    return Row("x", "baseline", recipe, family=family, note=note)


ROWS = [
    make_row("markov", "Markov", order=1),
    make_row("markov", "Markov", order=5),
    make_row("item_knn", "ItemKNN"),
    *(make_row("nextitnet", "NextItNet", seed) for seed in (0, 1, 2)),
    make_row("gru4rec", "GRU4Rec"),
    make_row("sasrec", "SASRec"),
    make_row("caser", "Caser"),  # not done
]


def write(tmp_path, rows=ROWS):
    return against_counting.write(rows, Runs(), tmp_path, "a", "Title")


def test_the_table(tmp_path):
    text = write(tmp_path)
    assert (tmp_path / "a.md").read_text() == text
    lines = {
        line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:-1]]
        for line in text.splitlines()
        if line.startswith("| ") and "---" not in line
    }
    assert list(lines) == [
        *("Model", "Markov (order 5)", "ItemKNN", "NextItNet-1", "GRU4Rec"),
        "SASRec-1",
    ]
    # Of the two Markov chains, the one that validates best.
    assert lines["Markov (order 5)"][:3] == ["1", "0.5000", ""]
    # Half of the sessions are gained in all seeds: 0.5, three seeds.
    seeds, unseen, above, *_ = lines["NextItNet-1"]
    assert (seeds, unseen) == ("3", "1.0000 ± 0.0000")
    assert above.startswith("+0.5000 (+0.4") and above.endswith(": above")
    # So they are in NDCG@10: the floor has them beyond the tenth place.
    in_ndcg = lines["Model"].index("Above the floor, NDCG@10")
    assert lines["NextItNet-1"][in_ndcg].startswith("+0.5000 (+0.4")
    assert lines["GRU4Rec"][2].startswith("-0.5000 (")
    assert lines["GRU4Rec"][2].endswith(": one seed")
    assert lines["SASRec-1"][2] == "+0.0000 (+0.0000 to +0.0000): one seed"
    assert "the floor is Markov (order 5) with MRR@5 0.5000" in text
    assert (
        "NextItNet-1 above it; GRU4Rec below it (one seed); SASRec-1 not told "
        "apart from it (one seed)" in text
    )
    records = json.loads((tmp_path / "a.json").read_text())["rows"]
    assert records[2]["over_floor"]["unseen"]["difference"] == 0.5
    assert records[2]["steps"] == [10, 11, 12]
    assert not (tmp_path / "a.png").exists()  # one depth


def test_many_items_are_too_many_for_ease(tmp_path, monkeypatch):
    assert "EASE" not in write(tmp_path)
    many = SimpleNamespace(rows=np.zeros((9, 4)), meta={"num_items": 15_001})
    monkeypatch.setattr(Runs, "sessions", {"frequency": many})
    assert "EASE is left out: it takes no more than 15,000" in write(tmp_path)


def test_runs_that_have_not_kept_their_ranks(tmp_path, monkeypatch):
    """Those of an earlier version are not shown, and break nothing."""
    monkeypatch.setitem(RESULTS, ("gru4rec", None), (_NEVER, None, None))
    assert "GRU4Rec" not in write(tmp_path)


def test_without_counting(tmp_path):
    text = write(tmp_path, ROWS[3:4])
    assert "there is no floor" in text and "above" not in text.split("- ")[0]
    assert write(tmp_path, ROWS[-1:]) == "Nothing is done yet.\n"


def done(rows):
    runs = Runs()
    return [(row, run) for row in rows if (run := runs.find(row.recipe))]


def test_notes_of_a_table():
    of_all, of_unseen = floor.notes(done(ROWS), Runs())
    assert "ranking of all items: the best of counting is ItemKNN 0.5000" in (
        of_all
    )
    # NextItNet (three seeds) and SASRec rank all items as the floor does.
    assert (
        "1 below it (one seed); 1 not told apart from it; 1 not told apart "
        "from it (one seed) (by 95 %" in of_all
    )
    assert "without seen items: the best of counting is Markov 0.5000" in (
        of_unseen
    )
    assert "1 above it (NextItNet-1)" in of_unseen
    assert floor.notes(done(ROWS[3:]), Runs()) == []


def test_a_line_is_compared_with_what_is_counted_of_as_much_data():
    """Of half of the data nothing is counted but a chain that never hits."""

    def half(row):
        stage = Stage(1, data_ratio=0.5)
        recipe = dataclasses.replace(row.recipe, stages=(stage,))
        return dataclasses.replace(row, recipe=recipe)

    rows = [*ROWS[:3], half(ROWS[0]), half(ROWS[7]), ROWS[7]]
    _, of_unseen = floor.notes(done(rows), Runs())
    assert "Markov 0.5000, Markov 0.0000 on 50% of the data" in of_unseen
    assert "1 above it (one seed) (SASRec-1)" in of_unseen
    assert "1 not told apart from it (one seed)" in of_unseen


def test_protocols_of_one_name_are_not_mixed():
    protocol = dataclasses.replace(PROTOCOLS["clean"], stop_on_unseen=True)

    def other(row):
        recipe = dataclasses.replace(row.recipe, protocol=protocol)
        return dataclasses.replace(row, recipe=recipe)

    rows = [ROWS[2], ROWS[7], other(ROWS[1]), other(ROWS[7])]
    found = floor.notes(done(rows), Runs())
    assert len(found) == 4
    assert "ItemKNN 0.5000" in found[0] and "Markov" not in found[0]
    assert "Markov 0.0000" in found[2]


def test_the_best_of_what_is_counted():
    found = [run for _, run in done(ROWS[:3])]
    assert floor.best(found, exclude_seen=True).key == ("markov", 5)
    assert floor.best(found, exclude_seen=False).key == ("item_knn", None)
    assert floor.best([], True) is None
    # One of an earlier version does not say how it validates.
    del found[1].summary["validation"]
    assert floor.best(found, exclude_seen=True).key == ("item_knn", None)


@pytest.mark.parametrize(
    ("low", "high", "side"),
    [
        (0.1, 0.2, "above it"),
        (-0.1, 0.1, "not told apart from it"),
        (-0.2, -0.1, "below it"),
    ],
)
def test_sides(low, high, side):
    found = {"difference": 0.0, "low": low, "high": high}
    assert floor.side(found, 3) == side
    assert floor.side(found, 1) == f"{side} (one seed)"
    assert floor.side(found, 2) == f"{side} (two seeds)"


class OfDepths(Runs):
    """With one block half of the targets are first, with four all are."""

    def find(self, recipe):
        depth = recipe.stages[0].num_blocks
        run = super().find(recipe)
        if depth == 1 and recipe.model == "nextitnet":
            run.key = ("sasrec", None)
        return run


def test_depths_beyond_the_shallowest(tmp_path):
    rows = [
        dataclasses.replace(
            row,
            recipe=dataclasses.replace(
                row.recipe, stages=(Stage(depth),), seed=seed
            ),
        )
        for depth in (1, 4)
        for seed in (0, 1, 2)
        for row in [make_row("nextitnet", "NextItNet")]
    ]
    text = against_counting.write(rows[:4], OfDepths(), tmp_path, "a", "Title")
    # The one seed that both have: 1 against 0.5.
    assert (
        "- Beyond 1 block, NextItNet (MRR@5 without seen items, as above): "
        "4 blocks +0.5000 ("
    ) in text
    assert "): one seed." in text
    text = against_counting.write(rows, OfDepths(), tmp_path, "a", "Title")
    assert "): above." in text
    # One depth is no comparison.
    text = against_counting.write(rows[:3], OfDepths(), tmp_path, "a", "Title")
    assert "Beyond" not in text
