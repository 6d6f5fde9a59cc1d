"""Interactions as other projects publish them, and in parquet."""

import csv
import datetime
import gzip
import io
import json

import numpy as np
import pandas as pd
import pytest

from nextitnet_tf.preparation import DataError
from nextitnet_tf.preparation import make_sessions
from nextitnet_tf.preparation import prepare
from nextitnet_tf.preparation import raw_files
from nextitnet_tf.preparation import separators
from nextitnet_tf.preparation import sessions

SMALL = {
    **{"t": 4, "min_users_per_item": 1, "min_items_per_user": 1},
    "min_length": 1,
}
# Users 7 and 3; 7 took a, b, a and 3 took b. By count, ties by raw id: a is
# item 1 in `AS_TEXT`, 30 in numbers.
ROWS = [[0, 0, 0, 2], [0, 1, 2, 1]]


def prepared(raw, folder, **options):
    """Rows in the order of raw user ids, raw ids, and what meta.json says."""
    prepare(raw, folder, **{**SMALL, **options})
    with open(folder / "items.csv", newline="", encoding="utf-8") as file:
        items = list(csv.reader(file))[1:]
    return (
        np.load(folder / "sessions-00000.npy").tolist(),
        [fields[1] for fields in items],
        json.loads((folder / "meta.json").read_text()),
    )


@pytest.mark.parametrize("is_packed", [False, True])
def test_recbole(tmp_path, is_packed):
    text = (
        b"item_id:token\tuser_id:token\trating:float\ttimestamp:float\n"
        b"b\t7\t1.0\t20\na\t7\t2.0\t30\na\t7\t5.0\t10\nb\t3\t4.0\t1.5\n"
    )
    raw = tmp_path / ("my.inter.gz" if is_packed else "my.inter")
    raw.write_bytes(gzip.compress(text) if is_packed else text)
    rows, ids, meta = prepared(raw, tmp_path / "s")
    assert (rows, ids) == (ROWS, ["a", "b"])
    assert np.load(tmp_path / "s" / "times.npy").tolist() == [1.5, 30]
    assert meta["raw"][0]["name"] == raw.name


def test_recbole_without_times(tmp_path):
    raw = tmp_path / "my.inter"
    raw.write_text("user_id:token\titem_id:token\n7\ta\n")
    with pytest.raises(DataError, match="--time=file.*'user_id:token'"):
        prepared(raw, tmp_path / "s")
    assert prepared(raw, tmp_path / "s", time="file")[0] == [[0, 0, 0, 1]]


def test_a_line_a_user_and_an_item(tmp_path):
    """SASRec's: in order, users one after the other or mixed."""
    raw = tmp_path / "ml.txt"
    raw.write_text("7 30\n3 4\n7 4\n7 30\n")
    rows, ids, meta = prepared(raw, tmp_path / "s")
    # 30 and 4 occur twice each: 4 comes first.
    assert (rows, ids) == ([[0, 0, 0, 1], [0, 2, 1, 2]], ["4", "30"])
    assert meta["choices"]["time_column"] is None
    assert meta["item_id_type"] == "int"


def test_a_line_a_user_and_all_items(tmp_path):
    """S3-Rec's; a line begins with the user."""
    raw = tmp_path / "Beauty.txt"
    raw.write_text("7 30 4 30\n\n3 4\n")
    rows, ids, meta = prepared(raw, tmp_path / "s")
    assert (rows, ids) == ([[0, 0, 0, 1], [0, 2, 1, 2]], ["4", "30"])
    assert meta["raw"][0]["bytes"] == 15
    # The same file prepared in the same way is left as it is.
    stamp = (tmp_path / "s" / "meta.json").stat().st_mtime_ns
    prepared(raw, tmp_path / "s")
    assert (tmp_path / "s" / "meta.json").stat().st_mtime_ns == stamp


