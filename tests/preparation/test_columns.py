"""Columns that were taken for others, and files without a header."""

import pytest

from nextitnet_tf.preparation import prepare
from nextitnet_tf.preparation.columns import like_times
from nextitnet_tf.preparation.errors import DataError

SMALL = {
    "min_users_per_item": 0, "min_items_per_user": 0, "min_length": 1, "t": 3,
}  # fmt: skip


@pytest.mark.parametrize(
    ("ids", "num_rows", "message"),
    [
        # Each taken once.
        (list(range(50)), 50, "50 different ones in as many rows"),
        (list("abc") * 17, 51, "51 different"),
        (list(range(49)), 49, None),
        (list(range(50)), 51, None),
        # Seconds and milliseconds of 2014, dates of both kinds.
        ([1396310400, 1396396800], 9, "such as 1396310400"),
        ([1396310400000, 1396396800123], 9, "such as 1396310400000"),
        ([20140401, 20140402], 9, "such as 20140401"),
        (["2014-04-01T10:00:03.955Z", "2014-04-01"], 9, "such as 2014-04-01T"),
        (["2014/4/1 10:00"], 9, "such as 2014/4/1"),
        # Items.
        ([1, 1396310400], 9, None),
        ([20140401, 20141301], 9, None),
        ([20140432, 20141231], 9, None),
        ([-20140401, 0, 5], 9, None),
        (["2014-04-01", "x"], 9, None),
        (["2014-04-011"], 9, None),
        ([214500000, 214500008], 9, None),
    ],
)
def test_items_that_look_like_times(ids, num_rows, message):
    found = like_times(ids, num_rows)
    assert (found is None) if message is None else message in found


def test_a_warning_where_items_look_like_times(tmp_path, capsys):
    raw = tmp_path / "raw.csv"
    raw.write_text("user,when,item\n1,20140401,5\n1,20140402,4\n")
    prepare(raw, tmp_path / "a", timestamp_column="when", **SMALL)
    assert capsys.readouterr().err == ""
    prepare(
        raw, tmp_path / "b", item_column="when", timestamp_column="item",
        **SMALL,
    )  # fmt: skip
    error = capsys.readouterr().err
    assert error.startswith("warning: the items of ")
    assert "such as 20140401" in error and "--item_column" in error
    assert "'when'" in error and error.count("\n") == 1


def items_of(folder):
    lines = (folder / "items.csv").read_text().splitlines()[1:]
    return sorted(line.split(",")[1] for line in lines)


@pytest.mark.parametrize("name", ["clicks.dat", "clicks.csv", "CLICKS.DAT"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"])
def test_columns_of_a_file_without_a_header(tmp_path, name, start):
    raw = tmp_path / name
    raw.write_text(start + "1,20140402,55,2\n1,20140401,44,10\n2,9,55,1\n")
    columns = ["user", "timestamp", "item", "category"]
    folder = prepare(raw, tmp_path / "s", columns=columns, **SMALL)
    assert items_of(folder) == ["44", "55"]
    # The very first line is a line, too.
    assert sorted(folder.glob("sessions-*")) == [folder / "sessions-00000.npy"]
    with pytest.raises(DataError, match='columns=.*"item", "timestamp"'):
        prepare(
            raw, folder, columns=["user", "item", "timestamp", "c"], **SMALL
        )


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("1,2,3\n1,2\n", "user,item,timestamp", "line 2: Expected 3 fields"),
        ("1,2,3\n", "user,item", "timestamp or an order column"),
        ("1,2,3\n", "user,item,order,x", "line 1: Expected 4 fields"),
        ("1,2,3\n", "user,,order", "an item column"),
        ("1,2,3\n", "user,user,item", "Expected one user column"),
        ("user,item,order\n1,2,3\n", "user,item,order", "without a header"),
        ("userId,x,movieId\n1,2,3\n", "a,user,item", "without a header"),
        ("a,b,c\n1,2,3\n", "c,user,item", "without a header"),
        ("1,2,3\n1,2,x\n", "user,item,time", "line 2: Expected a number"),
    ],
)
def test_columns_that_do_not_fit(tmp_path, text, columns, message):
    raw = tmp_path / "raw.csv"
    raw.write_text(text)
    with pytest.raises(DataError, match=message):
        prepare(raw, tmp_path / "s", columns=columns.split(","), **SMALL)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "text",
    [
        "1,20140402,214500005,2\n",
        "1,2014-04-02T10:00:12.283Z,214500000,0\n",
        "1\t2\t3\t4\n",
        "1,2,3,4,5,6\n",
    ],
)
def test_dat_files_without_double_colons(tmp_path, text):
    raw = tmp_path / "clicks.dat"
    raw.write_text(text * 3)
    with pytest.raises(DataError, match="line 1: .*`::`.*--columns=") as caught:
        prepare(raw, tmp_path / "s", **SMALL)
    assert str(raw) in str(caught.value)
    assert not (tmp_path / "s").exists()


def test_a_dat_file_with_a_header(tmp_path):
    raw = tmp_path / "clicks.dat"
    raw.write_text("user,item,order\n1,5,2\n1,4,1\n")
    assert items_of(prepare(raw, tmp_path / "s", **SMALL)) == ["4", "5"]
