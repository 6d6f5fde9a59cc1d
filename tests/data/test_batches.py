"""Batches for training and evaluation: which rows, targets and weights."""

import dataclasses
import itertools

import numpy as np
import pytest

from nextitnet_tf import data
from nextitnet_tf.recipe import PROTOCOLS
from tests.checks import write_sessions
from tests.data.rows_by_hand import ROWS
from tests.data.rows_by_hand import many_sessions

RELEASE = PROTOCOLS["release"]
SKIPREC = PROTOCOLS["skiprec_release"]
CLEAN = PROTOCOLS["clean"]


@pytest.fixture
def sessions(tmp_path):
    return data.read_sessions(write_sessions(tmp_path / "s", ROWS))


def take(dataset, count):
    return [
        tuple(part.numpy() for part in batch)
        for batch in itertools.islice(dataset, count)
    ]


def test_training_batches_of_the_release(sessions):
    order = np.array([4, 0, 2, 1, 3])
    dataset = data.make_training_dataset(sessions, order, 2, RELEASE)
    # Two batches a pass: the fifth row is dropped. Never reshuffled.
    expected_rows = [[4, 0], [2, 1], [4, 0], [2, 1], [4, 0]]
    for (inputs, targets, weights), rows in zip(
        take(dataset, 5), expected_rows, strict=True
    ):
        assert inputs.tolist() == [ROWS[i][:-1] for i in rows]
        assert targets.tolist() == [ROWS[i][1:] for i in rows]
        # Padding counts.
        np.testing.assert_allclose(weights, np.full((2, 3), 1 / 6), rtol=1e-6)


def test_the_release_drops_a_last_batch_that_is_full(sessions):
    dataset = data.make_training_dataset(sessions, np.arange(4), 2, RELEASE)
    for inputs, _, _ in take(dataset, 3):
        assert inputs.tolist() == [ROWS[0][:-1], ROWS[1][:-1]]


def test_training_batches_of_the_clean_protocol(sessions):
    fixed = dataclasses.replace(CLEAN, reshuffle=False)
    dataset = data.make_training_dataset(sessions, np.arange(3), 2, fixed)
    first, second, third = take(dataset, 3)
    # Rows 0 and 1; targets (0, 2, 1) and (1, 2, 2): five that count.
    assert first[0].tolist() == [[0, 0, 2], [3, 1, 2]]
    assert first[1].tolist() == [[0, 2, 1], [1, 2, 2]]
    np.testing.assert_allclose(
        first[2], [[0, 0.2, 0.2], [0.2, 0.2, 0.2]], rtol=1e-6
    )
    # Row 2 and one that only fills the batch.
    assert second[0].shape == second[1].shape == (2, 3)
    assert second[0][0].tolist() == [0, 1, 3]
    assert second[1][0].tolist() == [1, 3, 1]
    np.testing.assert_allclose(
        second[2], [[1 / 3, 1 / 3, 1 / 3], [0, 0, 0]], rtol=1e-6
    )
    for part, again in zip(first, third, strict=True):
        np.testing.assert_array_equal(part, again)


def test_padding_of_the_release_numbering_can_be_masked(tmp_path):
    folder = write_sessions(tmp_path / "s", ROWS)
    sessions = data.read_sessions(folder, "first_appearance")
    masked = dataclasses.replace(RELEASE, count_padding=False)
    dataset = data.make_training_dataset(sessions, np.arange(3), 2, masked)
    ((_, targets, weights),) = take(dataset, 1)
    # Padding is id 1 here; id 0 never occurs.
    assert targets.tolist() == [[1, 2, 3], [3, 2, 2]]
    np.testing.assert_allclose(
        weights, [[0, 0.2, 0.2], [0.2, 0.2, 0.2]], rtol=1e-6
    )


def test_weights_sum_to_1(tmp_path):
    sessions = many_sessions(tmp_path)
    for protocol in (CLEAN, RELEASE):
        dataset = data.make_training_dataset(
            sessions, np.arange(70), 32, protocol
        )
        for inputs, targets, weights in take(dataset, 7):
            assert weights.sum() == pytest.approx(1, rel=1e-5)
            assert inputs.dtype == targets.dtype == np.int32
            assert weights.dtype == np.float32


def read_pass(sessions, dataset, num_batches):
    """The rows of each pass, as whole rows, fillers left out."""
    found = []
    for inputs, targets, weights in take(dataset, num_batches):
        real = weights.sum(axis=1) > 0
        rows = np.concatenate([inputs, targets[:, -1:]], axis=1)[real]
        found += rows.tolist()
    return found


