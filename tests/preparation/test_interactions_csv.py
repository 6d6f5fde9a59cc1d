"""Reading csv files of interactions: what they may be, and bad ones."""

import csv
import gzip
import json
import pathlib

import numpy as np
import pytest

from nextitnet_tf import preparation
from nextitnet_tf.preparation import interactions_csv
from nextitnet_tf.preparation import times
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.interactions import prepare_interactions

ALL = {
    "min_users_per_item": 0, "min_items_per_user": 0, "min_length": 1, "t": 3,
}  # fmt: skip

DATA = pathlib.Path(__file__).parents[3] / "shared" / "data"


def prepare(tmp_path, text, name="raw.csv", **options):
    raw = tmp_path / name
    raw.write_bytes(text if isinstance(text, bytes) else text.encode())
    return prepare_interactions(raw, tmp_path / "s", **{**ALL, **options})


def rows_of(folder):
    """Rows of raw ids, padding left out."""
    raw = [
        line.split(",")[1]
        for line in (folder / "items.csv").read_text().splitlines()
    ]
    rows = np.load(folder / "sessions-00000.npy").tolist()
    return [[raw[item] for item in row if item > 0] for row in rows]


def meta_of(folder):
    return json.loads((folder / "meta.json").read_text())


@pytest.mark.parametrize(
    "header",
    [
        "user,item,timestamp",
        "userId,movieId,timestamp",
        "user_id,item_id,Time",
        '"UserID","ItemID","order"',
        " user , item , order ",
        "\ufeffuser,item,timestamp",
    ],
)
def test_usual_names(tmp_path, header):
    folder = prepare(tmp_path, f"{header}\n1,5,2\n1,4,1\n")
    assert rows_of(folder) == [["4", "5"]]


def test_order_wins_and_timestamps_may_be_empty(tmp_path):
    folder = prepare(
        tmp_path, "user,item,timestamp,order\n1,5,,2\n1,4,9,1\n1,3,xyz,3\n"
    )
    assert rows_of(folder) == [["4", "5", "3"]]
    assert meta_of(folder)["choices"]["time_column"] == "order"


def test_columns_by_name(tmp_path):
    folder = prepare(
        tmp_path, "when,what,who\n2,5,1\n1,4,1\n", user_column="who",
        item_column="what", timestamp_column="when",
    )  # fmt: skip
    assert rows_of(folder) == [["4", "5"]]


def test_order_of_the_lines(tmp_path):
    folder = prepare(tmp_path, "user,item\n2,5\n1,9\n2,4\n", time="file")
    assert rows_of(folder) == [["9"], ["5", "4"]]
    assert meta_of(folder)["choices"]["time_column"] is None


@pytest.mark.parametrize(
    ("ids", "kind", "expected"),
    [
        (("7", "10", "9"), "int", ["7", "9", "10"]),
        (("007", "10", "9"), "str", ["007", "10", "9"]),
        (("+7", "10", "9"), "str", ["+7", "10", "9"]),
        (("-7", "0", "9"), "int", ["-7", "0", "9"]),
        (("-0", "0", "9"), "str", ["-0", "0", "9"]),
        (("1.0", "1", "9"), "str", ["1", "1.0", "9"]),
        (('"7"', "10", " 9 "), "int", ["7", "9", "10"]),
        (("NA", "nan", "null"), "str", ["NA", "nan", "null"]),
        (("True", "False", "x"), "str", ["False", "True", "x"]),
        (("1", "99999999999999999999", "9"), "str", None),
        (("9223372036854775807", "2", "1"), "int", None),
        (("9223372036854775808", "2", "1"), "str", None),
        (("é", "z", "日"), "str", ["z", "é", "日"]),
    ],
)
def test_integers_only_if_all_are_written_as_integers(
    tmp_path, ids, kind, expected
):
    lines = "".join(f"1,{raw_id},{i}\n" for i, raw_id in enumerate(ids))
    folder = prepare(tmp_path, "user,item,timestamp\n" + lines)
    assert meta_of(folder)["item_id_type"] == kind
    [row] = rows_of(folder)
    assert row == [raw_id.strip(' "') for raw_id in ids]
    if expected is not None:
        order = [
            line.split(",")[1]
            for line in (folder / "items.csv").read_text().splitlines()[1:]
        ]
        assert order == expected