def test_a_user_without_items(tmp_path):
    raw = tmp_path / "a.txt"
    raw.write_text("7 30 4\n\n3\n")
    with pytest.raises(DataError, match=r"a.txt, line 3: .*Received: '3'"):
        prepared(raw, tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_ids_that_are_no_numbers(tmp_path):
    raw = tmp_path / "a.txt"
    raw.write_text("u1 x 007 x\n")
    rows, ids, _ = prepared(raw, tmp_path / "s", format="user_items")
    assert (rows, ids) == ([[0, 1, 2, 1]], ["x", "007"])


@pytest.mark.parametrize("block", [1, 2, 1000])
def test_other_separators(tmp_path, monkeypatch, block):
    monkeypatch.setattr(raw_files, "_BLOCK", block)
    monkeypatch.setattr(separators, "_BLOCK", block)
    raw = tmp_path / "a.csv"
    raw.write_text(
        "who;user;item;time\nx;7;b;20\ny;7;a;30\nz;7;a;10\nw;3;b;1\n"
    )
    rows, ids, meta = prepared(raw, tmp_path / "s", separator=";")
    assert (rows, ids) == (ROWS, ["a", "b"])
    assert meta["choices"]["separator"] == ";"
    raw.write_text("7\tb\n7\ta\n")
    named = {"columns": ["user", "item"], "separator": "\t", "time": "file"}
    assert prepared(raw, tmp_path / "t", **named)[0] == [[0, 0, 2, 1]]


@pytest.mark.parametrize("block", [1, 2, 1000])
def test_separators_and_commas_within_fields(tmp_path, monkeypatch, block):
    """They belong to their field: prices, and what quotes keep together."""
    monkeypatch.setattr(separators, "_BLOCK", block)
    raw = tmp_path / "a.csv"
    raw.write_text(
        '\ufeff"user";price;item;time\n7;4,50;"semi;colon";1\n'
        '7;1,00;Shirt, red;2\n7;"0";"say ""hi""; you";3\n'
    )
    rows, ids, _ = prepared(raw, tmp_path / "s", separator=";")
    assert ids == ["Shirt, red", 'say "hi"; you', "semi;colon"]
    assert rows == [[0, 3, 1, 2]]
    raw = tmp_path / "my.inter"
    raw.write_text(
        "user_id:token\titem_id:token\ttimestamp:float\n"
        "u1\tShirt, red\t2\nu1\tHat\t1\n"
    )
    rows, ids, _ = prepared(raw, tmp_path / "t", format="recbole")
    assert (rows, ids) == ([[0, 0, 1, 2]], ["Hat", "Shirt, red"])


def converted(text, separator):
    stream = separators.WithCommas(io.BytesIO(text), separator)
    return io.BufferedReader(stream).read()


@pytest.mark.parametrize("block", [1, 1000])
def test_what_fields_hold_stays(monkeypatch, block):
    monkeypatch.setattr(separators, "_BLOCK", block)
    monkeypatch.setattr(separators, "_LINES", 1)
    # Stray quotes, ends of lines of all kinds, bytes that are no text.
    text = b'7" x;4,5\r\n\n"a\r\nb;""";"c\rd"\n\xff;""\n'
    assert converted(text, ";") == (
        b'"7"" x","4,5"\r\n\r\n"a\r\nb;""","c\rd"\r\n\xff,\r\n'
    )
    # Several characters separate whatever is quoted, and all of it alike.
    found = converted(b'1::4,5::"x"\r\n\n2::"x"::c\n', "::")
    assert found.split() == [b'1,"4,5","""x"""', b'2,"""x""",c']


@pytest.mark.parametrize("block", [1, 1000])
@pytest.mark.parametrize(
    ("lines", "number"),
    [
        ('1;a;1;x\n1;b;2;"y\n1;c;3;z\n2;a;1;x\n', 3),
        ('1;a;1;"x\n1;b;2;y\n1;c;3;z"\n2;d;4;w\n', 2),
        ('1;a;1;x\n1;"b"c;2;y\n', 3),
        ('1;a;1;x\n1;b;2;y\n1;"c;3;z\n' + "2;d;4;w\n" * 30_000, 4),
    ],
)
def test_quotes_that_are_not_closed(
    tmp_path, monkeypatch, lines, number, block
):
    """No line goes without a word, and the right one is named."""
    monkeypatch.setattr(separators, "_BLOCK", block)
    raw = tmp_path / "a.csv"
    raw.write_text("user;item;time;title\n" + lines)
    with pytest.raises(DataError, match=f"a.csv, line {number}: .*quote"):
        prepared(raw, tmp_path / "s", separator=";")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("text", ["x" * 200_000, "\n", "q\rr;\n"])
def test_long_fields_and_line_ends_within_quotes(tmp_path, text):
    raw = tmp_path / "a.csv"
    raw.write_text(
        f'user;item;time;title\n7;a;1;"{text}"\n7;b;2;x\n7;a;3;"{text}"\n',
        newline="",
    )
    rows, ids, _ = prepared(raw, tmp_path / "s", separator=";")
    assert (rows, ids) == ([[0, 1, 2, 1]], ["a", "b"])


def test_a_separator_of_a_format_that_has_its_own(tmp_path):
    (tmp_path / "my.inter").write_text("user_id:token\titem_id:token\n7\ta\n")
    (tmp_path / "a.txt").write_text("7 30 4\n")
    for name, format in (("my.inter", "recbole"), ("a.txt", "user_items")):
        with pytest.raises(DataError, match="a csv file alone"):
            prepared(
                *(tmp_path / name, tmp_path / "s"),
                **{"format": format, "separator": ";", "time": "file"},
            )


def test_a_separator_that_is_none(tmp_path):
    raw = tmp_path / "a.csv"
    raw.write_text("user;item\n1;2\n")
    named = {"format": "interactions"}
    for separator in ("", '"', "\n"):
        with pytest.raises(DataError, match="separator of fields"):
            prepared(raw, tmp_path / "s", separator=separator, **named)


TAKEN = pd.DataFrame({"user_id": [7, 7, 7, 3], "item_id": ["b", "a", "a", "b"]})


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    raw = tmp_path / "my.parquet"
    frame = TAKEN.assign(ts=pd.to_datetime([20, 30, 10, 1], unit="s", utc=True))
    frame.to_parquet(raw)
    rows, ids, meta = prepared(raw, tmp_path / "s")
    assert (rows, ids) == (ROWS, ["a", "b"])
    assert np.load(tmp_path / "s" / "times.npy").tolist() == [1, 30]
    assert meta["raw"][0]["bytes"] == raw.stat().st_size
    raw.write_bytes(raw.read_bytes()[:50])
    with pytest.raises(DataError, match=r"Expected a parquet file.*my.parquet"):
        prepared(raw, tmp_path / "t")


def test_a_folder_of_parquet(tmp_path):
    """As Spark writes it: parts, a mark of success, columns in names."""
    pytest.importorskip("pyarrow")
    raw = tmp_path / "my.parquet"
    frame = TAKEN.assign(
        ts=[datetime.date(1970, 1, day) for day in (3, 4, 2, 1)]
    )
    for name, part in (
        ("part-00000.snappy.parquet", frame[:2]),
        ("part-00001.snappy.parquet", frame[2:]),
    ):
        (raw / "shop=a").mkdir(parents=True, exist_ok=True)
        part.to_parquet(raw / "shop=a" / name)
    (raw / "_SUCCESS").touch()
    (raw / ".part-00000.snappy.parquet.crc").write_bytes(b"crc")
    rows, ids, meta = prepared(raw, tmp_path / "s")
    assert (rows, ids) == (ROWS, ["a", "b"])
    # Seconds of the first and of the fourth day.
    assert np.load(tmp_path / "s" / "times.npy").tolist() == [0, 3 * 86400]
    (before,) = meta["raw"]
    assert before["name"] == "my.parquet"
    assert sessions.is_of(tmp_path / "s", raw)
    # Another part is another source, whatever it is called.
    frame[:1].to_parquet(raw / "shop=a" / "part-00002")
    assert not sessions.is_of(tmp_path / "s", raw)
    with pytest.raises(DataError, match="prepared"):
        prepared(raw, tmp_path / "s")
    # Times of two kinds have no order.
    frame.assign(ts=[1, 2, 3, 4]).to_parquet(raw / "shop=a" / "part-00003")
    with pytest.raises(DataError, match="all numbers or all dates.*my.parqu"):
        prepared(raw, tmp_path / "t")
    # An order is no time, though both are numbers; nor is nothing.
    ordered = frame.rename(columns={"ts": "order"}).assign(order=[1, 2, 3, 4])
    ordered.to_parquet(raw / "shop=a" / "part-00003")
    with pytest.raises(DataError, match="Expected parts with the columns of"):
        prepared(raw, tmp_path / "t")
    (raw / "shop=a" / "part-00003").write_text("read me")
    with pytest.raises(DataError, match="a parquet file.*part-00003"):
        prepared(raw, tmp_path / "t")


def test_a_folder_of_parts_without_a_row(tmp_path):
    pytest.importorskip("pyarrow")
    (tmp_path / "my").mkdir()
    TAKEN.assign(ts=[1, 2, 3, 4])[:0].to_parquet(tmp_path / "my" / "a.parquet")
    with pytest.raises(DataError, match="Expected interactions.*empty"):
        prepared(tmp_path / "my", tmp_path / "s")


def test_parts_need_not_be_alike_in_what_is_not_read(tmp_path):
    pytest.importorskip("pyarrow")
    raw = tmp_path / "my.parquet"
    frame = TAKEN.assign(price=[1, 2, 3, 4])
    for ts, part in (("2026-01-02", frame[:2]), ("2026-01-01", frame[2:])):
        (raw / f"ts={ts}").mkdir(parents=True)
        part.to_parquet(raw / f"ts={ts}" / "part-0")
    # A column that is in the file is not that of the folder.
    more = frame[:1].assign(price=[None], ts=["2026-01-03"], item_id="c")
    (tmp_path / "elsewhere").mkdir()
    more.to_parquet(tmp_path / "elsewhere" / "part-1.parquet")
    (raw / "ts=1").symlink_to(tmp_path / "elsewhere")
    (raw / "elsewhere").symlink_to(raw)  # without an end
    rows, ids, _ = prepared(raw, tmp_path / "s")
    by_user = {tuple(ids[i - 1] for i in row if i) for row in rows}
    assert by_user == {("b",), ("a", "b", "a", "c")}
    (raw / "_delta_log").mkdir()
    with pytest.raises(DataError, match="a Delta table"):
        prepared(raw, tmp_path / "t")
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="folder of parquet files.*none"):
        prepared(tmp_path / "none", tmp_path / "t", format="parquet")


def test_what_is_wrong_with_parquet_names_the_file(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"user": [1, 2], "item": ["a", None], "ts": [1, 2]})
    frame.to_parquet(tmp_path / "my.parquet")
    with pytest.raises(DataError, match="my.parquet: Expected no empty item"):
        prepared(tmp_path / "my.parquet", tmp_path / "s")


def test_ids_beyond_64_bits_with_a_sign():
    users, steps = np.divmod(np.arange(9), 3)
    made = make_sessions(
        {
            "user": users,
            "item": np.uint64(2**63) + steps.astype("uint64"),
            "time": steps,
        },
        t=3,
        min_length=1,
        min_users_per_item=0,
        min_items_per_user=0,
    )
    assert [*made.raw_ids][-3:] == [2**63, 2**63 + 1, 2**63 + 2]


def test_parquet_without_its_reader(tmp_path, monkeypatch):
    def refuse(*_):
        raise ImportError("no pyarrow")

    monkeypatch.setattr(pd, "read_parquet", refuse)
    (tmp_path / "my.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="pip install pyarrow"):
        prepared(tmp_path / "my.parquet", tmp_path / "s")
