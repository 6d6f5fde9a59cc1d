"""Models beside published values, by hand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.papers.rows import Row
from experiments.reporting import published
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage


class Runs:
    """Markov: ranks 9 and 9. Two seeds of a model: 0 and 9, then 0 and 10."""

    meta = {"source": "x.csv", "num_users": 2, "num_items": 5, "t": 3}
    sessions = {"frequency": SimpleNamespace(meta=meta)}

    def find(self, recipe):
        if recipe.seed > 1:
            return None
        kept = {"validation": {"unseen_mrr_at_5": 0.1}}
        return SimpleNamespace(
            seed=recipe.seed,
            model=recipe.model,
            folder=SimpleNamespace(name=f"{recipe.model}-{recipe.seed}"),
            name=f"{recipe.model}-{recipe.seed}",
            summary={
                **(kept if recipe.model == "markov" else {}),
                "best_step": 10 + recipe.seed,
                "num_parameters": 1234,
                "num_sessions": 2,
            },
        )

    def find_row(self, row):
        return self.find(row.recipe)

    def ranks(self, run, exclude_seen):
        if run.model == "markov":
            return np.array([9, 9], "uint8")
        return np.array([0, 9 + run.seed], "uint8")

    def users(self, run):
        return np.arange(2)

    def once(self, key, compute):
        return compute()

    def split(self, protocol):
        # Training has 1 and 2; of the targets 5 is cold, 1 occurs again.
        rows = np.array([[0, 1, 2], [1, 2, 5], [1, 3, 1]])
        return SimpleNamespace(
            train=np.array([0]),
            test=np.array([1, 2]),
            rows=SimpleNamespace(rows=rows),
        )


def make_row(seed, model="sasrec", family="SASRec", note="width 8"):
    recipe = Recipe(
        (Stage(1),),
        protocol=PROTOCOLS["leave_one_out"],
        model=model,
        seed=seed,
    )
    return Row("x", "baseline", recipe, family=family, note=note)


def test_the_table(tmp_path):
    rows = [
        make_row(0, "markov", "Markov", "order 1"),
        *(make_row(seed) for seed in (0, 1, 2)),
    ]
    text = published.write(
        rows, Runs(), tmp_path, "field", "Field", {"Others": (0.5, None)}
    )
    assert (tmp_path / "field.md").read_text() == text
    lines = text.splitlines()
    assert lines[4].startswith("| Others (published) |  | 0.5000 |  |")
    # Rank 9 is the tenth: 1 / log2(11), and one in ten.
    tenth = 1 / np.log2(11)
    assert lines[5] == (
        f"| Markov (order 1) | 1 | 1.0000 | {tenth:.4f} | 0.1000 |  | 10 | "
        "1,234 |"
    )
    # HR@10 is 1 and 0.5; NDCG@10 half of 1 + 1 / log2(11), and half of 1.
    second = (1 + tenth) / 2
    mean, sd = (second + 0.5) / 2, (second - 0.5) / 2**0.5
    cells = [cell.strip() for cell in lines[6].split("|")[1:-1]]
    assert cells[:4] == [
        *("SASRec-1 (width 8)", "2", "0.7500 ± 0.3536"),
        f"{mean:.4f} ± {sd:.4f}",
    ]
    # Of the first five items: one user of two, in either seed.
    assert cells[5].startswith("+0.5000 (") and "two seeds" in cells[5]
    assert cells[6:] == ["10, 11", "1,234"]
    assert "the floor is Markov (order 1) with MRR@5 0.0000; SASRec-1" in text
    assert "1 are in no training history (cold), 1 in the user's own" in text
    records = json.loads((tmp_path / "field.json").read_text())["rows"]
    assert records[2]["seeds"] == [0, 1]
    assert records[2]["unseen"]["hit_rate_at_10"]["mean"] == pytest.approx(0.75)


def test_nothing_is_done(tmp_path):
    text = published.write(
        [make_row(5)], Runs(), tmp_path, "field", "Field", {}
    )
    assert text == "Nothing is done yet.\n"
    assert list(tmp_path.iterdir()) == []
