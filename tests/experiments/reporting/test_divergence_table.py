"""What each divergence changes, from numbers made up by hand."""

import json
from types import SimpleNamespace

import pytest

from experiments.papers.stackrec import divergences
from experiments.papers.stackrec.divergences import Change
from experiments.papers.stackrec.divergences import Divergence
from experiments.reporting import divergence_table


def summary(seed, mrr, step):
    return {
        "seed": seed,
        "test": {"mrr_at_5": mrr},
        "best_step": step,
        "num_sessions": 1200,
    }


class Runs:
    """A store of runs, by what stands for their recipes."""

    meta = {"source": "mi|ne.csv"}

    def __init__(self, summaries):
        self.summaries = summaries

    def find(self, recipe):
        found = self.summaries.get(recipe)
        return found and SimpleNamespace(summary=found)


def test_what_a_change_does_by_hand():
    store = Runs(
        {
            "full 0": summary(0, 0.05, 100),
            "full 1": summary(1, 0.07, 300),
            "full 2": summary(2, 0.9, 5),
            "base 0": summary(0, 0.04, 400),
            "base 1": summary(1, 0.08, 600),
        }
    )
    changes = [
        Change(
            "full",
            SimpleNamespace(recipe=f"full {seed}"),
            SimpleNamespace(recipe=f"base {seed}"),
            "the base",
        )
        for seed in (0, 1, 2)
    ]
    found = divergence_table.measure(changes, store)
    assert (found["data"], found["num_sessions"]) == ("mi|ne.csv", 1200)
    (effect,) = found["effects"]
    # Seed 2 has no base.
    assert effect["seeds"] == [0, 1]
    assert effect["mrr_at_5"] == pytest.approx(
        {"mean": 0.06, "min": 0.05, "max": 0.07}
    )
    assert effect["difference"] == pytest.approx(
        {"mean": 0.0, "min": -0.01, "max": 0.01}
    )
    assert (effect["steps"], effect["base_steps"]) == (200, 500)
    text = divergence_table.make_document(
        [
            Divergence("A", "p", "r `<UNK>`", "`s`", "d", ("full", "other")),
            Divergence("B", "p", "r", "s|s", "d"),
        ],
        {
            "cprec": [Divergence("C", "of CpRec", "r", "s", "d")],
            "skiprec": [Divergence("S", "of SkipRec", "r", "s", "d")],
        },
        found,
        "out/fidelity.json",
    )
    lines = text.splitlines()
    assert "`out/fidelity.json`" in text
    assert (
        "| 1 | A | p | r `<UNK>` | `s` | d | full: +0.0000 (-0.0100 to +0.0100)"
        " |"
    ) in lines
    assert "| 2 | B | p | r | s\\|s | d |  |" in lines
    assert (
        "| full | the base | 0, 1 | 0.0600 (0.0500 to 0.0700) | 0.0600 (0.0400 "
        "to 0.0800) | +0.0000 (-0.0100 to +0.0100) | 200 | 500 |"
    ) in lines
    assert any("1,200 sessions evaluated" in line for line in lines)
    cprec, skiprec = lines.index("## CpRec"), lines.index("## SkipRec")
    assert "| 1 | C | of CpRec | r | s | d |" in lines[cprec:skiprec]
    assert "| 1 | S | of SkipRec | r | s | d |" in lines[skiprec:]


def test_nothing_is_done():
    change = Change("full", *[SimpleNamespace(recipe="x")] * 2, "the base")
    found = divergence_table.measure([change], Runs({}))
    assert found["effects"] == []
    text = divergence_table.make_document([], {}, found, "x.json")
    assert "Measured effects" not in text


def test_the_committed_document_is_what_the_numbers_say(committed):
    numbers = "results/ml1m/fidelity.json"
    result = json.loads((committed / numbers).read_text(encoding="utf-8"))
    document = (committed / "docs" / "fidelity.md").read_text(encoding="utf-8")
    assert document == divergence_table.make_document(
        divergences.read(), divergence_table.of_others(), result, numbers
    )
