"""What a training would take is steps times what a step took."""

import dataclasses

import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.commands import dry_run
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.training import beginning


def test_by_hand(monkeypatch):
    users, steps = np.divmod(np.arange(60 * 6), 6)
    sessions = data.Sessions.from_interactions(
        {"user": users, "item": (users + steps) % 7, "time": steps}, t=6
    )
    recipe = Recipe(
        stages=(
            Stage(2, max_steps=600),
            Stage(4, method="adjacent", max_steps=1, eval_every=1,
                  budget_in="passes", patience=3),
        ),
        model_config={"embedding_dim": 4},
        batch_size=16,
    )  # fmt: skip
    asked = []

    def measure(recipe, num_blocks, sessions, **options):
        asked.append((len(recipe.stages), num_blocks))
        return 0.1 * num_blocks

    monkeypatch.setattr(training, "measure_step_seconds", measure)
    first, second, last = dry_run.shown(recipe, sessions).splitlines()
    assert asked == [(1, 2), (2, 4)]
    # 600 steps of 0.2 s; a pass of 48 rows counts 25 steps.
    assert first == (
        "stage 1: 2 blocks, from scratch, on 48 sessions: at most 600 steps "
        "of 16, 200.0 ms each, 2.0 minutes"
    )
    assert "stacked (adjacent)" in second and "at most 25 steps" in second
    assert last.startswith("in all at most 2.2 minutes")
    assert "where 3 of them" in last and "GiB" in last


def test_a_start_that_does_not_fit_is_refused(tmp_path, monkeypatch):
    """As the training itself would."""
    users, steps = np.divmod(np.arange(60 * 6), 6)
    sessions = data.Sessions.from_interactions(
        {"user": users, "item": (users + steps) % 7, "time": steps}, t=6
    )
    model = nextitnet_tf.NextItNet(
        num_items=sessions.num_items, num_blocks=1, embedding_dim=4
    )
    model.vocabulary = sessions.vocabulary
    model.build((None, 5))
    model.save(tmp_path / "model.keras")
    recipe = Recipe(
        stages=(Stage(1, method="continue", max_steps=1, eval_every=1),),
        model_config={"embedding_dim": 4},
        start=beginning.start_of(tmp_path / "model.keras"),
    )
    monkeypatch.setattr(
        training, "measure_step_seconds", lambda *args, **options: 0.1
    )
    assert "stage 1: 1 block, going on" in dry_run.shown(recipe, sessions)
    wider = dataclasses.replace(recipe, model_config={"embedding_dim": 8})
    with pytest.raises(ValueError, match="embedding_dim"):
        dry_run.shown(wider, sessions)