def test_leading_zero_of_the_very_first_field(tmp_path):
    folder = prepare(tmp_path, "item,user,order\n07,1,1\n7,1,2\n")
    assert rows_of(folder) == [["07", "7"]]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_blank_lines_and_gzip(tmp_path, end):
    text = end.join(
        ["", "user,item,timestamp", "1,5,2", "", "1,4,1", "   ", "1,3,3"]
    )
    raw = gzip.compress(text.encode())
    assert rows_of(prepare(tmp_path, raw, "a.gz")) == [["4", "5", "3"]]


def test_quoted_commas_and_line_ends(tmp_path):
    folder = prepare(
        tmp_path,
        'user,item,note,timestamp\n1,"a,b","x\ny",2\n1,c,"1,2,3",1\n',
    )
    assert (folder / "items.csv").read_text() == (
        'id,raw_id,count\n1,"a,b",1\n2,c,1\n'
    )
    assert np.load(folder / "sessions-00000.npy").tolist() == [[0, 2, 1]]


def test_quotes_inside_fields_that_do_not_begin_with_one(tmp_path):
    folder = prepare(
        tmp_path,
        'user,item,note,order\n1,5" pipe,"a ""b"" c",1\n1,"x ""y""",,2\n',
    )
    with open(folder / "items.csv", newline="") as file:
        items = [line["raw_id"] for line in csv.DictReader(file)]
    assert items == ['5" pipe', 'x "y"']


def test_line_ends_in_a_field_that_is_not_read(tmp_path):
    """Text of three lines, none of which is a line of the table."""
    text = 'user,item,note,order\n1,5,"dear, all,\nsee 1,2\nbye",1\n1,4,,2\n'
    assert rows_of(prepare(tmp_path, text)) == [["5", "4"]]


def test_chunks_are_joined(tmp_path, monkeypatch):
    monkeypatch.setattr(interactions_csv, "CHUNK", 2)
    text = "user,item,timestamp\n1,5,2\n2,4,1\n1,4,1.5\n2,6,0\n1,6,3\n"
    assert rows_of(prepare(tmp_path, text)) == [["4", "5", "6"], ["6", "4"]]
    # Strings in the last chunk alone turn the ids before into strings.
    text = "user,item,timestamp\n1,10,2\n1,9,1\n1,9,3\n1,x,4\n"
    folder = prepare(tmp_path, text, t=4, force=True)
    assert rows_of(folder) == [["9", "10", "9", "x"]]
    assert meta_of(folder)["item_id_type"] == "str"


