"""The format on disk: its bytes, its checks, and what replaces what."""

import hashlib
import json
import pathlib

import numpy as np
import pytest

from nextitnet_tf.preparation import sessions
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.session_arrays import by_frequency

ROWS = np.array([[0, 1, 2], [3, 1, 1]])
USERS = np.array([0, 1])


def write(folder, **options):
    return sessions.write_sessions(
        folder, ROWS, USERS, ["b", "a,1", "c"], [3, 1, 1], {"source": "x"},
        **options,
    )  # fmt: skip


def test_files_and_their_content(tmp_path):
    folder = write(tmp_path / "new" / "s")
    assert sorted(path.name for path in folder.iterdir()) == [
        "items.csv", "meta.json", "sessions-00000.npy", "users.npy",
    ]  # fmt: skip
    rows = np.load(folder / "sessions-00000.npy", allow_pickle=False)
    assert rows.dtype.str == "<i4"
    assert rows.flags.c_contiguous
    assert rows.tolist() == [[0, 1, 2], [3, 1, 1]]
    users = np.load(folder / "users.npy", allow_pickle=False)
    assert users.dtype.str == "<i4"
    assert users.tolist() == [0, 1]
    assert (folder / "items.csv").read_text() == (
        'id,raw_id,count\n1,b,3\n2,"a,1",1\n3,c,1\n'
    )
    meta = sessions.read_meta(folder)
    assert sorted(meta.pop("files")) == [
        "items.csv", "sessions-00000.npy", "users.npy",
    ]  # fmt: skip
    assert meta == {
        "format_version": 1,
        "source": "x",
        "t": 3,
        "num_rows": 2,
        "num_users": 2,
        "num_items": 3,
        "item_id_type": "str",
    }


def test_sizes_and_checksums_of_the_files(tmp_path):
    folder = write(tmp_path / "s")
    files = sessions.read_meta(folder)["files"]
    for name, about in files.items():
        content = (folder / name).read_bytes()
        assert about == {
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }


@pytest.mark.parametrize("name", ["items.csv", "users.npy"])
def test_a_file_that_was_changed(tmp_path, name):
    folder = write(tmp_path / "s")
    content = bytearray((folder / name).read_bytes())
    content[-2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=f"{name} .*sha256.*--force"):
        sessions.check_folder(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": 2}, "format_version=2; .*--force"),
        ({"files": {}}, "items.csv, which is not listed; .*--force"),
        ({"files": None}, "items.csv, which is not listed"),
        ({"t": "3"}, "a whole number t; .*--force"),
        ({"num_rows": 3}, "Expected 3 sessions.*2 sessions"),
    ],
)
def test_a_meta_json_of_something_else(tmp_path, changes, message):
    folder = write(tmp_path / "s")
    meta = sessions.read_meta(folder) | changes
    (folder / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(DataError, match=message):
        sessions.check_folder(folder)


def test_a_folder_prepared_before_there_were_checksums(tmp_path):
    folder = write(tmp_path / "s")
    meta = sessions.read_meta(folder)
    del meta["files"]
    (folder / "meta.json").write_text(json.dumps(meta))
    assert sessions.check_folder(folder, t=3) == meta


def test_several_files_hold_the_rows_in_order(tmp_path):
    folder = sessions.write_sessions(
        tmp_path / "s", np.array([[1, 2], [2, 1], [0, 1]]), np.arange(3),
        [7, 8], [3, 2], {}, rows_per_file=2,
    )  # fmt: skip
    assert np.load(folder / "sessions-00000.npy").tolist() == [[1, 2], [2, 1]]
    assert np.load(folder / "sessions-00001.npy").tolist() == [[0, 1]]
    assert sessions.check_folder(folder, t=2)["item_id_type"] == "int"


def test_another_t(tmp_path):
    folder = write(tmp_path / "s")
    with pytest.raises(DataError, match="Expected t=20 .*Received: t=3; prep"):
        sessions.check_folder(folder, t=20)


@pytest.mark.parametrize(
    "content", [None, "", "{}", "[1]", '{"format_version": 99}']
)
def test_not_a_prepared_folder(tmp_path, content):
    if content is not None:
        (tmp_path / "meta.json").write_text(content)
    with pytest.raises(DataError, match="^Expected .* Received: "):
        sessions.check_folder(tmp_path)


def test_missing_folder(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        sessions.read_meta(tmp_path / "none")


@pytest.mark.parametrize(
    "name", ["sessions-00000.npy", "users.npy", "items.csv"]
)
def test_missing_or_damaged_file(tmp_path, name):
    folder = write(tmp_path / "s")
    (folder / name).unlink()
    with pytest.raises(DataError, match="or a missing file"):
        sessions.check_folder(folder)


def test_an_existing_folder_is_replaced_only_when_asked(tmp_path):
    folder = write(tmp_path / "s")
    (folder / "sessions-00007.npy").touch()
    with pytest.raises(DataError, match="does not exist yet"):
        write(folder)
    assert (folder / "sessions-00007.npy").exists()
    write(folder, replace=True)
    assert not (folder / "sessions-00007.npy").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("name", ["thesis.txt", "meta.json"])
def test_what_is_not_ours_is_never_deleted(tmp_path, replace, name):
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / name).write_text("{}")
    (folder / "other").touch()
    with pytest.raises(DataError, match="holds something else"):
        write(folder, replace=replace)
    assert (folder / "other").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "s").mkdir()
    sessions.check_folder(write(tmp_path / "s"))


