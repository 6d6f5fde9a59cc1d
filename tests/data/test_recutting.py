"""Sessions cut at other places: nothing is lost, nothing invented."""

import dataclasses

import numpy as np
import pytest

from nextitnet_tf import data
from nextitnet_tf.data.recutting import Pieces
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.vocabulary import Vocabulary


def make_sessions(rows, users):
    rows = np.array(rows, "int32")
    num_items = int(rows.max())
    counts = np.bincount(rows.ravel(), minlength=num_items + 1)
    vocabulary = Vocabulary(
        [None, *range(1, num_items + 1)], [0, *counts[1:].tolist()], 0, 3
    )
    return data.Sessions(rows, np.array(users, "int32"), vocabulary, {})


# User 0 has 1..10, the oldest two in a short row; user 1 has 11..14; user 2
# two rows that do not follow each other, since the second begins anew.
ROWS = [
    [0, 0, 1, 2],
    [3, 4, 5, 6],
    [7, 8, 9, 10],
    [11, 12, 13, 14],
    [15, 16, 17, 18],
    [0, 0, 19, 20],
]
USERS = [0, 0, 0, 1, 2, 2]


def test_the_pieces():
    pieces = Pieces.of(make_sessions(ROWS, USERS), np.arange(6)[::-1])
    assert pieces.items.tolist() == list(range(1, 21))
    assert pieces.ends.tolist() == [10, 14, 18, 20]
    assert pieces.users.tolist() == [0, 1, 2, 2]
    # A row that is not in the training set parts what it lay between.
    pieces = Pieces.of(make_sessions(ROWS, USERS), np.array([0, 2, 3]))
    assert pieces.ends.tolist() == [2, 6, 10]
    assert pieces.users.tolist() == [0, 0, 1]


class Fixed:
    """Leaves out the same number of latest items everywhere."""

    def __init__(self, left_out):
        self.left_out = left_out

    def integers(self, low, high, size):
        assert (low, high) == (0, 3)
        return np.full(size, self.left_out)


def test_the_rows_of_a_cut():
    pieces = Pieces.of(make_sessions(ROWS, USERS), np.arange(6))
    rows, users = pieces.cut(Fixed(0))
    assert rows.tolist() == [
        *([7, 8, 9, 10], [4, 5, 6, 7], [1, 2, 3, 4]),
        [11, 12, 13, 14],
        [15, 16, 17, 18],
        [0, 0, 19, 20],
    ]
    assert users.tolist() == [0, 0, 0, 1, 2, 2]
    # Pieces of a single row stay as they are.
    rows, _ = pieces.cut(Fixed(1))
    assert rows.tolist() == [
        *([6, 7, 8, 9], [3, 4, 5, 6], [0, 1, 2, 3]),
        [11, 12, 13, 14],
        [15, 16, 17, 18],
        [0, 0, 19, 20],
    ]


def test_each_item_is_predicted_once():
    generator = np.random.default_rng(0)
    pieces = Pieces.of(make_sessions(ROWS, USERS), np.arange(6))
    for _ in range(20):
        rows, _ = pieces.cut(generator)
        targets = rows[:, 1:][rows[:, 1:] > 0]
        first = {11, 15, 19}
        # Of user 0 the latest by chance, and always the first, are no target.
        assert len(set(targets.tolist())) == len(targets)
        assert set(range(12, 21)) - first <= set(targets.tolist())
        for row in rows:
            items = row[row > 0]
            assert (np.diff(items) == 1).all() and len(items) > 1


def test_a_pass_is_a_function_of_its_number():
    sessions = make_sessions(ROWS * 1, USERS)
    protocol = dataclasses.replace(PROTOCOLS["clean"], recut=True)

    def batches(first_step, count):
        dataset = data.make_training_dataset(
            sessions, np.arange(6), 4, protocol, seed=3, first_step=first_step
        )
        return [x.numpy() for x, _, _ in dataset.take(count)]

    whole = batches(0, 6)
    for step in (1, 3, 5):
        np.testing.assert_array_equal(batches(step, 1)[0], whole[step])
    assert not np.array_equal(np.sort(whole[0]), np.sort(whole[2]))


def test_cutting_anew_needs_a_new_order():
    with pytest.raises(ValueError, match="recut=True, reshuffle=False"):
        dataclasses.replace(PROTOCOLS["release"], recut=True)
