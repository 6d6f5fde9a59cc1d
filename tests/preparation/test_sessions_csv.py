"""The csv of sessions: padding, tokens, widths, and bad lines."""

import gzip
import json
import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nextitnet_tf.preparation import sessions_csv
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.sessions_csv import prepare_sessions_csv

DATA = pathlib.Path(__file__).parents[3] / "shared" / "data"


def prepare(tmp_path, text, **options):
    raw = tmp_path / "raw.csv"
    raw.write_bytes(text if isinstance(text, bytes) else text.encode())
    return prepare_sessions_csv(raw, tmp_path / "s", **options)


def read(folder):
    items = [
        line.split(",")
        for line in (folder / "items.csv").read_text().splitlines()[1:]
    ]
    rows = np.load(folder / "sessions-00000.npy").tolist()
    return rows, items, json.loads((folder / "meta.json").read_text())


def test_rows_by_hand(tmp_path):
    rows, items, meta = read(prepare(tmp_path, "30,4,5\n4,5\n\n0,0,5\n6,4,5\n"))
    # 5 occurs four times, 4 three times; 6 and 30 once, 6 < 30.
    assert items == [
        ["1", "5", "4"], ["2", "4", "3"], ["3", "6", "1"], ["4", "30", "1"],
    ]  # fmt: skip
    assert rows == [[4, 2, 1], [0, 2, 1], [0, 0, 1], [3, 2, 1]]
    assert np.load(tmp_path / "s" / "users.npy").tolist() == [0, 1, 2, 3]
    assert (meta["t"], meta["item_id_type"]) == (3, "int")
    assert meta["counts"][0]["interactions"] == 9


@pytest.mark.parametrize(
    ("text", "kind", "raw_ids"),
    [
        ("7,10\n9\n", "int", ["7", "9", "10"]),
        ("07,10\n9,9\n", "str", ["9", "07", "10"]),
        ("a,NA\n0,nan\n", "str", ["NA", "a", "nan"]),
        ("00,0000\n0,-1\n", "str", ["-1", "00", "0000"]),
        (" 7 , x y \r\n7,b\r\n", "str", ["7", "b", "x y"]),
        ("\ufeff1,2", "int", ["1", "2"]),
        ('"1",2', "int", ["1", "2"]),
        ('"0","12"\n "7" ,"12"\n', "int", ["12", "7"]),
        ('"0", x\n"a""b","c"\n', "str", ['"a""b"', "c", "x"]),
        # A quote inside a field that does not begin with one.
        ('0,5" pipe\n"a","b"\n', "str", ['"5"" pipe"', "a", "b"]),
    ],
)
def test_tokens(tmp_path, text, kind, raw_ids):
    _, items, meta = read(prepare(tmp_path, text))
    assert [item[1] for item in items] == raw_ids
    assert meta["item_id_type"] == kind


def test_wider_and_narrower_t(tmp_path):
    text = "1,2,3\n0,1,2\n"
    rows, _, _ = read(prepare(tmp_path, text, t=4))
    assert rows == [[0, 1, 2, 3], [0, 0, 1, 2]]
    with pytest.raises(DataError, match="line 1: Expected at most t=2"):
        prepare(tmp_path, text, t=2, force=True)
    rows, items, _ = read(
        prepare(tmp_path, text, t=2, keep_latest=True, force=True)
    )
    # Left are 2, 3 and 1, 2.
    assert [item[1:] for item in items] == [["2", "2"], ["1", "1"], ["3", "1"]]
    assert rows == [[1, 3], [2, 1]]


def test_padding_does_not_count_against_t(tmp_path):
    rows, _, _ = read(prepare(tmp_path, "0,0,1,2\n", t=2))
    assert rows == [[1, 2]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an empty file"),
        ("\n\n", "an empty file"),
        ("1,2\n\n3,,4\n", "line 3: Expected a token in every field"),
        ("1,2\n,3\n", "line 2: .*number 1"),
        ("1,2\n3,\n", "line 2: .*number 2"),
        ("1,2\n3, ,4\n", "line 2: .*number 2"),
        ("a,2\n3,,4\n", "line 2: .*number 2"),
        (",\n", "line 1: .*number 1"),
        ("1,2\n0,0\n", "line 2: Expected an item"),
        ("1,2\n1,0\n", "line 2: Expected padding .* only before"),
        ("1,2,3\n1,0,2\n", "line 2: Expected padding"),
        ("1\n2\n", "two fields or more"),
        ('1,2\n1,"2\n3,4"\n', 'line 2: Expected every quote.*1,"2'),
        ('1,2\n1,"2\n', "line 2: Expected every quote"),
        ('1,2\n"a"b,2\n', "line 2: Expected every quote"),
        ('1,2\n"a,b",2\n', "line 2: Expected every quote"),
        ('1,2\n"",2\n', "line 2: .*number 1"),
        ('1,2\n"0","0"\n', "line 2: Expected an item"),
        ("1,2\n3,a\0b\n", "line 2: .*zero byte"),
        (b"1,2\n1,\xff\n", "line 2: Expected UTF-8"),
        (b"1,a\n1,\xff\n", "line 2: Expected UTF-8"),
        (
            gzip.compress(b"1,2\n" * 99, mtime=0)[:-9],
            "complete compressed file",
        ),
    ],
)
def test_bad_files(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as caught:
        prepare(tmp_path, text)
    assert str(tmp_path / "raw.csv") in str(caught.value)
    assert "Received: " in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["raw.csv"]


@settings(deadline=None)  # disks may be busy
@given(
    sessions=st.lists(
        st.lists(st.integers(-1, 9).filter(bool), min_size=1, max_size=5),
        min_size=1,
        max_size=12,
    ),
    block=st.integers(1, 30),
    pad=st.booleans(),
)
def test_every_item_is_where_it_was(tmp_path_factory, sessions, block, pad):
    width = max(2, max(map(len, sessions)))
    sessions = [*sessions, [1] * width]
    lines = [
        ["0"] * (width - len(session)) * pad + [str(item) for item in session]
        for session in sessions
    ]
    text = "\n".join(",".join(line) for line in lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions_csv, "_BLOCK", block)
        rows, items, _ = read(prepare(tmp_path_factory.mktemp("p"), text))
    raw = {int(item[0]): int(item[1]) for item in items}
    assert [[raw.get(item, 0) for item in row] for row in rows] == [
        [0] * (width - len(session)) + session for session in sessions
    ]


def test_real_sessions(tmp_path):
    raw = DATA / "diginetica" / "sessions.csv.gz"
    if not raw.exists():
        pytest.skip(f"{raw} is not there (real data is not in the project)")
    _, _, meta = read(prepare_sessions_csv(raw, tmp_path / "s"))
    assert meta["num_rows"] == 202633


def test_a_field_of_white_space_alone_is_empty(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b,c\nd,\N{NO-BREAK SPACE},e\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2"):
        prepare_sessions_csv(path, tmp_path / "s")
    assert not (tmp_path / "s").exists()
