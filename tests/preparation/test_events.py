"""Events of a table become histories, by hand."""

import datetime
import decimal
import uuid

import numpy as np
import pandas as pd
import pytest

from nextitnet_tf.data import Sessions
from nextitnet_tf.preparation import make_sessions
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


@pytest.mark.parametrize(
    "times",
    [
        ["2024-01-03", "2024-01-02 10:00", "2024-01-02", "2024-01-01"],
        [datetime.date(2024, 1, day) for day in (3, 2, 2, 1)],
        [
            datetime.datetime(2024, 1, day, tzinfo=datetime.UTC)
            for day in (3, 2, 2, 1)
        ],
    ],
)
def test_dates(times):
    assert histories_of(FRAME.assign(time=times)) == histories_of(FRAME)


@pytest.mark.parametrize(
    "times",
    [
        pd.Series(["2024-01-03", "2024-01-02", "2024-01-02", "2024-01-01"])
        .astype("category"),
        pd.Series([decimal.Decimal(n) for n in (2, 1, 1, 0)]),
        pd.Series([2, 1, 1, 0], dtype=object),
        # As floats they were all one.
        pd.Series([decimal.Decimal(17 * 10**17 + n) for n in (2, 1, 1, 0)]),
        # Nanoseconds apart.
        pd.Series([f"2024-01-01 00:00:00.{n:09d} UTC" for n in (2, 1, 1, 0)]),
    ],
)  # fmt: skip
def test_times_of_many_kinds(times):
    assert histories_of(FRAME.assign(time=times)) == histories_of(FRAME)


def test_times_of_arrow():
    pyarrow = pytest.importorskip("pyarrow")
    days = [datetime.date(2024, 1, day) for day in (3, 2, 2, 1)]
    zoned = [
        datetime.datetime(2024, 1, day, tzinfo=datetime.UTC)
        for day in (3, 2, 2, 1)
    ]
    for values, kind in (
        (days, pyarrow.date32()),
        (zoned, pyarrow.timestamp("us", "Europe/Paris")),
    ):
        times = pd.Series(values, dtype=pd.ArrowDtype(kind))
        found = histories_of(FRAME.assign(time=times))
        assert found == histories_of(FRAME)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2024-01-03", "soon", "2024-01-02", "x"], "row=1, 'soon'"),
        ([1, 2, "2024-01-03", 3], "all numbers or all dates"),
        ([1.0, 2.0, None, 3.0], "time of each event. Received: row=2"),
        ([1.0, 2.0, np.inf, 3.0], "finite times. Received: row=2"),
        ([2**64, 1, 2, 3], "within 64 bits"),
    ],
)
def test_the_time_that_is_none_is_named(times, message):
    with pytest.raises(DataError, match=message):
        histories_of(FRAME.assign(time=times))


def test_columns_of_unequal_lengths_or_none():
    for name in ("user", "item", "time"):
        table = {**FRAME.to_dict("list"), name: FRAME[name].tolist()[:3]}
        with pytest.raises(DataError, match="one length"):
            histories_of(table)
        with pytest.raises(DataError, match="one length"):
            make_sessions(table)
    assert histories_of(FRAME[:0]) == ([], [])
    empty = pd.DataFrame(columns=["user", "item", "time"])
    assert histories_of(empty) == ([], [])


def test_a_column_that_may_be_one_of_times_must_be_named():
    unnamed = FRAME.rename(columns={"time": "at"})
    with pytest.raises(DataError, match="name it with time=, or pass time=No"):
        histories_of(unnamed)
    assert histories_of(unnamed, time="at") == histories_of(FRAME)


def _of_objects(*values):
    return pd.Series(values, dtype=object)


@pytest.mark.parametrize(
    ("values", "advice"),
    [
        ([b"a", b"b", b"c", b"a"], "str.decode.*bytes"),
        ([1.0, 2.0, 3.0, 1.0], "astype..int64...*floating"),
        (_of_objects(1.0, 2.0, 3.0, 1.0), "astype..int64...*floating"),
        (_of_objects(1, 2.0, 3, 1.0), "astype..int64...*mixed-integer-float"),
        (pd.Series([1.0, 2, 3, 1]).astype("category"), "int64...*floating"),
        (_of_objects("a", 2.0, "b", "a"), "int64...*float, 2.0"),
        ([decimal.Decimal(1)] * 4, "int64...*decimal"),
        ([True, False, True, True], "astype.str..*boolean"),
        (_of_objects(1, True, 2, "a"), "astype.str..*bool, True"),
        (_of_objects((1,), (2,), (1,), (1,)), "astype.str..*tuple, .1"),
        (_of_objects(*[uuid.UUID(int=7)] * 4), "astype.str..*UUID"),
    ],
)
def test_ids_that_are_neither_integers_nor_text(values, advice):
    """Refused by who asks and by who trains, in the same words."""
    frame = pd.DataFrame({"user": [1, 2, 3, 4], "item": values})
    with pytest.raises(DataError, match="item id that is.*" + advice):
        histories_of(frame)
    with pytest.raises(DataError, match="item id that is.*" + advice):
        Sessions.from_interactions(frame, time=None)
    users = pd.DataFrame({"user": values, "item": [1, 2, 3, 4]})
    with pytest.raises(DataError, match="user id that is.*" + advice):
        histories_of(users)


def test_ids_are_as_preparation_has_them():
    """White space at the ends is cut off; of one item there is one id."""
    frame = FRAME.assign(
        user=["u2 ", " u1", "u2", "u1"], item=["a ", "b", "\tc", "a"]
    )
    assert histories_of(frame) == (["u2", "u1"], [["c", "a"], ["a", "b"]])
    categories = FRAME.assign(item=frame.item.astype("category"))
    assert histories_of(categories) == histories_of(frame)
    mixed = FRAME.assign(
        item=pd.Series([1, "b ", np.int64(3), 1], dtype=object)
    )
    assert histories_of(mixed)[1] == [[3, 1], [1, "b"]]
    for column in ("user", "item"):
        with pytest.raises(DataError, match=f"no empty {column}"):
            histories_of(FRAME.assign(**{column: ["a", " ", "b", "c"]}))


def test_columns_of_other_names():
    other = FRAME.rename(columns={"user": "who", "item": "what", "time": "at"})
    found = histories_of(other, user="who", item="what", time="at")
    assert found == histories_of(FRAME)
    in_order = histories_of(FRAME, time=None)
    assert in_order == histories_of(FRAME.drop(columns="time"))
    # A column that is named is the one, even where there is an order.
    both = other.assign(order=[0, 1, 2, 3])
    found = histories_of(both, user="who", item="what", time="at")
    assert found == histories_of(FRAME)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            {},
            "a user, an item and a .* column in the table; .* item= and time=",
        ),
        (
            {"user": "who"},
            "an item and a .* column in the table; .* with item= and time=",
        ),
        ({"user": "who", "item": "nobody"}, "a column 'nobody'"),
        ({"user": "who", "item": "what", "time": "never"}, "a column 'never'"),
    ],
)
def test_columns_that_are_not_there(names, message):
    """In the words of who calls a function."""
    other = pd.DataFrame({"who": [1], "what": [2], "at": [3]})
    with pytest.raises(DataError, match=message) as caught:
        histories_of(other, **names)
    assert "--" not in str(caught.value)
