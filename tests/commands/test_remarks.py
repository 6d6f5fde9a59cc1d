"""What a user should know of the data before training on them."""

import dataclasses

import numpy as np
import pytest

from nextitnet_tf import data
from nextitnet_tf.commands import remarks
from nextitnet_tf.protocol import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.recipe import Start

# As it is best for so few interactions.
_BEST = {"dropout_rate": 0.5, "tie_output": True}
RECIPE = Recipe(
    stages=(Stage(1),), batch_size=16, model="sasrec", model_config=_BEST
)


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
    small = dataclasses.replace(
        RECIPE, model_config={**_BEST, "compression": "auto"}
    )
    sampled = dataclasses.replace(
        RECIPE,
        protocol=dataclasses.replace(PROTOCOLS["clean"], sampled_fraction=0.5),
    )
    assert remarks.on(sessions, small) == remarks.on(sessions, sampled) == []
    monkeypatch.setattr(remarks, "_MANY_SCORES", 16 * 5 * 7)
    assert remarks.on(sessions, RECIPE) == []


@pytest.mark.parametrize("num_users, is_sparse", [(58, True), (59, False)])
def test_items_with_few_interactions(num_users, is_sparse):
    """Six a user of seven items: 58 users make 49.7 an item, 59 make 50.6."""
    users, steps = np.divmod(np.arange(num_users * 6), 6)
    table = {"user": users, "item": (users + steps) % 7, "time": steps}
    # Rows are longer than histories: padding is no interaction.
    sessions = data.Sessions.from_interactions(table, t=9)
    usual = dataclasses.replace(RECIPE, model_config={})
    plain = Recipe(stages=(Stage(1),), batch_size=16)
    for recipe in (usual, plain):
        found = remarks.on(sessions, recipe)
        assert len(found) == is_sparse
        assert all(
            "--model=sasrec --dropout_rate=0.5 --tie_o" in s for s in found
        )
    # It is so already, or goes on as what it is.
    going_on = dataclasses.replace(
        usual,
        stages=(Stage(1, method="continue"),),
        start=Start("0" * 64, "model.keras"),
    )
    for recipe in (RECIPE, going_on):
        assert remarks.on(sessions, recipe) == []


def test_integers_with_decimals():
    users, steps = np.divmod(np.arange(20 * 6), 6)
    items = [
        f"{(u + s) % 7}" + (".0" if u < 3 else "")
        for u, s in zip(users, steps, strict=True)
    ]
    table = {"user": users, "item": items, "time": steps}
    sessions = data.Sessions.from_interactions(table, t=6, min_users_per_item=1)
    (said,) = remarks.on(sessions, RECIPE)
    # Three users of six items: 0 to 5, 1 to 6 and 2 to 0 are all seven.
    assert said.startswith("note: 7 of 14 item ids are integers written with")
    assert "such as '" in said and said.endswith("is another item")


def test_items_that_may_be_missing_ones():
    users, steps = np.divmod(np.arange(20 * 6), 6)
    names = np.array(["a", "NaN", "b", "c", "None", "d", "nano"])
    table = {"user": users, "item": names[(users + steps) % 7], "time": steps}
    (said,) = remarks.on(data.Sessions.from_interactions(table, t=6), RECIPE)
    assert "'NaN'" in said and "'None'" in said and "nano" not in said
