"""What a user should know of the data before training on them."""

import dataclasses

import numpy as np

from nextitnet_tf import data
from nextitnet_tf.commands import remarks


def test_filters_that_leave_little():
    users, steps = np.divmod(np.arange(20 * 6), 6)
    table = {"user": users, "item": (users + steps) % 7, "time": steps}
    sessions = data.Sessions.from_interactions(table, t=6)
    assert remarks.on(sessions) == []
    # Ten users of six items, fifty of one.
    table = {
        "user": [*np.repeat(np.arange(10), 6), *range(10, 110)],
        "item": [*([0, 1, 2, 3, 4, 5] * 10), *([0] * 100)],
        "time": range(160),
    }
    sessions = data.Sessions.from_interactions(table, t=6)
    (said,) = remarks.on(sessions)
    assert said.startswith("note: of 160 interactions 60 are left")
    assert "fewer than 10 users" in said and "fewer than 5 items" in said
    # Sessions of another kind have no such counts.
    assert remarks.on(dataclasses.replace(sessions, meta={})) == []
