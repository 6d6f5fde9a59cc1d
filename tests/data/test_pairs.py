"""Pairs of two domains, by hand."""

import numpy as np
import pytest

from nextitnet_tf import data
from nextitnet_tf.data import pairs as of_pairs
from nextitnet_tf.recipe import FINE_TUNINGS
from tests.data.domains import make_sessions
from tests.data.domains import many_pairs

CLEAN, RELEASE = FINE_TUNINGS["clean"], FINE_TUNINGS["release"]


def test_source_items_by_the_numbers_of_pre_training(csv):
    """99 is unknown, 0 is padding; T is 3; targets by falling frequency."""
    path = csv("10,30,20,30,,A7,x\n0,99,20,10,,x\n0,0,0,30,,b.c,x,A7\n")
    pairs = data.read_pairs(path, make_sessions(), CLEAN)
    assert pairs.histories.tolist() == [
        *([1, 3, 1], [1, 3, 1]),
        [0, 3, 2],
        *([0, 0, 1], [0, 0, 1], [0, 0, 1]),
    ]
    # x thrice, A7 twice, b.c once.
    assert pairs.vocabulary.raw_ids == [None, "x", "A7", "b.c"]
    assert pairs.vocabulary.counts == [0, 3, 2, 1]
    assert pairs.targets.tolist() == [2, 1, 1, 3, 1, 2]
    assert pairs.users.tolist() == [0, 0, 1, 2, 2, 2]
    assert pairs.source_vocabulary.raw_ids == [None, 30, 10, 20]
    counted = {
        "num_source_items": 4,
        "num_unknown_source_items": 1,
        "num_pairs_left_out": 0,
        "num_pairs": 6,
        "num_users": 3,
        "num_items": 3,
    }
    assert {name: pairs.meta[name] for name in counted} == counted


def test_what_is_no_pair_is_left_out(csv):
    """A target 0, and a history that the model knows nothing of."""
    path = csv("10,30,,8,0,7\n77,99,,7\n0,20,,7\n")
    pairs = data.read_pairs(path, make_sessions(), CLEAN)
    assert pairs.users.tolist() == [0, 0, 2]
    assert pairs.vocabulary.raw_ids == [None, 7, 8]
    assert pairs.targets.tolist() == [2, 1, 1]
    assert pairs.meta["num_pairs_left_out"] == 2


def test_source_items_by_the_numbers_of_the_file(csv):
    """As the release: by first appearance, 0 a word, short rows right."""
    sessions = make_sessions(raw_ids=(None, "a", "b", "c", "d"))
    path = csv("0,20,10,,7,8\n10,20,,8\n")
    pairs = data.read_pairs(path, sessions, RELEASE)
    assert pairs.histories.tolist() == [[1, 2, 3], [1, 2, 3], [3, 2, 0]]
    assert pairs.targets.tolist() == [1, 2, 2]
    assert pairs.vocabulary.raw_ids == [None, 7, 8]
    vocabulary = pairs.source_vocabulary
    assert vocabulary.raw_ids == [None, None, 20, 10]
    assert (vocabulary.padding_id, vocabulary.history_length) == (1, 3)
    assert pairs.meta["num_source_items_by_their_number"] == 0


@pytest.mark.parametrize(
    ("text", "tuning", "message"),
    [
        ("1,2,3,4,5,,7\n", RELEASE, "no more source items than .* 6 in"),
        ("1,2,,7\n", CLEAN, "none of whose 2 is known"),
        ("1,2,7\n", CLEAN, "line 1"),
    ],
)
def test_files_that_cannot_be_used(csv, text, tuning, message):
    with pytest.raises(ValueError, match=message):
        data.read_pairs(csv(text), make_sessions(), tuning)


def test_no_user_is_in_two_parts(csv):
    pairs = many_pairs(csv)
    parts = data.split_pairs(pairs, CLEAN)
    users = [
        set(pairs.users[numbers])
        for numbers in (parts.train, parts.validation, parts.test)
    ]
    assert [len(u) for u in users] == [40, 5, 5]
    assert not users[0] & users[1] | users[0] & users[2] | users[1] & users[2]


def test_the_release_splits_pairs(csv):
    pairs = many_pairs(csv)
    parts = data.split_pairs(pairs, RELEASE)
    order = np.random.RandomState(10).permutation(100)
    np.testing.assert_array_equal(parts.train, order[:80])
    np.testing.assert_array_equal(parts.test, order[80:])
    np.testing.assert_array_equal(parts.validation, order[80:])


def test_users_on_two_sides_are_no_split(csv, monkeypatch):
    """Whoever divides them, nobody is tested on training."""
    loaded = data.read_pairs(
        csv("10,30,20,30,,A7,x\n" * 4), make_sessions(), CLEAN
    )
    parts = data.Split(np.array([0, 2]), np.array([4]), np.array([1]))
    monkeypatch.setattr(of_pairs, "split_users", lambda users: parts)
    with pytest.raises(RuntimeError, match="train and test without users"):
        data.split_pairs(loaded, CLEAN)
