"""Models stored small beside those in full, by hand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.papers.rows import Row
from experiments.reporting import compressed_table
from experiments.reporting import stored_claims
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.tuned import TUNED_PROTOCOLS

CLEAN = TUNED_PROTOCOLS["clean"]
# In full every target is the first item, in a tree the second of 200.
_ONE = (Stage(1),)
RANKS = {"full": 0, "tree": 1, "markov": 4}


class Runs:
    """A run for each recipe; of two stages, the first took 10 steps."""

    meta = {"source": "x.csv", "num_items": 99}
    sessions = {"frequency": SimpleNamespace(rows=np.zeros((9, 4)), meta=meta)}

    def find(self, recipe):
        key = "markov" if recipe.model == "markov" else "full"
        if "compression" in recipe.model_config:
            key = "tree"
        kept = {"validation": {"unseen_mrr_at_5": 0.1, "mrr_at_5": 0.1}}
        depth = recipe.stages[-1].num_blocks
        return SimpleNamespace(
            key=key,
            name=f"{key}-{depth}-{recipe.seed}",
            folder=f"{key}-{depth}-{recipe.seed}",
            summary={
                **(kept if key == "markov" else {}),
                "model": recipe.model,
                "model_config": dict(recipe.model_config),
                "stages": [{"num_blocks": s.num_blocks} for s in recipe.stages],
                "batch_size": 128,
                "data": {"t": 4, "num_items": 99},
                "protocol": {"name": "clean", "sampled_fraction": 0.0},
                "protocol_differences": [],
                "step_seconds": {"full": 6.0, "tree": 3.0, "markov": 0}[key],
                "best_step": 10 * depth,
                "num_parameters": {"full": 4_000_000, "tree": 500_000}.get(
                    key, 7
                ),
                "num_sessions": 200,
            },
        )

    def find_row(self, row):
        return self.find(row.recipe)

    def ranks(self, run, exclude_seen):
        return np.full(200, RANKS[run.key], "uint8")

    def users(self, run):
        return np.arange(200)

    def once(self, key, compute):
        return compute()


def make_row(
    seed=0, stages=_ONE, family="NextItNet", full=None, rival_of=None, **more
):
    recipe = Recipe(stages, protocol=CLEAN, seed=seed, **more)
    return Row(
        "x",
        "stacked" if len(stages) > 1 else "baseline",
        recipe,
        (0.11, 0.2, 62.0, 104.0, 1.0),
        family,
        stacked_family="Small",
        compared_with=full,
        rival_of=rival_of,
    )


def make_table(tmp_path, seeds=(0, 1, 2)):
    rows = [make_row(model="markov", family="Markov")]
    for seed in seeds:
        full = make_row(seed)
        small = {"model_config": {"compression": {"sharing": "cross_block"}}}
        stacked = (Stage(1), Stage(2, method="adjacent"))
        rows += [
            full,
            make_row(seed, family="Small", full=full, rival_of=full, **small),
            make_row(seed, stacked, "Small", full=full, **small),
        ]
    (tmp_path / "serving.json").write_text(
        json.dumps(
            {
                "full-1-0": {
                    "file_bytes": 16_000_000,
                    "milliseconds": {"1": 2.0, "256": 40.0, "32": 9.0},
                },
                "tree-1-0": {
                    "file_bytes": 2_000_000,
                    "milliseconds": {"1": 1.0},
                    "frozen_milliseconds": {"1": 0.4},
                },
            }
        )
    )
    text = compressed_table.write(rows, Runs(), tmp_path, "small", "Small")
    return text, json.loads((tmp_path / "small.json").read_text())["rows"]


def test_the_table(tmp_path):
    text, records = make_table(tmp_path)
    assert (tmp_path / "small.md").read_text() == text
    counted, full, small, stacked = records
    assert [r["model"] for r in records] == [
        *("Markov", "NextItNet-1", "Small-1", "StackA-Small-2"),
    ]
    assert full["metrics"]["mrr_at_20"]["mean"] == 1
    assert small["metrics"]["mrr_at_5"]["mean"] == pytest.approx(0.5)
    assert small["metrics"]["ndcg_at_20"]["mean"] == pytest.approx(
        1 / np.log2(3)
    )
    # A fifth of the floor's MRR@5, in all that is drawn.
    assert full["above_floor"] == "+0.8000 (+0.8000 to +0.8000): above"
    assert small["against_full"] == "-0.5000 (-0.5000 to -0.5000): below"
    assert full["against_full"] == counted["against_full"] == ""
    assert small["policy_leads"] == "+0.5000 (+0.5000 to +0.5000): above"
    assert full["policy_leads"] == stacked["policy_leads"] == ""
    assert "- The policy's lead: " in text
    assert (full["parameters"], small["parameters"]) == (4, 0.5)
    assert (full["megabytes"], small["megabytes"]) == (16, 2)
    assert small["smaller"] == 8 and stacked["smaller"] is None
    # Ten steps of six and of three seconds; then twenty more.
    assert (full["minutes"], small["minutes"]) == (1, 0.5)
    assert stacked["minutes"] == 1.5
    assert "2.0 / 9.0 / 40.0" in text  # by the size of the batch
    assert "| Answers, ms | Frozen, ms |" in text and "| 1.0 | 0.4 |" in text
    assert full["paper"]["parameters"] == 62


def test_what_it_says_of_the_paper(tmp_path):
    _, records = make_table(tmp_path)
    told = list(stored_claims.against_full([{"rows": records}], {}))
    assert told == [
        "- Small-1: 8.0 times smaller on disk, a step takes 50% of the time, "
        "MRR@5 -0.5000 (-0.5000 to -0.5000) against NextItNet-1: worse.",
        "- StackA-Small-2: a step takes 50% of the time, MRR@5 -0.5000 "
        "(-0.5000 to -0.5000) against NextItNet-1: worse.",
    ]
    _, records = make_table(tmp_path, seeds=(0,))
    told = list(stored_claims.against_full([{"rows": records}], {}))
    assert told[0].endswith("against NextItNet-1: one seed.")


def test_what_it_says_of_rivals(tmp_path):
    _, records = make_table(tmp_path)
    told = list(stored_claims.against_rivals([{"rows": records}], {}))
    assert told == [
        "- The policy against Small-1: MRR@5 +0.5000 (+0.5000 to +0.5000): "
        "better."
    ]
    # Of tables from before there were rivals.
    for record in records:
        del record["under_policy"]
    assert not list(stored_claims.against_rivals([{"rows": records}], {}))


def test_nothing_is_done(tmp_path):
    text = compressed_table.write([], Runs(), tmp_path, "small", "Small")
    assert text == "Nothing is done yet.\n"
