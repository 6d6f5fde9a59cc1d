"""Cosines between the outputs of blocks, measured once and kept."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.papers.rows import Choices
from experiments.papers.stackrec import figure2
from experiments.reporting import similarity
from nextitnet_tf import NextItNet
from nextitnet_tf import SASRec
from nextitnet_tf.recipe import PROTOCOLS
from tests import checks


class TwoBlocks:
    """Yields three states made up by hand, (1, 2, 2) each."""

    def states(self, item_ids):
        yield np.array([[[9.0, 9.0], [9.0, 9.0]]])  # before the first block
        yield np.array([[[1.0, 0.0], [3.0, 4.0]]])
        yield np.array([[[0.0, 2.0], [6.0, 8.0]]])


class Runs:
    """A store in which every run is done, of three rows of test sessions."""

    meta = {"source": "hand"}

    def __init__(self, folder):
        self.folder = folder

    def name(self, recipe):
        return f"run-{recipe.seed}"

    def find(self, recipe):
        return SimpleNamespace(folder=self.folder, load_model=TwoBlocks)

    def split(self, protocol):
        return SimpleNamespace(
            test=np.array([4, 0, 2]), rows=self.sessions_of(None)
        )

    def sessions_of(self, recipe):
        return SimpleNamespace(rows=np.arange(10).reshape(5, 2))

    def once(self, key, compute):
        return compute()


def rows(*seeds):
    return [
        row
        for seed in seeds
        for row in figure2.rows(
            Choices(
                PROTOCOLS["clean"], seed, settings=["NextItNet"], depths=[2]
            )
        )
    ]


def write(tmp_path, *seeds):
    store = Runs(tmp_path)
    return similarity.write(
        rows(*seeds), store, tmp_path, figure2.NAME, figure2.TITLE
    )


def test_cosines_by_hand():
    """At right angles in one place, in line in the other."""
    found = similarity.block_similarity(TwoBlocks(), None)
    np.testing.assert_allclose(found, [[1.0, 0.5], [0.5, 1.0]])


def test_what_was_measured_stays_when_the_model_is_gone(tmp_path):
    (tmp_path / "model.keras").touch()
    text = write(tmp_path, 1, 0)
    path = tmp_path / "figure2-nextitnet-2.json"
    assert text.splitlines()[0] == (
        "neighbouring blocks of nextitnet-2, seed 0: 0.50 (3 sessions); "
        f"{path.with_suffix('.png')}"
    )
    found = json.loads(path.read_text())
    assert found["title"] == (
        "How alike blocks are: nextitnet, 2 blocks (StackRec, Figure 2)"
    )
    assert (found["seeds"], found["num_sessions"]) == ([0, 1], 3)
    assert found["similarity"] == [[[1.0, 0.5], [0.5, 1.0]]] * 2
    assert path.with_suffix(".png").read_bytes()[1:4] == b"PNG"
    (tmp_path / "model.keras").unlink()
    write(tmp_path, 0, 1, 2)  # of seed 2 there is nothing
    assert json.loads(path.read_text()) == found


def test_nothing_is_done(tmp_path):
    assert write(tmp_path, 0) == "Nothing is done yet."
    assert not list(tmp_path.iterdir())


def test_attention_has_no_dilations():
    choices = Choices(
        PROTOCOLS["clean"],
        settings=["SASRec", "GRec"],
        depths=[3, 4],
        options={"model_config": {"dilation_rates": [1], "use_alpha": True}},
    )
    found = [
        (row.recipe.model, row.num_blocks, "dilation_rates" in config)
        for row in figure2.rows(choices)
        for config in [row.recipe.model_config]
    ]
    assert found == [
        *(("grec", 3, True), ("grec", 4, True)),
        *(("sasrec", 3, False), ("sasrec", 4, False)),
    ]


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
