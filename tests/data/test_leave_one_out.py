"""The last item tests, the last but one validates, the others train."""

import dataclasses

import numpy as np

from nextitnet_tf import data
from nextitnet_tf.data import leave_one_out
from nextitnet_tf.recipe import PROTOCOLS
from tests.data.test_recutting import make_sessions

# User 0 has 1..6 in two rows, user 1 has 7, 8, 9, user 2 has 10, 11.
ROWS = [[0, 0, 1, 2], [3, 4, 5, 6], [0, 7, 8, 9], [0, 0, 10, 11]]
USERS = [0, 0, 1, 2]


def test_three_histories_a_user():
    sessions, is_long = leave_one_out.rows_of_users(make_sessions(ROWS, USERS))
    assert is_long.tolist() == [True, True, False]
    assert sessions.rows.tolist() == [
        *([1, 2, 3, 4], [0, 0, 0, 7], [0, 0, 0, 0]),
        *([2, 3, 4, 5], [0, 0, 7, 8], [0, 0, 0, 10]),
        *([3, 4, 5, 6], [0, 7, 8, 9], [0, 0, 10, 11]),
    ]
    assert sessions.users.tolist() == [0, 1, 2] * 3


def test_the_split():
    sessions = make_sessions(ROWS, USERS)
    parts = data.split(sessions, PROTOCOLS["leave_one_out"])
    histories = {
        name: parts.rows.rows[getattr(parts, name)].tolist()
        for name in ("train", "validation", "test")
    }
    # One item is nothing to learn from; two are nothing to evaluate.
    assert histories == {
        "train": [[1, 2, 3, 4]],
        "validation": [[2, 3, 4, 5], [0, 0, 7, 8]],
        "test": [[3, 4, 5, 6], [0, 7, 8, 9]],
    }
    # No target of validation or test is trained on, at any position.
    for name in ("validation", "test"):
        targets = {row[-1] for row in histories[name]}
        trained = {i for row in histories["train"] for i in row}
        assert not targets & trained


def test_order_of_the_rows_in_the_folder_does_not_matter():
    order = [1, 3, 0, 2]
    moved = make_sessions(
        [ROWS[i] for i in (2, 0, 1, 3)], [USERS[i] for i in (2, 0, 1, 3)]
    )
    assert order != sorted(order)
    found, _ = leave_one_out.rows_of_users(moved)
    expected, _ = leave_one_out.rows_of_users(make_sessions(ROWS, USERS))
    np.testing.assert_array_equal(found.rows, expected.rows)


def test_other_splits_are_of_the_sessions_themselves():
    sessions = make_sessions(ROWS * 5, list(range(20)))
    for split in ("rows", "users"):
        protocol = dataclasses.replace(PROTOCOLS["clean"], split=split)
        assert data.split(sessions, protocol).rows is sessions


def test_times_are_those_of_other_rows():
    """A joined row's is not known, and no other's is taken for it."""
    times = np.arange(4.0)
    sessions = dataclasses.replace(make_sessions(ROWS, USERS), times=times)
    protocol = PROTOCOLS["leave_one_out"]
    parts = data.split(sessions, protocol)
    assert parts.first_time_of_evaluation is None
    for name, expected in (("validation", [0, 1]), ("test", [0, 1])):
        found = data.part(sessions, name, protocol)
        assert found.users.tolist() == expected and found.times is None