@pytest.mark.parametrize(
    ("error", "expected"),
    [(OSError, DataError), (KeyboardInterrupt, KeyboardInterrupt)],
)
def test_nothing_is_left_when_writing_stops(
    tmp_path, monkeypatch, error, expected
):
    def stop(*args, **kwargs):
        raise error

    monkeypatch.setattr(json, "dumps", stop)  # the last file to be written
    with pytest.raises(expected):
        write(tmp_path / "s")
    assert list(tmp_path.iterdir()) == []


def test_the_old_folder_comes_back_when_replacing_stops(tmp_path, monkeypatch):
    folder = write(tmp_path / "s")
    rename = sessions.os.rename
    calls = []

    def stop_at_the_second(source, target):
        calls.append(source)
        if len(calls) == 2:
            raise KeyboardInterrupt
        rename(source, target)

    monkeypatch.setattr(sessions.os, "rename", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        write(folder, replace=True)
    sessions.check_folder(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def test_numbers_by_frequency_and_then_raw_order():
    order, ids = by_frequency(np.array([2, 0, 5, 2, 1]))
    assert order.tolist() == [2, 0, 3, 4]
    assert ids.tolist() == [2, 0, 1, 3, 4]


@pytest.mark.parametrize(
    ("rows", "users", "raw_ids", "counts"),
    [
        (np.zeros((0, 3)), np.zeros(0), [1], [1]),
        (np.ones((2, 3)), np.zeros(1), [1], [6]),
        (np.full((2, 3), 2), np.zeros(2), [1], [6]),
        (np.ones((2, 3)), np.zeros(2), [1, 2], [6]),
        (np.ones((2, 3)), np.zeros(2), [1, "a"], [6, 0]),
        (np.array([[1, -1, 1]]), np.zeros(1), [1], [2]),
        (np.array([[1, 0, 1]]), np.zeros(1), [1], [2]),
        (np.array([[1, 1, 0]]), np.zeros(1), [1], [2]),
        (np.ones((2, 3)), np.array([0, 2]), [1], [6]),
        (np.ones((2, 3)), np.array([-1, 0]), [1], [6]),
        (np.ones((2, 3)), np.zeros(2), [1], [5]),
        (np.ones((2, 3)), np.zeros(2), [1, 2], [6, 1]),
        (np.array([[1, 2]]), np.zeros(1), ["a", "a"], [1, 1]),
        (np.ones((2, 3)), np.zeros(2), ["a\nb"], [6]),
        (np.ones((2, 3)), np.zeros(2), [""], [6]),
    ],
)
def test_arrays_that_do_not_fit(tmp_path, rows, users, raw_ids, counts):
    with pytest.raises(DataError, match="Received: "):
        sessions.write_sessions(
            tmp_path / "s", rows, users, raw_ids, counts, {}
        )
    assert list(pathlib.Path(tmp_path).iterdir()) == []
