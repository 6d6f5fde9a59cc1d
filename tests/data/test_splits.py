"""Which rows are for training, validation and test; nested fractions."""

import dataclasses
import itertools

import numpy as np
import pytest

from nextitnet_tf import data
from nextitnet_tf.data import splits
from nextitnet_tf.recipe import PROTOCOLS
from tests.data.rows_by_hand import many_sessions

RELEASE = PROTOCOLS["release"]
CLEAN = PROTOCOLS["clean"]


def test_split_by_rows_reports_where_it_stops(tmp_path):
    sessions = many_sessions(tmp_path)
    parts = data.split(sessions, RELEASE, 0.4)
    np.testing.assert_array_equal(parts.validation, parts.test)
    assert len(parts.test) == 60
    assert len(parts.train) == 48 + 48  # int(0.2 * 240), then 192 / 4
    assert not set(parts.train) & set(parts.test)


def test_split_by_rows_is_the_releases(tmp_path):
    sessions = many_sessions(tmp_path, num_rows=10, num_users=10)
    parts = data.split(sessions, RELEASE)
    # np.random.seed(10); permutation(10).
    assert parts.train.tolist() == [8, 2, 5, 6, 3, 1, 0, 7]
    assert parts.test.tolist() == [4, 9]


def test_split_by_rows_with_prefixes(tmp_path):
    sessions = many_sessions(tmp_path, num_rows=10, num_users=10)
    protocol = dataclasses.replace(CLEAN, split="rows")
    assert data.split(sessions, protocol, 0.5).train.tolist() == [8, 2, 5, 6]


# np.random.seed(1234); permutation(20).
OF_SKIPREC = [
    3,
    13,
    2,
    16,
    14,
    5,
    4,
    0,
    8,
    18,
    17,
    11,
    10,
    9,
    7,
    1,
    19,
    12,
    6,
    15,
]


def test_split_of_skiprec_s_release(tmp_path):
    """90/10; early stopping looks at the test."""
    sessions = many_sessions(tmp_path, num_rows=20, num_users=20)
    parts = data.split(sessions, PROTOCOLS["skiprec_release"])
    assert parts.train.tolist() == OF_SKIPREC[:18]
    assert parts.validation.tolist() == parts.test.tolist() == OF_SKIPREC[18:]


def test_split_of_skiprec_s_paper(tmp_path):
    """80/5/15: of 20 rows 16, 1 and 3; of 30 rows int(1.5) validate."""
    sessions = many_sessions(tmp_path, num_rows=20, num_users=20)
    protocol = PROTOCOLS["skiprec_paper"]
    parts = data.split(sessions, protocol)
    assert parts.train.tolist() == OF_SKIPREC[:16]
    assert parts.validation.tolist() == OF_SKIPREC[16:17]
    assert parts.test.tolist() == OF_SKIPREC[17:]
    # A fraction is of the rows to train on; nothing else depends on it.
    half = data.split(sessions, protocol, 0.5)
    assert half.train.tolist() == OF_SKIPREC[:8]
    assert half.validation.tolist() == OF_SKIPREC[16:17]
    sessions = many_sessions(tmp_path / "n", num_rows=30, num_users=30)
    parts = data.split(sessions, protocol)
    sizes = [len(parts.train), len(parts.validation), len(parts.test)]
    assert sizes == [25, 1, 4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_share": 0.0}, "test_share=0.0"),
        ({"validation_share": -0.1}, "validation_share=-0.1"),
        ({"test_share": 0.5, "validation_share": 0.5}, "below 1"),
        ({"split_seed": -1}, "split_seed=-1"),
        ({"split": "users"}, "expected split='rows'.*split_seed=1234"),
    ],
)
def test_shares_that_are_none(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PROTOCOLS["skiprec_release"], **changes)


def test_split_by_users(tmp_path):
    sessions = many_sessions(tmp_path)  # 100 users of 3 rows each
    parts = data.split(sessions, CLEAN)
    users = [
        set(sessions.users[rows].tolist())
        for rows in (parts.train, parts.validation, parts.test)
    ]
    assert [len(group) for group in users] == [80, 10, 10]
    for one, other in itertools.combinations(users, 2):
        assert not one & other
    everything = np.concatenate([parts.train, parts.validation, parts.test])
    assert sorted(everything.tolist()) == list(range(300))


@pytest.mark.parametrize("by", ["users", "rows"])
def test_fractions_of_the_clean_protocol_are_nested(tmp_path, by):
    sessions = many_sessions(tmp_path)
    protocol = dataclasses.replace(CLEAN, split=by)
    whole = data.split(sessions, protocol).train.tolist()
    for ratio in (0.1, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0):
        parts = data.split(sessions, protocol, ratio)
        expected = round(ratio * 240)
        assert parts.train.tolist() == whole[:expected]
        # Only the training set depends on the ratio.
        full = data.split(sessions, protocol)
        np.testing.assert_array_equal(parts.test, full.test)
        np.testing.assert_array_equal(parts.validation, full.validation)
    assert whole != sorted(whole)


def test_a_users_split_with_the_nesting_of_the_release(tmp_path):
    """One departure alone; 24 rows to train, whose draws are on record."""
    sessions = many_sessions(tmp_path, num_rows=30, num_users=30)
    protocol = dataclasses.replace(RELEASE, split="users")
    whole = data.split(sessions, protocol).train
    assert len(whole) == 24
    drawn = [18, 1, 13, 15, 22, 0, 7, 17, 19]
    found = data.split(sessions, protocol, 0.4).train
    np.testing.assert_array_equal(found, whole[drawn])


def test_too_few_sessions_to_split(tmp_path):
    sessions = many_sessions(tmp_path, num_rows=4, num_users=4)
    with pytest.raises(ValueError, match="Too few sessions.*4 rows"):
        data.split(sessions, CLEAN)
    with pytest.raises(ValueError, match="Too few sessions.*validation set"):
        data.split(sessions, RELEASE)
    sessions = many_sessions(tmp_path / "n", num_rows=20, num_users=20)
    with pytest.raises(ValueError, match="Too few sessions.*train set"):
        data.split(sessions, CLEAN, 0.01)


# --- what is asserted at the start of every run ---------------------------


@pytest.mark.parametrize(
    ("protocol", "changes", "message"),
    [
        ("release", {"test": [0]}, "train and test without rows"),
        ("clean", {"validation": [0]}, "train and validation without rows"),
        # The fourth row is another one of the first's user.
        ("clean", {"test": [3]}, "train and test without users"),
        ("clean", {"test": [9]}, "rows 0 to 8. Received: test from 9 to 9"),
    ],
)
def test_sides_that_share(tmp_path, protocol, changes, message):
    sessions = many_sessions(tmp_path, num_rows=9, num_users=3)
    sessions = dataclasses.replace(sessions, users=np.arange(9) % 3)
    parts = data.Split(np.array([0]), np.array([1]), np.array([2]), sessions)
    splits.check_disjoint(parts, PROTOCOLS[protocol])
    parts = dataclasses.replace(
        parts, **{name: np.array(rows) for name, rows in changes.items()}
    )
    with pytest.raises(RuntimeError, match=message):
        splits.check_disjoint(parts, PROTOCOLS[protocol])


def test_every_split_is_looked_at(tmp_path, monkeypatch):
    sessions = many_sessions(tmp_path, num_rows=9, num_users=3)
    leaking = data.Split(np.array([0, 1]), np.array([2]), np.array([1]))
    monkeypatch.setattr(splits, "split_users", lambda users: leaking)
    with pytest.raises(RuntimeError, match="train and test without rows"):
        data.split(sessions, CLEAN)
