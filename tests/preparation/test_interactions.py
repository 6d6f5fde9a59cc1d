"""Filters, order, chunks and numbers of interactions, worked out by hand."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.interactions import prepare_interactions

ALL = {"min_users_per_item": 0, "min_items_per_user": 0, "min_length": 1}


def table(*interactions):
    users, items, times = zip(*interactions, strict=True)
    return {"user": users, "item": items, "timestamp": times}


def read(folder):
    rows = np.concatenate(
        [np.load(file) for file in sorted(folder.glob("sessions-*.npy"))]
    )
    with open(folder / "items.csv", newline="") as file:
        items = [tuple(line) for line in csv.reader(file)][1:]
    meta = json.loads((folder / "meta.json").read_text())
    return rows.tolist(), np.load(folder / "users.npy").tolist(), items, meta


def prepare(tmp_path, interactions, **options):
    return read(
        prepare_interactions(
            table(*interactions), tmp_path / "s", **{**ALL, **options}
        )
    )


def history(user, length, first=1):
    """Items first, first + 1, ... at times 1, 2, ..."""
    return [(user, first + i, i + 1) for i in range(length)]


def test_rows_users_and_items_by_hand(tmp_path):
    rows, users, items, meta = prepare(
        tmp_path,
        # Out of order; user 10 is after 9, item 0 is an item like any other.
        [
            (10, 5, 30),
            (9, 0, 7),
            (10, 0, 20),
            (10, 3, 10),
            (9, 5, 6),
            (9, 0, 8),
        ],
        t=3,
    )
    # 0 occurs three times, 5 twice, 3 once: ids 1, 2, 3.
    assert items == [("1", "0", "3"), ("2", "5", "2"), ("3", "3", "1")]
    assert rows == [[2, 1, 1], [3, 1, 2]]
    assert users == [0, 1]
    assert meta["item_id_type"] == "int"
    assert meta["counts"][0] == {
        "step": "read", "users": 2, "items": 3, "interactions": 6,
    }  # fmt: skip


def test_equal_counts_are_numbered_by_raw_id(tmp_path):
    _, _, items, _ = prepare(tmp_path, [(1, 10, 1), (1, 9, 2), (1, -1, 3)], t=3)
    assert [item[1] for item in items] == ["-1", "9", "10"]


def test_strings_are_ordered_as_strings(tmp_path):
    rows, _, items, meta = prepare(
        tmp_path, [("b", "10", 1), ("b", "9", 2), ("a", "007", 3)], t=2
    )
    assert [item[1] for item in items] == ["007", "10", "9"]
    assert rows == [[0, 1], [2, 3]]
    assert meta["item_id_type"] == "str"


def test_history_is_cut_from_the_latest_end(tmp_path):
    rows, users, _, _ = prepare(tmp_path, history(1, 7), t=3, cut_from="end")
    assert rows == [[0, 0, 1], [2, 3, 4], [5, 6, 7]]
    assert users == [0, 0, 0]


def test_history_is_cut_from_the_start(tmp_path):
    rows, _, _, _ = prepare(tmp_path, history(1, 7), t=3, cut_from="start")
    assert rows == [[1, 2, 3], [4, 5, 6], [0, 0, 7]]


@pytest.mark.parametrize(
    ("cut_from", "expected"),
    [("end", [[1, 2, 3], [4, 5, 6]]), ("start", [[1, 2, 3], [4, 5, 6]])],
)
def test_a_short_remainder_goes(tmp_path, cut_from, expected):
    rows, _, items, meta = prepare(
        tmp_path, history(1, 7), t=3, cut_from=cut_from, min_length=2
    )
    assert rows == expected
    # From the end the oldest item is gone, from the start the latest.
    raw = [item[1] for item in items]
    assert raw == [str(i + (cut_from == "end")) for i in range(1, 7)]
    assert meta["counts"][-1] == {
        "step": "cut", "users": 1, "items": 6, "interactions": 6,
    }  # fmt: skip


def test_a_user_without_a_row_leaves_no_gap_in_the_numbers(tmp_path):
    rows, users, _, meta = prepare(
        tmp_path,
        [*history(1, 3), *history(2, 1), *history(3, 3)],
        t=3,
        min_length=2,
    )
    assert rows == [[1, 2, 3], [1, 2, 3]]
    assert users == [0, 1]
    assert meta["num_users"] == 2


def test_counts_are_those_of_the_rows_written(tmp_path):
    # Item 1 is the most frequent one read, but two of three are cut off.
    _, _, items, _ = prepare(
        tmp_path, [(1, 1, 1), (1, 1, 2), (1, 2, 3), (1, 2, 4), (1, 1, 5)],
        t=3, min_length=3,
    )  # fmt: skip
    assert items == [("1", "2", "2"), ("2", "1", "1")]


def test_equal_times_keep_their_order(tmp_path):
    rows, _, _, _ = prepare(
        tmp_path, [(1, 3, 5), (1, 1, 5), (1, 2, 5), (1, 4, 1)], t=4
    )
    assert rows == [[4, 3, 1, 2]]


@pytest.mark.parametrize("kind", [int, float, None])
def test_many_equal_times_keep_their_order(tmp_path, kind):
    # Long enough for numpy's other sorting algorithms to mix them up.
    generator = np.random.default_rng(0)
    items = generator.integers(1, 50, 3000)
    users = generator.integers(0, 2, 3000)
    columns = {"user": users, "item": items}
    if kind:
        columns["order"] = np.zeros(3000, kind)
    folder = prepare_interactions(
        columns, tmp_path / "s", t=3000, **ALL, time="auto" if kind else "file"
    )
    rows, _, numbers, _ = read(folder)
    raw = [0] + [int(item[1]) for item in numbers]
    for user, row in enumerate(rows):
        found = [raw[item] for item in row if item > 0]
        assert found == items[users == user].tolist()


def test_columns_in_memory_replace_a_folder_only_when_asked(tmp_path):
    data = table((1, 2, 3))
    options = {**ALL, "t": 2}
    prepare_interactions(data, tmp_path / "s", **options)
    with pytest.raises(DataError, match="a prepared folder"):
        prepare_interactions(data, tmp_path / "s", **options)
    prepare_interactions(data, tmp_path / "s", **options, force=True)


@pytest.mark.parametrize(
    "times", [(2.5, 2.25, 1.0), (2**62, -(2**62), -(2**63)), (3, 2, 1)]
)
def test_times_of_any_kind(tmp_path, times):
    rows, _, _, _ = prepare(
        tmp_path, [(1, 1, times[0]), (1, 2, times[1]), (1, 3, times[2])], t=3
    )
    assert rows == [[3, 2, 1]]


# Item 1 has users a, b; item 2 has a, b, and c twice; item 3 has c twice.
FILTERED = [
    ("a", 1, 1), ("b", 1, 1), ("a", 2, 2), ("b", 2, 2), ("c", 2, 3),
    ("c", 2, 4), ("c", 3, 5), ("c", 3, 6),
]  # fmt: skip


def test_items_are_filtered_by_distinct_users(tmp_path):
    _, _, items, meta = prepare(tmp_path, FILTERED, t=4, min_users_per_item=2)
    assert items == [("1", "2", "4"), ("2", "1", "2")]
    assert meta["counts"][1] == {
        "step": "items", "users": 3, "items": 2, "interactions": 6,
    }  # fmt: skip


def test_users_are_filtered_by_interactions(tmp_path):
    rows, users, _, meta = prepare(
        tmp_path, FILTERED, t=4, min_items_per_user=3
    )
    assert users == [0]
    assert rows == [[1, 1, 2, 2]]
    assert [count["step"] for count in meta["counts"]] == [
        "read", "items", "users", "cut",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("order", "num_interactions"),
    # Items first: item 1 goes (2 users of 3), a and b keep one interaction
    # and go. Users first: a and b go (2 of 3), then items 2 and 3 have one
    # user only.
    [(("items", "users"), 0), (("users", "items"), 0)],
)
def test_nothing_left(tmp_path, order, num_interactions):
    with pytest.raises(DataError, match="to be left after step.*none of 8"):
        prepare(
            tmp_path, FILTERED, t=4, filter_order=order,
            min_users_per_item=3, min_items_per_user=3,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


# Item 9 has users a and b. b has it alone. User a has also 8, c has 8 twice.
CHAIN = [("a", 9, 1), ("b", 9, 1), ("a", 8, 2), ("c", 8, 1), ("c", 8, 2)]


@pytest.mark.parametrize(
    ("order", "iterate", "expected"),
    [
        # Items: both have two users. Users: b has one interaction, goes.
        (("items", "users"), False, {"a": 2, "c": 2}),
        # Again: 9 has one user left and goes, then a has one left and goes,
        # then 8 has one user: nothing.
        (("items", "users"), True, None),
        # Users: b goes. Items: 9 goes. a keeps one interaction.
        (("users", "items"), False, {"a": 1, "c": 2}),
        (("users", "items"), True, None),
    ],
)
def test_order_and_iteration_of_filters(tmp_path, order, iterate, expected):
    options = {
        "t": 4, "min_users_per_item": 2, "min_items_per_user": 2,
        "filter_order": order, "iterate": iterate,
    }  # fmt: skip
    if expected is None:
        with pytest.raises(DataError, match="none of 5"):
            prepare(tmp_path, CHAIN, **options)
        return
    rows, users, _, _ = prepare(tmp_path, CHAIN, **options)
    lengths = [sum(item > 0 for item in row) for row in rows]
    assert lengths == list(expected.values())


def test_defaults_are_ten_users_five_items_twenty_and_five(tmp_path):
    # Item 1 has ten users, item 2 nine; nobody has fewer than five
    # interactions until item 2 goes, when user 0 has only four.
    data = [(0, 1, 1), (0, 1, 2), (0, 1, 3), (0, 1, 4), (0, 2, 5)]
    for user in range(1, 10):
        data += [(user, 1, time) for time in range(24 + user)]
        if user < 9:
            data += [(user, 2, 99)]
    folder = prepare_interactions(table(*data), tmp_path / "s")
    rows, users, items, meta = read(folder)
    assert meta["t"] == 20
    assert [item[1] for item in items] == ["1"]
    # User 1 has 25 = 5 + 20, user 9 has 33 = 13 + 20.
    assert [sum(i > 0 for i in row) for row in rows[:2]] == [5, 20]
    assert [sum(i > 0 for i in row) for row in rows[-2:]] == [13, 20]
    assert users == [u for u in range(9) for _ in range(2)]
    choices = meta["choices"]
    assert choices["filter_order"] == ["items", "users"]
    assert (choices["min_users_per_item"], choices["min_length"]) == (10, 5)
    assert (choices["min_items_per_user"], choices["cut_from"]) == (5, "end")


@pytest.mark.parametrize(
    "option",
    [
        {"t": 1},
        {"min_length": 0},
        {"min_length": 21},
        {"min_users_per_item": -1},
        {"filter_order": ("items",)},
        {"filter_order": ("items", "items")},
        {"cut_from": "middle"},
        {"time": "random"},
    ],
)
def test_bad_arguments(tmp_path, option):
    with pytest.raises(DataError, match="^Expected .* Received: .*="):
        prepare_interactions(table((1, 1, 1)), tmp_path / "s", **option)


@pytest.mark.parametrize(
    "bad", [(None, 1, 1), (1, "", 1), (1, 1, float("nan")), (1, 1, "x")]
)
def test_bad_columns_in_memory(tmp_path, bad):
    with pytest.raises(DataError, match="Received: "):
        prepare_interactions(
            table((1, 2, 3), bad), tmp_path / "s", **{**ALL, "t": 2}
        )


interactions_strategy = st.lists(
    st.tuples(st.integers(0, 5), st.integers(-2, 6), st.integers(0, 9)),
    min_size=1,
    max_size=60,
)


@settings(deadline=None)  # disks may be busy
@given(
    data=interactions_strategy,
    t=st.integers(2, 6),
    cut_from=st.sampled_from(["end", "start"]),
)
def test_every_interaction_is_in_one_row(tmp_path_factory, data, t, cut_from):
    rows, users, items, _ = prepare(
        tmp_path_factory.mktemp("p"), data, t=t, cut_from=cut_from
    )
    raw = {int(item[0]): int(item[1]) for item in items}
    found = {user: [] for user in range(6)}
    raw_users = sorted({user for user, _, _ in data})
    for row, user in zip(rows, users, strict=True):
        real = [item for item in row if item > 0]
        assert row == [0] * (t - len(real)) + real
        found[raw_users[user]] += [raw[item] for item in real]
    # Sorting by time is stable in Python, too.
    assert found == {
        user: [
            item
            for _, item in sorted(
                ((time, item) for u, item, time in data if u == user),
                key=lambda pair: pair[0],
            )
        ]
        for user in range(6)
    }
    # All rows are full but one of each user: its first or its last.
    for user in set(users):
        own = [row for row, u in zip(rows, users, strict=True) if u == user]
        full = own[1:] if cut_from == "end" else own[:-1]
        assert all(row[0] > 0 for row in full)
    # More frequent items have lower ids; equal counts follow the raw id.
    keys = [(-int(count), int(raw_id)) for _, raw_id, count in items]
    assert keys == sorted(keys)
    occurrences = [item for row in rows for item in row if item > 0]
    for number, _, count in items:
        assert occurrences.count(int(number)) == int(count)


@settings(deadline=None)  # disks may be busy
@given(
    data=interactions_strategy,
    order=st.sampled_from([("items", "users"), ("users", "items")]),
    iterate=st.booleans(),
)
def test_thresholds_hold(tmp_path_factory, data, order, iterate):
    try:
        rows, users, _, _ = prepare(
            tmp_path_factory.mktemp("p"), data, t=60, filter_order=order,
            iterate=iterate, min_users_per_item=2, min_items_per_user=3,
        )  # fmt: skip
    except DataError:
        return
    users_of = {}
    for row, user in zip(rows, users, strict=True):
        for item in row:
            if item > 0:
                users_of.setdefault(item, set()).add(user)
    if iterate or order[-1] == "users":
        assert all(sum(i > 0 for i in row) >= 3 for row in rows)
    if iterate or order[-1] == "items":
        assert all(len(found) >= 2 for found in users_of.values())