HEADER = "user,item,timestamp\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an empty file"),
        ("\n \n", "an empty file"),
        (HEADER, "a header alone"),
        ("user,thing,timestamp\n1,2,3\n", "an item column .* Received: columns"
         " 'user', 'thing', 'timestamp'"),
        ("item,timestamp\n1,2\n", "a user column"),
        ("user,item\n1,2\n", "a timestamp or an order column"),
        ("user,user,item,order\n1,1,2,3\n", "Expected one user column"),
        ("user,item,timestamp,item\n1,5,2,9\n", "Expected one item column"),
        ("user,item,movieId,order\n1,1,2,3\n", "Expected one item column"),
        (HEADER + "1,2,3\n,2,3\n", "line 3: Expected a user.*empty"),
        (HEADER + "1,2,3\n\n1,,3\n", "line 4: Expected an item.*empty"),
        (HEADER + "1,2,3\n1, ,3\n", "line 3: Expected an item.*empty"),
        (HEADER + "a,2,3\nb,,3\n", "line 3: Expected an item.*empty"),
        (HEADER + "1,2,3\n1,2,soon\n", "line 3: .*'timestamp'.*: soon"),
        (HEADER + "1,2,3\n1,2,\n", "line 3: .*'timestamp'.*: an empty field"),
        (HEADER + "1,2,3\n1,2,nan\n", "line 3: .*: nan"),
        (HEADER + "1,2,inf\n", "line 2: .*: inf"),
        (HEADER + "1,2,-Infinity\n", "line 2: .*: -Infinity"),
        (HEADER + "1,2,1e999\n", "line 2: .*: 1e999"),
        (HEADER + "1,2,True\n", "line 2: .*: True"),
        (HEADER + "1,2,12/31/2020\n", "line 2: .*date, such as .*: 12/31/2020"),
        (HEADER + "1,2,now\n", "line 2: .*: now"),
        # As floats these would be one.
        (HEADER + "1,2,1700000000000000001\n1,3,1700000000000000002.0\n",
         "line 3: .*: 1700000000000000002.0"),
        (HEADER + "1,2,2020-13-01\n", "line 2: .*: 2020-13-01"),
        (HEADER + "1,2,2020-12-01\n1,3,7\n", "line 3: Expected a date.*: 7"),
        (HEADER + "1,2,7\n1,3,2020-12-01\n", "line 3: Expected a number.*-01"),
        (HEADER + "1,2,2020-12-01\n1,3,\n", "line 3: .* an empty field"),
        (HEADER + "1,2,99999999999999999999\n", "line 2: .*: 9999"),
        (HEADER + "1,2,3\n1,2\n", "line 3: Expected 3 fields. Received: 2"),
        (HEADER + "1,2,3\n1,2,3,4\n", "line 3: Expected 3 fields.*: 4"),
        (HEADER + '1,2,3\n1,"2,3\n1,2,3\n', "line 3: .*every quote"),
        # An even number of quotes: each opens a field that ends lines below.
        (HEADER + '1,a,1\n1,"b,2\n1,a,3\n2,"c,1\n', "line 3: .*every quote"),
        (HEADER + '1,a,1\n1,",2\n1,a,3\n2,",1\n', "line 3: .*on one line"),
        (HEADER + '1,a,1\n",a,2\n1,a,3\n",a,1\n', "line 3: .*on one line"),
        (HEADER + '1,a,1\n1,"x" y,2\n', "line 3: .*every quote"),
        (HEADER + '1,a,1\n1,""y,2\n', "line 3: .*every quote"),
        (HEADER + '1,a,1\n1,"x"""y,2\n', "line 3: .*every quote"),
        ("user,note,item,order\n1,a,5,1\n1,\",5,2\n1,b,5,3\n1,\",5,4\n",
         "line 3: .*whole lines of the table"),
        (HEADER + "1,a\0b,3\n", "line 2: .*zero byte"),
        (HEADER + "1,2,3\n\0,2,3\n", "line 3: .*zero byte|an empty field"),
        ("user,item,order,note\n1,2,3,a\0b\n", "line 2: .*zero byte"),
        (HEADER.encode("utf-16"), "line 1: Expected UTF-8"),
        ("x" * 200_000, "line 1: Expected comma-separated"),
        (HEADER.encode() + b"1,2,3\n1,\xff,3\n", "line 3: Expected UTF-8"),
        (b"us\xffer,item\n", "line 1: Expected UTF-8"),
        (gzip.compress(b"user,item,order\n" + b"1,2,3\n" * 999, mtime=0)[:-9],
         "complete compressed file"),
        (gzip.compress(b"", mtime=0)[:5], "complete compressed file"),
        (gzip.compress(b"", mtime=0), "an empty file"),
    ],
)  # fmt: skip
def test_bad_files(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as caught:
        prepare(tmp_path, text)
    text = str(caught.value)
    assert str(tmp_path / "raw.csv") in text
    assert "Received: " in text
    assert "\n" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["raw.csv"]


@pytest.mark.parametrize("chunk", [1, 1000])
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1700000000000000002", "1700000000000000001"], [2, 1]),
        (["2026-01-01 00:00:00.000000002", "2026-01-01 00:00:00.000000001"],
         [2, 1]),
        (["2", "0.5"], [2, 1]),
    ],
)  # fmt: skip
def test_times_keep_their_order(tmp_path, monkeypatch, chunk, texts, expected):
    monkeypatch.setattr(interactions_csv, "CHUNK", chunk)
    lines = [f"1,{item},{at}\n" for item, at in enumerate(texts, start=1)]
    folder = prepare(tmp_path, HEADER + "".join(lines))
    assert rows_of(folder) == [[str(item) for item in expected]]


def test_years_that_nanoseconds_do_not_reach():
    parts = [
        np.array([text], f"datetime64[{unit}]")
        for text, unit in (("2026-01-01", "ns"), ("2500-01-01", "us"))
    ]
    joined = times.joined(parts)
    assert joined.astype("datetime64[D]").astype(str).tolist() == [
        "2026-01-01",
        "2500-01-01",
    ]


