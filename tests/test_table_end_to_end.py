"""The whole way, small: generated sessions, trained rows, a table."""

import json

from datasets import synthetic
from experiments import tables
from experiments.recipes import table2
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf.recipe import PROTOCOLS


def test_table_of_a_tiny_run(tmp_path, monkeypatch):
    folder = synthetic.prepare_synthetic(
        tmp_path / "sessions", num_rows=300, t=8, num_items=24, num_groups=4
    )
    sessions = {"frequency": data.read_sessions(folder)}
    rows = table2.make_rows(
        [table2.Setting(0.5, 1.0, 1, 2)],
        PROTOCOLS["clean"],
        presets=["best"],
        seed=0,
        model_config={"embedding_dim": 4},
        batch_size=64,
        max_steps=4,
        eval_every=2,
        patience=1,
    )
    strategy = distribution.make_strategy()

    def write():
        return tables.write(rows, sessions, tmp_path, "Tiny")

    tables.run(rows, sessions, tmp_path, strategy, write)

    markdown = (tmp_path / "table.md").read_text()
    table = json.loads((tmp_path / "table.json").read_text())
    labels = [row["model"] for row in table["rows"]]
    assert labels == [
        "MostPop",
        "NextItNet-1 (50%)",
        "NextItNet-2 (100%)",
        "StackA-Next-2",
        "StackC-Next-2",
        "CL-NextItNet-1",
        "Bayes-optimal ceiling",
    ]
    assert all(label in markdown for label in labels)
    # The ceiling is a row, and no model to compare.
    assert [g["model"] for g in table["over_seeds"]] == labels[:-1]
    assert table["over_seeds"][3]["low"] is not None
    # 10 % of 300 users with a session each.
    assert [row["num_sessions"] for row in table["rows"]] == [30] * 7
    assert table["rows"][2]["speedup"] == 1.0
    # Generated data have no figures of a paper.
    assert all(row["paper"]["mrr_at_5"] is None for row in table["rows"][:-1])
    picture = (tmp_path / "convergence.png").read_bytes()
    assert picture.startswith(b"\x89PNG")

    # Nothing is trained twice.
    def refuse(*args, **options):
        raise AssertionError("fit was called again")

    monkeypatch.setattr("keras.Model.fit", refuse)
    tables.run(rows, sessions, tmp_path, strategy, write)
