"""Events of a table become histories, by hand."""

import numpy as np
import pandas as pd
import pytest

from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.events import histories_of

FRAME = pd.DataFrame(
    {
        "user": ["u2", "u1", "u2", "u1"],
        "item": ["a", "b", "c", "a"],
        "time": [2, 1, 1, 0],
    }
)


def test_in_order_of_time():
    assert histories_of(FRAME) == (["u2", "u1"], [["c", "a"], ["a", "b"]])


def test_in_order_of_rows():
    """Where there is no column of times; events of one time stay in order."""
    expected = (["u2", "u1"], [["a", "c"], ["b", "a"]])
    assert histories_of(FRAME.drop(columns="time")) == expected
    assert histories_of(FRAME.assign(time=7)) == expected


def test_ids_keep_their_kind():
    table = {"user_id": [7, 3], "item_id": [1, 2], "ts": [0, 0]}
    users, histories = histories_of(table)
    assert (users, histories) == ([7, 3], [[1], [2]])
    assert type(users[0]) is type(histories[0][0]) is int


@pytest.mark.parametrize(
    "times", [["9", "10", "11"], ["x", 1, 2], [1.0, 2.0, np.inf]]
)
def test_times_that_have_no_order(times):
    table = {"user": [1, 1, 1], "item": [1, 2, 3], "time": times}
    with pytest.raises(DataError, match="times"):
        histories_of(pd.DataFrame(table))