def test_each_pass_has_an_order_of_its_own(tmp_path):
    sessions = many_sessions(tmp_path)
    numbers = np.arange(40, 70)

    def passes(seed):
        dataset = data.make_training_dataset(
            sessions, numbers, 8, CLEAN, seed=seed
        )
        rows = read_pass(sessions, dataset, 12)  # 4 batches a pass
        return rows[:30], rows[30:60], rows[60:]

    first, second, third = passes(seed=1)
    everything = sorted(sessions.rows[numbers].tolist())
    for one in (first, second, third):
        assert sorted(one) == everything
    assert first != second != third != first
    assert passes(seed=1) == (first, second, third)
    assert passes(seed=2)[0] != first
    assert first != sessions.rows[numbers].tolist()


def test_iterating_again_begins_again(tmp_path):
    sessions = many_sessions(tmp_path)
    dataset = data.make_training_dataset(
        sessions, np.arange(30), 8, CLEAN, seed=1
    )
    first, again = take(dataset, 4), take(dataset, 4)
    np.testing.assert_array_equal(first[0][0], again[0][0])


def test_no_protocol_line_changes_another(tmp_path):
    """Reshuffling under the release's batches: the last batch is dropped."""
    sessions = many_sessions(tmp_path)
    mixed = dataclasses.replace(RELEASE, reshuffle=True)
    dataset = data.make_training_dataset(sessions, np.arange(20), 8, mixed)
    rows = read_pass(sessions, dataset, 4)
    assert len(rows) == 32  # two batches a pass
    assert rows[:16] != rows[16:]


# --- evaluation batches ---------------------------------------------------


def test_evaluation_batches_of_the_release(sessions):
    dataset, count = data.make_evaluation_dataset(
        sessions, np.array([4, 0, 2, 1, 3]), 2, RELEASE
    )
    batches = take(dataset, 10)
    assert (len(batches), count) == (2, 4)
    assert int(dataset.cardinality()) == 2
    for (inputs, targets, weights), rows in zip(
        batches, [[4, 0], [2, 1]], strict=True
    ):
        assert inputs.tolist() == [ROWS[i][:-1] for i in rows]
        assert targets.tolist() == [ROWS[i][-1] for i in rows]
        assert weights.tolist() == [1, 1]
    # Dropped even when it is full.
    dataset, count = data.make_evaluation_dataset(
        sessions, np.arange(4), 2, RELEASE
    )
    assert (len(take(dataset, 10)), count) == (1, 2)


def test_evaluation_batches_of_the_clean_protocol(sessions):
    dataset, count = data.make_evaluation_dataset(
        sessions, np.arange(5), 3, CLEAN
    )
    first, second = take(dataset, 10)
    assert count == 5
    assert int(dataset.cardinality()) == 2
    assert first[0].tolist() == [[0, 0, 2], [3, 1, 2], [0, 1, 3]]
    assert first[1].tolist() == [1, 2, 1]
    assert first[2].tolist() == [1, 1, 1]
    assert second[0][:2].tolist() == [[2, 2, 2], [1, 2, 1]]
    assert second[1][:2].tolist() == [4, 3]
    assert second[2].tolist() == [1, 1, 0]
    assert second[0].shape == (3, 3)
    # A set smaller than a batch.
    dataset, count = data.make_evaluation_dataset(
        sessions, np.array([2]), 4, CLEAN
    )
    ((inputs, _, weights),) = take(dataset, 10)
    assert count == 1
    assert inputs.shape == (4, 3)
    assert weights.tolist() == [1, 0, 0, 0]
    # Full batches only: nothing to fill.
    dataset, count = data.make_evaluation_dataset(
        sessions, np.arange(4), 2, CLEAN
    )
    assert (len(take(dataset, 10)), count) == (2, 4)


@pytest.mark.parametrize(
    ("num_rows", "batch_size", "of_release", "of_skiprec", "of_clean"),
    [
        (3, 2, 1, 1, 2),
        (4, 2, 1, 2, 2),
        (5, 2, 2, 2, 3),
        (257, 256, 1, 1, 2),
        (1_168_740, 256, 4565, 4565, 4566),
        (292_184, 256, 1141, 1141, 1142),
    ],
)
def test_number_of_batches(
    num_rows, batch_size, of_release, of_skiprec, of_clean
):
    assert data.num_batches(num_rows, batch_size, RELEASE) == of_release
    assert data.num_batches(num_rows, batch_size, SKIPREC) == of_skiprec
    assert data.num_batches(num_rows, batch_size, CLEAN) == of_clean


@pytest.mark.parametrize("num_rows", [1, 7, 8])
def test_too_few_rows_for_a_batch_of_the_release(sessions, num_rows):
    with pytest.raises(ValueError, match=f"num_rows={num_rows}"):
        data.num_batches(num_rows, 8, RELEASE)
    with pytest.raises(ValueError, match="drops the last batch"):
        data.make_training_dataset(sessions, np.arange(5), 8, RELEASE)
    # A batch that is exactly full counts in SkipRec's.
    assert data.num_batches(8, 8, SKIPREC) == 1
    with pytest.raises(ValueError, match="8 rows or more.*num_rows=7"):
        data.num_batches(7, 8, SKIPREC)
