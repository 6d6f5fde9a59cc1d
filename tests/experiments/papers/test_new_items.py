"""A model that goes on with the next day's items, on very little."""

import json

import numpy as np
import pytest

from experiments import papers
from experiments.papers.field import new_items
from experiments.papers.rows import Choices
from experiments.reporting import new_items_table
from experiments.reporting import stored_claims
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Start


def make_rows(**changes):
    choices = {"depths": [2], "schedules": [[0, 5]], "seed": 3, **changes}
    return new_items.rows(
        Choices(PROTOCOLS["temporal"], **choices), start=Start("a", "a.keras")
    )


def test_the_rows():
    assert papers.find("new-items") is new_items
    before, popular, *going_on, anew = make_rows()
    assert (before.setting, before.label) == ("before", "NextItNet-2")
    assert (anew.setting, anew.label) == ("all", "NextItNet-2")
    assert before.recipe == anew.recipe  # on other sessions
    assert (popular.setting, popular.label) == ("after", "MostPop")
    assert [row.label for row in going_on] == [
        f"{start}, {steps} steps"
        for start in ("mean", "co_occurring", "random")
        for steps in (0, 5)
    ]
    for row in going_on:
        assert row.setting == "after" and row.recipe.start.source == "a"
        (stage,) = row.recipe.stages
        assert stage.method == "continue" and row.seed == 3
        assert row.label.startswith(f"{stage.new_items}, {stage.max_steps} ")
        # One evaluation, at the end.
        assert stage.eval_every == max(stage.max_steps, 1)


def test_other_than_one_depth():
    with pytest.raises(ValueError, match=r"depths=\[2, 4\]"):
        make_rows(depths=[2, 4])
    with pytest.raises(ValueError, match=r"steps=\[\[0\], \[5\]\]"):
        make_rows(schedules=[[0], [5]])


def write_days(path):
    """30 users a day for 4 days; each day two items go and two come."""
    lines = ["user,item,timestamp"]
    generator = np.random.default_rng(0)
    for day in range(4):
        for user in range(40):
            items = 2 * day + generator.permutation(6)[:5]
            lines += [
                f"{day}-{user},{item},{100 * day + user + k / 10}"
                for k, item in enumerate(items)
            ]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.slow
def test_the_command(call, tmp_path):
    write_days(tmp_path / "days.csv")
    arguments = (
        *("reproduce", "--target=new-items", "--raw=days.csv", "--output=out"),
        *("--t=6", "--train_until=200", "--validate_until=300", "--depths=1"),
        *("--steps=0,2", "--max_steps=4", "--eval_every=2", "--batch_size=16"),
        *("--embedding_dim=4", "--min_users_per_item=0"),
    )
    code, out, err = call(*arguments)
    assert code == 0, err
    found = json.loads((tmp_path / "out" / "new_items.json").read_text())
    rows = found["rows"]
    assert len(rows) == 8
    assert out.endswith((tmp_path / "out" / "new_items.md").read_text() + "\n")
    # Day 2 has items 4 to 9, of which 8 and 9 are new; day 3 6 to 11, of
    # which nobody knows 10 and 11.
    assert "knows 8 items, all others 10." in " ".join(found["notes"])
    for row in rows:
        assert 0 <= row["unseen"]["mean"] <= 1 and row["seeds"] == [0]
    assert {row["steps"] for row in rows if row["new_items"]} == {0, 2}
    # Nothing is trained again, and another seed adds to it.
    code, _, err = call(*arguments)
    assert code == 0 and "trained " not in err
    code, _, err = call(*arguments, "--protocol=clean")
    assert code == 1 and "split='users'" in err


def test_targets_apart(monkeypatch):
    """Two sessions end with new items, one with an old one."""

    class Made:
        def __init__(self, run):
            self.run = run

        def find(self, recipe):
            return self.run

        def ranks(self, run):
            return np.array([0, 1, 9])

    class Done:
        summary = {"best_step": 7, "train_seconds": 2.0}

    _, popular, row, *_ = make_rows()
    stores = {"after": Made(Done())}
    found = new_items_table._records(
        [popular, row], stores, np.array([True, False, True])
    )
    # Reciprocal ranks 1, 1/2 and, behind the fifth, 0.
    for record in found:
        assert record["unseen"]["mean"] == pytest.approx(0.5)
        assert record["old"]["mean"] == pytest.approx(0.5)
        assert record["all"]["mean"] == pytest.approx(0.5)
    assert [r["steps"] for r in found] == [7, 0]


def test_what_is_said_of_a_start():
    def row(model, start, steps, unseen, old):
        return {
            "model": model,
            "new_items": start,
            "steps": steps,
            "unseen": {"mean": unseen},
            "old": {"mean": old},
            "seeds": [0, 1],
        }

    rows = [
        row("MostPop of after", "", None, 0.03, 0.002),
        row("N, goes on", "mean", 0, 0.05, 0.01),
        row("N, goes on", "mean", 20, 0.06, 0.02),
        row("N, goes on", "random", 20, 0.01, 0.03),
        row("N, goes on", "co_occurring", 20, 0.07, 0.03),
        row("N, anew", "", 900, 0.04, 0.05),
    ]
    # After 0 steps nothing began at random.
    assert [*stored_claims.new_items([{"rows": rows}], {})] == [
        "- N, goes on, new items as mean, after 20 steps: MRR@5 of items never "
        "seen 0.0600 (a random start 0.0100, popularity 0.0300, anew 0.0400), "
        "of old ones 0.0200 (a random start 0.0300, popularity 0.0020, anew "
        "0.0500); 2 seeds; no verdict without three seeds."
    ]
