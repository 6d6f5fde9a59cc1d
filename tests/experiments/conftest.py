"""Commands in this very process, and lines made up by hand."""

import importlib
import sys

import keras
import numpy as np
import pytest
from absl import flags

from experiments.reporting.lines import Line
from nextitnet_tf.commands import command
from nextitnet_tf.training import Run
from tests import in_process


@pytest.fixture
def call(capsys, monkeypatch, tmp_path):
    """Runs a command with flags: (exit status, stdout, stderr).

    As its own process would, but for the import of TensorFlow; whatever
    flags the test's commands do not have in common stay defined.
    """
    monkeypatch.chdir(tmp_path)

    def run(name, *arguments):
        module = importlib.import_module(f"experiments.{name}")
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        capsys.readouterr()
        try:
            with in_process.without_xla(), pytest.raises(SystemExit) as stopped:
                command.run(module.main)
        finally:
            keras.utils.clear_session()  # many models in one process
            flags.FLAGS.unparse_flags()
            for flag in flags.FLAGS:
                flags.FLAGS[flag].unparse()
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run


@pytest.fixture
def csv_of_sessions(tmp_path):
    """90 random sessions of 8 items, with padding in front of some."""
    rows = np.random.default_rng(0).integers(1, 9, (90, 6))
    rows[:9, :3] = 0
    text = "\n".join(",".join(map(str, row)) for row in rows)
    (tmp_path / "my.csv").write_text(text + "\n", encoding="utf-8")
    return tmp_path / "my.csv"


class MadeUpStore:
    """What was read of runs that never were."""

    def __init__(self, ranks=None, unseen=None, users=None, meta=None):
        self.meta = meta or {}
        self._ranks, self._unseen = ranks or {}, unseen or {}
        self._users = users

    def ranks(self, run, exclude_seen=False):
        found = (self._unseen if exclude_seen else self._ranks).get(
            run.folder.name
        )
        return None if found is None else np.array(found)

    def users(self, run):
        return self._users

    @staticmethod
    def once(key, compute):
        return compute()


@pytest.fixture
def make_line(tmp_path):
    """A line whose evaluations, 100 steps apart, gave the values of a curve.

    99 columns and a padding, 3 channels: 600 weights in tables.
    """

    def make(row, curve, step_seconds=0.1, in_blocks=50, name="run", mrr=0.05):
        points = [
            {"step": 100 * (i + 1), "val_mrr_at_5": value}
            for i, value in enumerate(curve)
        ]
        best = max(points, key=lambda p: p["val_mrr_at_5"], default=None)
        test = {
            f"{metric}_at_{n}": mrr
            for metric in ("mrr", "hit_rate", "ndcg")
            for n in (5, 10)
        }
        summary = {
            "curve": points,
            "best_step": best["step"] if best else 0,
            "best_validation": best["val_mrr_at_5"] if best else 0.0,
            "test": {**test, "loss": 3.0, "num_sessions": 1234},
            "num_sessions": 1234,
            "protocol": {
                "name": row.recipe.protocol.name,
                "nesting": row.recipe.protocol.nesting,
                "sampled_fraction": 0.5,
            },
            "data": {"num_items": 99, "t": 11},
            "model_config": {"embedding_dim": 3},
            "batch_size": 7,
            "protocol_differences": [],
            "seed": row.seed,
            "stages": [{"num_blocks": row.num_blocks}],
            "model": row.recipe.model,
            "wall_seconds": 99.0,
            "num_train_rows": 10,
            "num_parameters": 600 + in_blocks,
            "versions": {},
        }
        run = Run(tmp_path / name, summary)
        return Line(row, run, step_seconds, paper=row.figures)

    return make


@pytest.fixture
def made_up_store():
    return MadeUpStore
