"""Runs as tables find them."""

import dataclasses

import numpy as np
import pytest

from experiments.reporting.store import Store
from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.training import runs
from tests.checks import write_sessions


@pytest.mark.parametrize("is_last", [True, False])
def test_what_is_trained_again_is_read_again(is_last, tmp_path):
    """A stage in the middle, too, whose model was missing."""
    rows = np.random.default_rng(0).integers(1, 20, (60, 6))
    sessions = data.read_sessions(write_sessions(tmp_path / "s", rows))
    short = Stage(1, max_steps=1, eval_every=1)
    recipe = Recipe(
        stages=(
            short,
            dataclasses.replace(short, num_blocks=2, method="cross"),
        ),
        model_config={"embedding_dim": 4},
        batch_size=16,
        protocol=PROTOCOLS["clean"],
    )
    first = recipe.up_to(0)
    store = Store(tmp_path / "runs", {"frequency": sessions})
    training.run(first, sessions, store.folder, verbose=0)
    before = store.find(first)
    assert before is store.find(first)
    # Trained elsewhere: other ranks, and no model to go on with.
    (before.folder / runs.MODEL).unlink()
    training.run(recipe, sessions, store.folder, verbose=0)
    store.forget(recipe if is_last else first)
    assert store.find(first) is not before
