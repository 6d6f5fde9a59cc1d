"""Sessions of a table in memory are those of the same table in a file."""

import numpy as np
import pandas as pd
import pytest

from nextitnet_tf import data
from nextitnet_tf.data import Sessions
from nextitnet_tf.preparation import DataError
from nextitnet_tf.preparation import prepare

FRAME = pd.DataFrame(
    {
        "user": ["eve", "bob", "eve", "eve", "bob"],
        "item": ["x", "y", "y", "x", "x"],
        "timestamp": [3.0, 1.0, 2.0, 9.0, 8.0],
    }
)
SMALL = {
    **{"t": 4, "min_users_per_item": 1, "min_items_per_user": 1},
    "min_length": 1,
}


def test_by_hand():
    found = Sessions.from_interactions(FRAME, **SMALL)
    # bob: y, x; eve: y, x, x. x is item 1.
    assert found.rows.tolist() == [[0, 0, 2, 1], [0, 2, 1, 1]]
    assert found.rows.dtype == np.int32 and found.users.tolist() == [0, 1]
    assert found.times.tolist() == [8, 9]
    assert list(found.vocabulary.raw_ids) == [None, "x", "y"]
    assert found.vocabulary.history_length == 3


def test_as_from_a_file(tmp_path):
    FRAME.to_csv(tmp_path / "my.csv", index=False)
    folder = prepare(tmp_path / "my.csv", tmp_path / "s", **SMALL)
    for item_ids in ("frequency", "first_appearance"):
        of_file = data.read_sessions(folder, item_ids)
        found = Sessions.from_interactions(FRAME, item_ids=item_ids, **SMALL)
        assert found.fingerprint == of_file.fingerprint
        assert found.num_items == of_file.num_items
        assert found.meta["counts"] == of_file.meta["counts"]


def test_other_names_and_kinds_of_columns():
    expected = Sessions.from_interactions(FRAME, **SMALL)
    table = {
        "who": FRAME["user"].tolist(),
        "what": FRAME["item"].to_numpy(),
        "when": pd.to_datetime(FRAME["timestamp"], unit="s", utc=True),
    }
    found = Sessions.from_interactions(
        table, user="who", item="what", time="when", **SMALL
    )
    assert found.fingerprint == expected.fingerprint
    assert found.times.tolist() == expected.times.tolist()


def test_a_table_of_another_library():
    class Table:
        def to_pandas(self):
            return FRAME

    found = Sessions.from_interactions(Table(), **SMALL)
    assert found.num_items == 2


def test_rows_in_order():
    table = FRAME.drop(columns="timestamp")
    with pytest.raises(DataError, match="timestamp or an order column"):
        Sessions.from_interactions(table, **SMALL)
    found = Sessions.from_interactions(table, time=None, **SMALL)
    # eve: x, y, x; bob: y, x.
    assert found.rows.tolist() == [[0, 0, 2, 1], [0, 1, 2, 1]]
    assert found.times is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"user": "who"}, "'who'"),
        ({"t": 1}, "t >= 2"),
        ({"min_users_per_item": 9}, "to be left after step"),
        ({"columns": ["a"]}, "for a table in memory"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(DataError, match=message):
        Sessions.from_interactions(FRAME, **{**SMALL, **changes})


def test_an_empty_table():
    with pytest.raises(DataError, match="the table, empty"):
        Sessions.from_interactions(FRAME[:0], **SMALL)
    # Integers of which some were missing: "3.0" would be an id of its own.
    for role in ("user", "item"):
        table = FRAME.assign(**{role: [1.0, 2.0, 1.0, 1.0, 2.0]})
        with pytest.raises(DataError, match=f"{role} id that is an integer"):
            Sessions.from_interactions(table, **SMALL)
    with pytest.raises(DataError, match="no empty item"):
        Sessions.from_interactions(FRAME.assign(item=None), **SMALL)


def test_columns_that_numbers_name():
    """As pandas has them of a file without a header."""
    expected = Sessions.from_interactions(FRAME, **SMALL)
    table = FRAME.set_axis([0, 1, 2], axis=1)
    found = Sessions.from_interactions(table, user=0, item=1, time=2, **SMALL)
    assert found.fingerprint == expected.fingerprint
    found = Sessions.from_interactions(
        FRAME.set_axis(["user", "item", 7], axis=1), time=7, **SMALL
    )
    assert found.fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    ("table", "choices", "message"),
    [
        (None, {}, "Expected a table: a pandas.*Received: NoneType"),
        ([{"user": 1, "item": 2}], {}, "Expected a table.*Received: list"),
        ({1: [1], "1": [2]}, {}, "different names. Received: 1, '1'"),
        (FRAME, {"t": 8.0}, "a whole number. Received: t=8.0"),
        (FRAME, {"min_length": True}, "whole number. Received: min_length"),
        (FRAME, {"min_user_per_item": 3}, "Did you mean min_users_per_item"),
        (FRAME, {"x": 3}, "Expected choices among t, .*Received: x=3$"),
    ],
)
def test_tables_and_choices_that_are_none(table, choices, message):
    with pytest.raises(DataError, match=message):
        Sessions.from_interactions(table, **choices)


def test_most_of_a_table_does_not_go_without_a_word(caplog):
    """Two items of two users stay, 98 of one user each go."""
    table = {
        "user": [1, 2, 1, 2, *([1] * 6)],
        "item": ["a", "a", "b", "b", *"cdefgh"],
        "time": [*range(10)],
    }
    choices = {**SMALL, "min_users_per_item": 2}
    Sessions.from_interactions(table, **choices)
    (said,) = caplog.messages
    assert said.startswith("of 10 interactions 4 are left: items with fewer")
    assert "than 2 users go" in said and "min_users_per_item=1, min" in said
    caplog.clear()
    Sessions.from_interactions(table, **SMALL)
    assert not caplog.messages
    with pytest.raises(DataError, match="none of 10; min_users_per_item=1, "):
        Sessions.from_interactions(table, **{**SMALL, "min_users_per_item": 3})


def test_columns_that_nobody_wants():
    """Two of one name, as pandas.concat makes them; NumPy's integers."""
    other = pd.DataFrame({"x": range(5)})
    table = pd.concat([FRAME, other, other], axis=1)
    choices = {name: np.int64(value) for name, value in SMALL.items()}
    found = Sessions.from_interactions(table, **choices)
    expected = Sessions.from_interactions(FRAME, **SMALL)
    assert found.fingerprint == expected.fingerprint
    assert found.meta == expected.meta


def test_categories_of_which_some_do_not_occur():
    items = pd.Categorical(FRAME["item"], categories=["y", 1.5, "x"])
    found = Sessions.from_interactions(FRAME.assign(item=items), **SMALL)
    expected = Sessions.from_interactions(FRAME, **SMALL)
    assert found.fingerprint == expected.fingerprint
