"""What Spark prepares is what `prepare` prepares, byte for byte."""

import gzip
import json
import pathlib
import subprocess
import sys

import pytest

from nextitnet_tf.commands import prepare_spark
from nextitnet_tf.preparation import prepare
from nextitnet_tf.preparation.errors import DataError

if lacking := prepare_spark.missing():
    pytest.skip(f"Spark needs {lacking}", allow_module_level=True)

from nextitnet_tf.preparation import spark

ROOT = pathlib.Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="module", name="session")
def fixture_session():
    """Spark, within this process."""
    with spark.session("local[2]") as session:
        session.conf.set("spark.sql.shuffle.partitions", 3)
        yield session


def lines_of(num_users=30, with_times=True):
    """Users of different lengths, ties in time, out of order."""
    lines = []
    for user in range(num_users):
        for i in range(3 + user % 17):
            item = (user * 7 + i * i) % 23
            time = (i // 2 * 10) if with_times else ""
            lines.append(f"u{user % 25},{item},{time}")
    return lines[::2] + lines[1::2]


def files_of(folder):
    return {
        path.name: path.read_bytes()
        for path in pathlib.Path(folder).iterdir()
        if path.name != "meta.json"
    }


def both(session, tmp_path, text, name="raw.csv", **choices):
    """The folder that Spark writes, after comparing it with the other."""
    raw = tmp_path / name
    opened = gzip.open if name.endswith(".gz") else open
    with opened(raw, "wt", encoding="utf-8") as file:
        file.write(text)
    ours = prepare(raw, tmp_path / "pandas", **choices)
    theirs = spark.prepare(session, str(raw), tmp_path / "spark", **choices)
    assert files_of(ours) == files_of(theirs)
    metas = [json.loads((f / "meta.json").read_text()) for f in (ours, theirs)]
    assert metas[0] == metas[1]
    return theirs


@pytest.mark.parametrize(
    "choices",
    [
        {"t": 4, "min_length": 2},
        {"t": 5, "min_length": 1, "cut_from": "start"},
        {"t": 4, "min_length": 4, "min_users_per_item": 4, "iterate": True}
        | {"min_items_per_user": 7},
        {"t": 3, "min_length": 1, "filter_order": ("users", "items")}
        | {"min_items_per_user": 9, "min_users_per_item": 3},
        {"t": 6, "min_length": 1, "time": "file"},
    ],
)
def test_the_same_folder(choices, session, tmp_path):
    usual = {"min_users_per_item": 2, "min_items_per_user": 2}
    text = "\n".join(["user,item,timestamp", *lines_of()]) + "\n"
    both(session, tmp_path, text, **{**usual, **choices})


KEEP_ALL = {"min_users_per_item": 1, "min_items_per_user": 1, "min_length": 1}


@pytest.mark.parametrize(
    "rows",
    [
        ["2,10,5", "10,9,4", "2,9,6", "10,10,7"],  # 2 before 10
        ["b,x,5", "a,é,4", "b,é,6", "Z,𝄞,7", "a,\uffee,9"],  # by code point
        ["007,1,5", "7,1,4", "7,2,6"],  # text: 007 is not 7
        [" 1 ,5,3", '1,"5",4', "1,6,2"],  # the same user, the same item
        ['1,"a,b",3', '1,"q""w",4', "1,x,2"],
        ["1,5,1.5", "1,6,1", "1,7,1e-3"],
        ["1,5,2024-01-31 10:00:00.25", "1,6,2024-01-30", "1,7,2024-02-01"],
        ["1,5,2024-01-31T10:00:00+02:00", "1,6,2024-01-31T09:00:00Z"],
        ["99999999999999999999,5,1", "1,5,2"],  # beyond 64 bits: text
        ["1,5,-3", "1,6,+4", "1,7,0"],
    ],
)
def test_ids_and_times(rows, session, tmp_path):
    text = "\n".join(["user,item,timestamp", *rows]) + "\n"
    both(session, tmp_path, text, t=3, **KEEP_ALL)


def test_by_hand(session, tmp_path):
    """Rows of 2, the oldest chunk short, ids by falling frequency."""
    raw = tmp_path / "raw.csv"
    raw.write_text(
        "user,item,timestamp\n"
        "7,30,3\n7,10,1\n7,20,2\n5,20,9\n5,20,8\n5,30,10\n5,20,7\n"
    )
    folder = spark.prepare(session, str(raw), tmp_path / "out", t=2, **KEEP_ALL)
    from nextitnet_tf import data

    sessions = data.read_sessions(folder)
    # 20 four times, 30 twice, 10 once: items 1, 2, 3.
    assert sessions.vocabulary.raw_ids[1:] == [20, 30, 10]
    assert sessions.rows.tolist() == [[1, 1], [1, 2], [0, 3], [1, 2]]
    assert sessions.users.tolist() == [0, 0, 1, 1]
    assert sessions.times.tolist() == [8, 10, 1, 3]


def test_a_compressed_file(session, tmp_path):
    text = "\n".join(["user,item,timestamp", *lines_of()]) + "\n"
    both(session, tmp_path, text, name="raw.csv.gz", t=4, **KEEP_ALL)


def test_parquet_in_several_files(session, tmp_path):
    """In the order of their names, as one table of all of them."""
    import pandas as pd

    table = pd.DataFrame(
        [line.split(",") for line in lines_of()],
        columns=["user", "item", "timestamp"],
    ).astype({"item": "int64", "timestamp": "int64"})
    raw = tmp_path / "raw.parquet"
    raw.mkdir()
    half = len(table) // 2
    table[:half].to_parquet(raw / "a.parquet")
    table[half:].to_parquet(raw / "b.parquet")
    folder = spark.prepare(
        session, str(raw), tmp_path / "spark", t=4, **KEEP_ALL
    )
    one = tmp_path / "one.parquet"
    table.to_parquet(one)
    assert files_of(folder) == files_of(
        prepare(one, tmp_path / "pandas", t=4, **KEEP_ALL)
    )


BAD = (
    "user,item,timestamp\n"
    "1,5,1\n1,6,2\n,7,3\n1,,4\n1,8,\n1,9\n1,9,5,6\n1,7,soon\n1,5,9\n"
)


def test_bad_rows_are_counted(session, tmp_path):
    raw = tmp_path / "bad.csv"
    raw.write_text(BAD)
    with pytest.raises(DataError, match=r"6 of 9 rows .*skip_bad_rows"):
        spark.prepare(session, str(raw), tmp_path / "out", t=3, **KEEP_ALL)
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


def test_bad_rows_are_left_out(session, tmp_path, capsys):
    raw, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    raw.write_text(BAD)
    good.write_text("user,item,timestamp\n1,5,1\n1,6,2\n1,5,9\n")
    folder = spark.prepare(
        session, str(raw), tmp_path / "out", t=3, skip_bad_rows=True, **KEEP_ALL
    )
    assert "6 of 9 rows" in capsys.readouterr().err
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["skipped_rows"] == 6
    assert files_of(folder) == files_of(
        prepare(good, tmp_path / "pandas", t=3, **KEEP_ALL)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,thing,timestamp\n1,2,3\n", "item"),
        ("user,item,timestamp\n", "empty"),
        ("user,item,timestamp\n1,2,3\n", "left after step 'items'"),
    ],
)
def test_what_cannot_be_prepared(text, message, session, tmp_path):
    raw = tmp_path / "raw.csv"
    raw.write_text(text)
    with pytest.raises(DataError, match=message):
        spark.prepare(session, str(raw), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["raw.csv"]


def test_files_with_other_headers(session, tmp_path):
    """Columns in another order would be taken for each other."""
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.csv").write_text("user,item,timestamp\n1,5,1\n1,6,2\n")
    (raw / "b.csv").write_text("item,user,timestamp\n7,1,3\n8,1,4\n")
    with pytest.raises(DataError, match="header does not conform.*b.csv"):
        spark.prepare(session, str(raw), tmp_path / "out", **KEEP_ALL)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_what_is_no_utf_8(session, tmp_path):
    """Two ids of which nothing can be read would be one item."""
    raw = tmp_path / "raw.csv"
    raw.write_bytes(b"user,item,timestamp\n1,\xff,1\n1,\xfe,2\n1,a,3\n")
    with pytest.raises(DataError, match="2 of 3 rows .*no UTF-8"):
        spark.prepare(session, str(raw), tmp_path / "out", **KEEP_ALL)


def test_a_session_in_another_time_zone(session, tmp_path):
    raw = tmp_path / "raw.csv"
    raw.write_text("user,item,timestamp\n1,5,2024-01-31 10:00\n")
    session.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    try:
        with pytest.raises(DataError, match="Asia/Tokyo"):
            spark.prepare(session, str(raw), tmp_path / "out", **KEEP_ALL)
    finally:
        session.conf.set("spark.sql.session.timeZone", "UTC")


def test_no_such_file(session, tmp_path):
    with pytest.raises(DataError, match="nothing.csv"):
        spark.prepare(session, str(tmp_path / "nothing.csv"), tmp_path / "out")


def test_what_is_prepared_is_left(session, tmp_path):
    raw = tmp_path / "raw.csv"
    raw.write_text("user,item,timestamp\n1,5,1\n1,6,2\n")
    folder = spark.prepare(session, str(raw), tmp_path / "out", **KEEP_ALL)
    before = (folder / "meta.json").stat().st_mtime_ns
    spark.prepare(session, str(raw), folder, **KEEP_ALL)
    assert (folder / "meta.json").stat().st_mtime_ns == before
    with pytest.raises(DataError, match="t=20"):
        spark.prepare(session, str(raw), folder, t=5, **KEEP_ALL)


def test_the_command(tmp_path):
    raw = tmp_path / "raw.csv"
    raw.write_text("user,item,timestamp\n1,5,1\n1,6,2\n")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "datasets.prepare_spark", f"--raw={raw}"),
            *(f"--output={tmp_path / 'out'}", "--master=local[1]"),
            *("--min_users_per_item=1", "--min_items_per_user=1"),
            "--min_length=1",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "1 rows of t=20, 1 users, 2 items" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "choices"), [("ml-1m", {}), ("globo", {"min_users_per_item": 5})]
)
def test_real_data(name, choices, session, tmp_path):
    raw = SHARED / name / "interactions.csv.gz"
    if not raw.is_file():
        pytest.skip(f"no {raw}")
    ours = prepare(raw, tmp_path / "pandas", **choices)
    theirs = spark.prepare(session, str(raw), tmp_path / "spark", **choices)
    assert files_of(ours) == files_of(theirs)
