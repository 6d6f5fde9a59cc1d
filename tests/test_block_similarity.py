"""Figure 2: cosines between the outputs of blocks."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from experiments import block_similarity
from nextitnet_tf import NextItNet
from nextitnet_tf import SASRec
from tests import checks

ROOT = pathlib.Path(__file__).parents[1]


class TwoBlocks:
    """Yields three states made up by hand, (1, 2, 2) each."""

    def states(self, item_ids):
        yield np.array([[[9.0, 9.0], [9.0, 9.0]]])  # before the first block
        yield np.array([[[1.0, 0.0], [3.0, 4.0]]])
        yield np.array([[[0.0, 2.0], [6.0, 8.0]]])


def test_cosines_by_hand():
    """At right angles in one place, in line in the other."""
    found = block_similarity.block_similarity(TwoBlocks(), None)
    np.testing.assert_allclose(found, [[1.0, 0.5], [0.5, 1.0]])


@pytest.mark.parametrize(
    "model",
    [
        NextItNet(num_items=9, num_blocks=3, embedding_dim=4),
        SASRec(num_items=9, num_blocks=3, embedding_dim=4),
        SASRec(num_items=9, num_blocks=3, embedding_dim=4, variant="original"),
    ],
)
def test_states_lead_from_the_embedding_to_the_hidden_states(model):
    checks.scramble(model)
    item_ids = checks.histories_for(model)
    states = [np.array(state) for state in model.states(item_ids)]
    assert len(states) == 4
    hidden = states[-1]
    if isinstance(model, SASRec) and model.variant == "original":
        hidden = np.array(model.norm(hidden))
    np.testing.assert_array_equal(hidden, model.encode(item_ids))
    again = np.array(model.blocks[0](states[0]))
    if not isinstance(model, SASRec) or model.variant == "stackrec":
        np.testing.assert_allclose(states[1], again, rtol=1e-5, atol=1e-6)


def test_the_command(tmp_path):
    rows = np.random.default_rng(0).integers(1, 9, (60, 6))
    lines = "\n".join(",".join(map(str, row)) for row in rows)
    (tmp_path / "my.csv").write_text(lines + "\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.block_similarity"),
            *("--raw=my.csv", "--output=out", "--num_blocks=2"),
            *("--embedding_dim=4", "--max_steps=2", "--eval_every=2"),
            *("--batch_size=16", "--num_sessions=5"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((tmp_path / "out/figure2-nextitnet-2.json").read_text())
    assert found["num_sessions"] == 5
    assert np.shape(found["similarity"]) == (2, 2)
    picture = (tmp_path / "out" / "figure2-nextitnet-2.png").read_bytes()
    assert picture[1:4] == b"PNG"