def test_large_whole_numbers_and_others_in_different_chunks(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(interactions_csv, "CHUNK", 1)
    with pytest.raises(DataError, match="Expected numbers or dates in col"):
        prepare(tmp_path, HEADER + "1,2,1700000000000000001\n1,3,0.5\n")


@pytest.mark.parametrize("chunk", [1, 1000])
@pytest.mark.parametrize("user", ["{}", "u{}"])
def test_dates(tmp_path, monkeypatch, chunk, user):
    """In order of time, whatever the zone; as seconds since 1970."""
    monkeypatch.setattr(interactions_csv, "CHUNK", chunk)
    lines = [
        (1, 20, "2024-01-02"),
        (1, 10, "2024-01-02T00:30:00+01:00"),  # half an hour before
        (2, 10, "2024-02-01 00:00:00.5"),
        (2, 30, " 2024/02/01 00:01 UTC"),
        (2, 20, "2024-02-01T00:00:59Z"),
    ]
    text = "user,item,timestamp\n" + "".join(
        f"{user.format(who)},{item},{at}\n" for who, item, at in lines
    )
    folder = prepare(tmp_path, text)
    assert rows_of(folder) == [["10", "20"], ["10", "20", "30"]]
    # 2024-01-02 is day 19,724 since 1970, the first of February 19,754.
    expected = [19724 * 86400, 19754 * 86400 + 60]
    assert np.load(folder / "times.npy").tolist() == expected


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({}, ["2", "1"]),  # by the order
        ({"timestamp_column": "timestamp"}, ["1", "2"]),
        ({"order_column": "order"}, ["2", "1"]),
        (
            {"timestamp_column": "timestamp", "order_column": "order"},
            ["2", "1"],
        ),
    ],
)
def test_the_column_that_is_named_is_the_one(tmp_path, named, expected):
    text = "user,item,timestamp,order\n1,1,10,2\n1,2,20,1\n"
    folder = prepare(tmp_path, text, **named)
    assert rows_of(folder) == [expected]
    is_of_times = expected == ["1", "2"]
    assert (folder / "times.npy").exists() == is_of_times


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("who,what,when", "a user, an item and a timestamp.*--user_column, "),
        ("user,what,when", "an item and a timestamp .*--item_column and --ti"),
        ("user,item,when", "a timestamp or an order column .*--time=file"),
        ("user;item;time", "--separator=';'"),
        ("user\titem\ttime", "--separator=tab"),
    ],
)
def test_what_is_missing_is_told_at_once(tmp_path, header, message):
    (tmp_path / "raw.csv").write_text(f"{header}\n1{header[4]}2\n")
    with pytest.raises(DataError, match=message):
        preparation.prepare(tmp_path / "raw.csv", tmp_path / "sessions")


@pytest.mark.parametrize("time", ["timestamp", "order"])
def test_a_bad_line_far_into_the_file(tmp_path, monkeypatch, time):
    monkeypatch.setattr(interactions_csv, "CHUNK", 100)
    lines = [f"1,{i},{i}" for i in range(1000)]
    lines[777] = "1,777,later"
    with pytest.raises(DataError, match="line 779: Expected a number"):
        prepare(tmp_path, f"user,item,{time}\n" + "\n".join(lines))


def test_missing_column_by_name(tmp_path):
    with pytest.raises(DataError, match="column 'who' in .*columns 'user'"):
        prepare(tmp_path, HEADER + "1,2,3\n", user_column="who")


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        prepare_interactions(tmp_path / "none.csv", tmp_path / "s")


@pytest.mark.parametrize(
    ("name", "users", "items", "num"),
    [("ml-1m", 6040, 3706, 1000209), ("ml-100k", 943, 1682, 100000)],
)
def test_real_data(tmp_path, name, users, items, num):
    raw = DATA / name / "interactions.csv.gz"
    if not raw.exists():
        pytest.skip(f"{raw} is not there (real data is not in the project)")
    folder = prepare_interactions(raw, tmp_path / "s")
    meta = meta_of(folder)
    assert meta["counts"][0] == {
        "step": "read", "users": users, "items": items, "interactions": num,
    }  # fmt: skip
    rows = np.load(folder / "sessions-00000.npy")
    real = rows > 0
    assert (np.diff(real.astype(int), axis=1) >= 0).all()
    assert real.sum() == meta["counts"][-1]["interactions"]
    assert real.sum(axis=1).min() >= 5


def test_a_time_of_many_lines_is_shown_on_one(tmp_path):
    """A quote that is closed far below makes one field of many lines."""
    rows = "".join(f"u{i},i{i},{i}\n" for i in range(2000))
    with pytest.raises(DataError) as raised:
        prepare(tmp_path, f'user,item,timestamp\na,b,"1\n{rows}"\n')
    said = str(raised.value)
    assert "raw.csv, line 2: " in said and "'timestamp'" in said
    assert "\n" not in said and len(said) < 400


def test_a_time_of_thousands_of_digits_is_named(tmp_path):
    """Python refuses to read such a number, in words of its own."""
    path = tmp_path / "raw.csv"
    path.write_text(f"user,item,timestamp\n1,2,3\n1,3,{'9' * 10_001}\n")
    with pytest.raises(ValueError, match=r"raw\.csv.*line 3"):
        preparation.prepare(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
