"""What came before a time trains, what comes after it tests."""

import dataclasses
import shutil

import numpy as np
import pytest

from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.data import temporal
from nextitnet_tf.preparation import interactions
from nextitnet_tf.protocol import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage

TEMPORAL = PROTOCOLS["temporal"]
# 2020-01-01 and days later, in seconds.
DAY, START = 86_400, 1_577_836_800


def parts(times, first, second):
    found = temporal.rows_by_time(np.array(times, "float64"), first, second)
    return [part.tolist() for part in found]


def test_times_as_numbers():
    times = [30, 10, 20, 40, 20]
    assert parts(times, "20", "35") == [[1], [0, 2, 4], [3]]
    # What happens at a time is not over before it.
    assert parts(times, "10", "40") == [[], [0, 1, 2, 4], [3]]


def test_shares_of_the_rows():
    times = [100 * i for i in range(1, 11)]
    assert parts(times, "0.8", "0.9") == [list(range(8)), [8], [9]]
    assert parts(times, "0.5", "1000") == [[0, 1, 2, 3, 4], [5, 6, 7, 8], [9]]


@pytest.mark.parametrize("unit", [1, 1000])
def test_dates_in_seconds_and_milliseconds(unit):
    times = [unit * (START + day * DAY) for day in (0, 1, 1.5, 2, 9)]
    found = parts(times, "2020-01-02", "2020-01-03")
    assert found == [[0], [1, 2], [3, 4]]
    found = parts(times, "2020-01-02T13:00", "2020-01-10")
    assert found == [[0, 1, 2], [3], [4]]


@pytest.mark.parametrize(
    ("times", "first", "second", "message"),
    [
        (None, "0.8", "0.9", "a timestamp column, and no order"),
        ([1.0, 2.0], "soon", "0.9", "'soon'"),
        ([1.0, 2.0], "2", "2", "train_until=2, validate_until=2"),
        ([1.0, 2.0], "0.9", "0.1", "validate_until=0.1"),
    ],
)
def test_what_is_no_time(times, first, second, message):
    times = None if times is None else np.array(times)
    with pytest.raises(ValueError, match=message):
        temporal.rows_by_time(times, first, second)


def prepare(folder, **columns):
    """A hundred users with three items each, a day apart, a user a day."""
    users = np.repeat(np.arange(100), 3)
    places = np.tile(np.arange(3), 100)
    table = {"user": users, "item": (users + places) % 7, **columns}
    return interactions.prepare_interactions(
        table,
        folder,
        t=4,
        min_users_per_item=0,
        min_items_per_user=0,
        min_length=1,
    )


TIMES = START + DAY * (np.repeat(np.arange(100), 3) + np.tile([0, 1, 2], 100))


def test_preparing_keeps_the_time_of_the_latest_item(tmp_path):
    sessions = data.read_sessions(prepare(tmp_path / "s", timestamp=TIMES))
    expected = START + DAY * (np.arange(100) + 2.0)
    np.testing.assert_array_equal(sessions.times, expected)
    # An order tells nothing of other users; dates become seconds.
    order = data.read_sessions(prepare(tmp_path / "o", order=TIMES))
    assert order.times is None
    dates = TIMES.astype("datetime64[s]")
    dated = data.read_sessions(prepare(tmp_path / "d", timestamp=dates))
    np.testing.assert_array_equal(dated.times, expected)


def test_the_split(tmp_path):
    sessions = data.read_sessions(prepare(tmp_path / "s", timestamp=TIMES))
    protocol = dataclasses.replace(
        TEMPORAL, train_until="2020-02-20", validate_until="2020-03-01"
    )
    found = data.split(sessions, protocol)
    # Row k ends on day k + 2; 2020-02-20 is day 50, 2020-03-01 day 60.
    assert sorted(found.train) == list(range(48))
    assert found.validation.tolist() == list(range(48, 58))
    assert found.test.tolist() == list(range(58, 100))
    half = data.split(sessions, protocol, 0.5)
    assert half.train.tolist() == found.train[:24].tolist()
    with pytest.raises(ValueError, match="none is left for the test set"):
        data.split(
            sessions,
            dataclasses.replace(protocol, validate_until="2030-01-01"),
        )


def test_a_run_is_named_by_its_times(tmp_path):
    sessions = data.read_sessions(prepare(tmp_path / "s", timestamp=TIMES))
    later = data.read_sessions(prepare(tmp_path / "l", timestamp=TIMES + 1))
    assert later.fingerprint == sessions.fingerprint
    for protocol, is_same in ((TEMPORAL, False), (PROTOCOLS["clean"], True)):
        names = {s.fingerprint_for(protocol) for s in (sessions, later)}
        assert len(names) == (1 if is_same else 2)
    recipe = Recipe(
        (Stage(1, max_steps=2, eval_every=1),),
        protocol=TEMPORAL,
        batch_size=16,
        model_config={"embedding_dim": 4},
    )
    (run,) = training.run(
        recipe, sessions, tmp_path, jit_compile=False, verbose=0
    )
    assert run.summary["num_train_rows"] == 80
    assert run.summary["num_sessions"] == 10
    assert training.read_run(recipe, sessions, tmp_path) is not None
    assert training.read_run(recipe, later, tmp_path) is None


@pytest.mark.parametrize(
    "times", [np.zeros(3), np.full(100, np.nan), np.zeros(100, "int64")]
)
def test_damaged_times_are_refused(tmp_path, times):
    folder = prepare(tmp_path / "s", timestamp=TIMES)
    (folder / "meta.json").write_text(
        (folder / "meta.json").read_text().replace('"files"', '"no_files"')
    )
    np.save(folder / "times.npy", times)
    with pytest.raises(ValueError, match=r"times\.npy"):
        data.read_sessions(folder)


def test_times_that_are_missing_or_changed(tmp_path):
    folder = prepare(tmp_path / "s", timestamp=TIMES)
    copy = shutil.copytree(folder, tmp_path / "c")
    (copy / "times.npy").unlink()
    with pytest.raises(ValueError, match=r"times\.npy, which is listed but"):
        data.read_sessions(copy)
    np.save(folder / "times.npy", np.zeros(100))
    with pytest.raises(ValueError, match=r"times\.npy"):
        data.read_sessions(folder)
