"""What a user should know of the data before training on them."""

import dataclasses

import numpy as np

from nextitnet_tf import data
from nextitnet_tf.commands import remarks
from nextitnet_tf.protocol import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage

RECIPE = Recipe(stages=(Stage(1),), batch_size=16)


def test_filters_that_leave_little():
    users, steps = np.divmod(np.arange(20 * 6), 6)
    table = {"user": users, "item": (users + steps) % 7, "time": steps}
    sessions = data.Sessions.from_interactions(table, t=6)
    assert remarks.on(sessions, RECIPE) == []
    # Ten users of six items, fifty of one.
    table = {
        "user": [*np.repeat(np.arange(10), 6), *range(10, 110)],
        "item": [*([0, 1, 2, 3, 4, 5] * 10), *([0] * 100)],
        "time": range(160),
    }
    sessions = data.Sessions.from_interactions(table, t=6)
    (said,) = remarks.on(sessions, RECIPE)
    assert said.startswith("note: of 160 interactions 60 are left")
    assert "fewer than 10 users" in said and "fewer than 5 items" in said
    # Sessions of another kind have no such counts.
    assert remarks.on(dataclasses.replace(sessions, meta={}), RECIPE) == []


def test_a_softmax_of_many_items(monkeypatch):
    users, steps = np.divmod(np.arange(20 * 6), 6)
    table = {"user": users, "item": (users + steps) % 7, "time": steps}
    sessions = data.Sessions.from_interactions(table, t=6)
    monkeypatch.setattr(remarks, "_MANY_SCORES", 16 * 5 * 7 - 1)
    (said,) = remarks.on(sessions, RECIPE)
    assert "scores 7 items at 80 positions" in said
    small = dataclasses.replace(RECIPE, model_config={"compression": "auto"})
    sampled = dataclasses.replace(
        RECIPE,
        protocol=dataclasses.replace(PROTOCOLS["clean"], sampled_fraction=0.5),
    )
    assert remarks.on(sessions, small) == remarks.on(sessions, sampled) == []
    monkeypatch.setattr(remarks, "_MANY_SCORES", 16 * 5 * 7)
    assert remarks.on(sessions, RECIPE) == []
