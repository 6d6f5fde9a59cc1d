"""Sessions as they were known at a time, and what occurs together."""

import dataclasses

import numpy as np
import pytest

from nextitnet_tf import data
from nextitnet_tf.data.sessions import Sessions
from nextitnet_tf.vocabulary import Vocabulary


def by_hand():
    """Items a to e; e and d are of later times."""
    rows = [
        [0, 0, 3, 2],  # 1: c b
        [0, 2, 3, 2],  # 2: b c b
        [0, 1, 4, 2],  # 3: a d b
        [5, 1, 5, 1],  # 4: e a e a
        [0, 0, 1, 5],  # 5: a e
    ]
    return Sessions(
        np.int32(rows),
        np.arange(5, dtype="int32"),
        Vocabulary([None, *"abcde"], [0, 4, 4, 2, 1, 3], 0, 3),
        {},
        np.float64([1, 2, 3, 4, 5]),
    )


def test_what_was_known_before_the_third_row():
    found = data.as_of(by_hand(), known_until=3)
    # b three times, c twice; a, d, e not yet.
    assert found.vocabulary.raw_ids == [None, "b", "c"]
    assert found.vocabulary.counts == [0, 3, 2]
    # Of the third row one item would be left; the others end with unknown.
    np.testing.assert_array_equal(found.rows, [[0, 0, 2, 1], [0, 1, 2, 1]])
    np.testing.assert_array_equal(found.users, [0, 1])
    np.testing.assert_array_equal(found.times, [1, 2])


def test_a_period():
    found = data.as_of(by_hand(), known_until=4, since=3, until=5)
    # b 4, c 2, a 1, d 1; ties as before.
    assert found.vocabulary.raw_ids == [None, "b", "c", "a", "d"]
    # e is left out, and what is left goes to the right.
    np.testing.assert_array_equal(found.rows, [[0, 3, 4, 1], [0, 0, 3, 3]])
    np.testing.assert_array_equal(found.users, [2, 3])
    assert found.vocabulary.history_length == 3


def test_the_whole_is_the_whole():
    everything = by_hand()
    found = data.as_of(everything, known_until=6)
    assert found.vocabulary.raw_ids == [None, *"abecd"]
    raw = [
        [known[i] for i in row]
        for row, known in (
            (row, s.vocabulary.raw_ids)
            for s in (found, everything)
            for row in s.rows
        )
    ]
    assert raw[:5] == raw[5:]


def test_what_cannot_be_told():
    with pytest.raises(ValueError, match="known_until=1, the earliest is of 1"):
        data.as_of(by_hand(), known_until=1)
    timeless = dataclasses.replace(by_hand(), times=None)
    with pytest.raises(ValueError, match="times unknown"):
        data.as_of(timeless, known_until=3)


def test_co_occurrences_by_hand():
    rows = by_hand().rows
    assert data.co_occurrences(rows, [3, 5, 9], padding_id=0) == {
        3: {2: 2},
        5: {1: 2},
    }
    # Where another id is padding, 0 is an item.
    found = data.co_occurrences(rows[:1], [3], padding_id=2)
    assert found == {3: {0: 1}}
    assert data.co_occurrences(rows[:0], [3], padding_id=0) == {}
