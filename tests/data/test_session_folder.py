"""What `preparation` writes is read; what was damaged since is refused.

Every damage is tried twice: with the checksums in meta.json, which find it at
once, and without, as in a folder prepared before there were any.
"""

import json
import re

import numpy as np
import pytest

from nextitnet_tf import data
from nextitnet_tf.preparation import sessions as writer
from nextitnet_tf.preparation.errors import DataError

ROWS = [[0, 0, 2, 1], [3, 1, 2, 1], [0, 1, 3, 1], [1, 2, 2, 4]]
USERS = [0, 0, 1, 2]
RAW_IDS = ["b", "a", 'c,"1"', "ü"]
COUNTS = [6, 4, 2, 1]


@pytest.fixture(name="folder")
def fixture_folder(tmp_path):
    return writer.write_sessions(
        tmp_path / "s",
        np.array(ROWS),
        np.array(USERS),
        RAW_IDS,
        np.array(COUNTS),
        {"source": "x"},
        rows_per_file=3,
    )


def change_meta(folder, **changes):
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    meta |= changes
    kept = {name: value for name, value in meta.items() if value is not ...}
    (folder / "meta.json").write_text(json.dumps(kept), encoding="utf-8")


def refusal(folder):
    """The message with which the folder is refused."""
    with pytest.raises(ValueError) as caught:
        data.read_sessions(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("Expected ")
    assert "Received: " in message
    assert "--force" in message
    return message


@pytest.mark.parametrize("has_checksums", [True, False])
def test_what_is_written_is_read(folder, has_checksums):
    if not has_checksums:
        change_meta(folder, files=...)
    found = data.read_sessions(folder)
    assert found.rows.tolist() == ROWS
    assert found.users.tolist() == USERS
    assert list(found.vocabulary.raw_ids) == [None, *RAW_IDS]
    assert list(found.vocabulary.counts) == [0, *COUNTS]
    assert found.meta["source"] == "x"


def test_integers_are_read_as_integers(tmp_path):
    folder = writer.write_sessions(
        tmp_path / "s",
        np.array([[0, 1], [2, 1]]),
        np.array([0, 1]),
        [-7, 2**40],
        np.array([2, 1]),
        {},
    )
    found = data.read_sessions(folder)
    assert list(found.vocabulary.raw_ids) == [None, -7, 2**40]
    # One file: what is read stays on disk.
    assert isinstance(found.rows, np.memmap)


def save(name, array):
    return lambda folder: np.save(folder / name, array)


def save_archive(name):
    def change(folder):
        with open(folder / name, "wb") as file:
            np.savez(file, rows=ARRAY)

    return change


def edit(name, old, new):
    def change(folder):
        content = (folder / name).read_bytes()
        assert old in content
        (folder / name).write_bytes(content.replace(old, new, 1))

    return change


def cut(name, size):
    def change(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[:size])

    return change


def append(name, tail):
    def change(folder):
        with open(folder / name, "ab") as file:
            file.write(tail)

    return change


def flip(name, place, bit):
    def change(folder):
        content = bytearray((folder / name).read_bytes())
        content[place] ^= 1 << bit
        (folder / name).write_bytes(content)

    return change


def rows(*changes):
    """The first file's three rows, with (row, column, id) changed."""
    array = np.array(ROWS[:3], "<i4")
    for row, column, item in changes:
        array[row, column] = item
    return save("sessions-00000.npy", array)


def remove(name):
    return lambda folder: (folder / name).unlink()


def make_directory(name):
    def change(folder):
        (folder / name).unlink()
        (folder / name).mkdir()

    return change


S, U, I = "sessions-00000.npy", "users.npy", "items.csv"  # noqa: E741
ARRAY = np.array(ROWS[:3], "<i4")


@pytest.mark.parametrize("has_checksums", [True, False])
@pytest.mark.parametrize(
    ("change", "file", "message"),
    [
        # Rows.
        (rows((0, 3, 5)), S, "row 0.*id=5"),
        (rows((1, 0, -1)), S, "row 1.*id=-1"),
        (rows((1, 0, 2**31 - 1)), S, "id=2147483647"),
        (rows((1, 1, 0)), S, "row 1.*left alone.*3, 0, 2, 1"),
        (rows((2, 3, 0)), S, "row 2.*item at the end"),
        (rows((0, 2, 0), (0, 3, 0)), S, "row 0.*item at the end"),
        (save(S, ARRAY.astype("<f4")), S, "dtype=<f4"),
        (save(S, ARRAY.astype("<i8")), S, "dtype=<i8"),
        (save(S, ARRAY.astype(">i4")), S, "dtype=>i4"),
        (save(S, ARRAY.ravel()), S, r"shape=\(12,\)"),
        (save(S, ARRAY[:, 1:]), S, "t=4.*shape"),
        (save(S, np.asfortranarray(ARRAY)), S, "Fortran"),
        (cut(S, 100), S, "npy"),
        (cut(S, 160), S, "npy"),
        (cut(S, 0), S, "npy"),
        (append(S, b"\0" * 4), S, "bytes"),
        (edit(S, b"\x93NUMPY", b"\x80NUMPY"), S, "npy"),
        (edit(S, b"descr", b"desc\xff"), S, "npy"),
        (flip(S, -4, 0), S, "0, 1, 3, 0"),
        (make_directory(S), S, "npy|read"),
        (save_archive(S), S, "npy.*NpzFile"),
        (save(S, ARRAY[:2]), S, "num_rows=3.*meta.json.*num_rows=4"),
        (remove("sessions-00001.npy"), "00001.npy", "num_rows=3.*meta.json"),
        (remove(S), S, "num_rows=1.*meta.json"),
        # Users.
        (save(U, np.array([0, 0, -1, 2], "<i4")), U, "row 2.*user=-1"),
        (save(U, np.array([0, 0, 1, 3], "<i4")), U, "row 3.*user=3"),
        (save(U, np.array([0, 0, 1], "<i4")), U, r"shape=\(3,\)"),
        (save(U, np.array([[0], [0], [1], [2]], "<i4")), U, "shape"),
        (save(U, np.array([0.0, 0, 1, 2])), U, "dtype=<f8"),
        (flip(U, -1, 7), U, "row 3.*user=-2147483646"),
        (remove(U), U, "FileNotFoundError"),
        # Items.
        (edit(I, b"1,b,6\n2,a,4\n", b"2,a,4\n1,b,6\n"), I, "line 2.*id 1"),
        (edit(I, b"2,a,4\n", b""), I, "line 3.*id 2.*id='3'"),
        (edit(I, "4,ü,1\n".encode(), b""), I, "num_items=4.*3 items"),
        (append(I, b"5,z,0\n"), I, "num_items=4.*5 items"),
        (edit(I, b"2,a,4", b"2,b,4"), I, "once.*'b' twice"),
        (edit(I, b"1,b,6", b"1,b,5"), I, "item 1.*count=6.*count=5"),
        (edit(I, b"1,b,6", b"1,b,-6"), I, "line 2.*count='-6'"),
        (edit(I, b"1,b,6", b"1,b,6.0"), I, "line 2.*count='6.0'"),
        (edit(I, b"1,b,6", b"1,b"), I, "line 2.*3 fields"),
        (edit(I, b"1,b,6", b"1,,6"), I, "line 2.*raw_id=''"),
        (edit(I, b"1,b,6", b'1,"b\nb",6'), I, "raw_id"),
        (edit(I, b"1,b,6", b'1,"b,6'), I, "quote|comma|fields"),
        (edit(I, b"1,b,6", b"1,\xff,6"), I, "UTF-8"),
        (edit(I, b"id,raw_id,count\n", b""), I, "columns"),
        (edit(I, b"raw_id,count", b"count,raw_id"), I, "columns"),
        (cut(I, 0), I, "columns"),
        (remove(I), I, "FileNotFoundError"),
    ],
)
def test_damage(folder, has_checksums, change, file, message):
    change(folder)
    if has_checksums:
        assert file in refusal(folder)
        # The side that prepares refuses to take it for prepared, too.
        with pytest.raises(DataError, match="--force"):
            writer.check_folder(folder)
        return
    change_meta(folder, files=...)
    found = refusal(folder)
    for part in message.split(".*"):  # in any order
        assert re.search(part, found), found
    assert (str(folder / file) in found) or "meta.json" in message


@pytest.mark.parametrize(
    ("change", "file", "message"),
    [
        # Rows 1 and 2 of one user exchanged; another user; another raw id.
        (save(S, ARRAY[[1, 0, 2]]), S, "sha256="),
        (save(U, np.array([0, 1, 1, 2], "<i4")), U, "sha256="),
        (edit(I, b"2,a,4", b"2,z,4"), I, "sha256="),
        (append(I, b"5,z,0\n"), I, "bytes"),
    ],
)
def test_what_checksums_alone_can_tell(folder, change, file, message):
    change(folder)
    found = refusal(folder)
    assert str(folder / file) in found and message in found
    with pytest.raises(DataError, match=f"{file}.*--force"):
        writer.check_folder(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b"3",
        b'"x"',
        b"{",
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_a_meta_json_that_is_none(folder, content):
    (folder / "meta.json").write_bytes(content)
    assert str(folder / "meta.json") in refusal(folder)
    with pytest.raises(DataError, match="meta.json.*--force"):
        writer.check_folder(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"t": ...}, "t=None"),
        ({"t": "4"}, "t='4'"),
        ({"t": 4.0}, "t=4.0"),
        ({"t": True}, "t=True"),
        ({"t": 1}, "t=1"),
        ({"t": 5}, "t=5.*shape=.3, 4."),
        ({"num_rows": 5}, "num_rows=5"),
        ({"num_rows": ...}, "num_rows=None"),
        ({"num_users": 2}, "user=2"),
        ({"num_users": ...}, "num_users=None"),
        ({"num_items": 3}, "4 items"),
        ({"num_items": ...}, "num_items=None"),
        ({"format_version": 2}, "format_version=2"),
        ({"format_version": ...}, "format_version=None"),
        ({"item_id_type": "float"}, "item_id_type='float'"),
        ({"item_id_type": ...}, "item_id_type=None"),
        ({"item_id_type": "int"}, "raw_id='b'"),
        ({"files": None}, "None"),
        ({"files": []}, "object of files"),
        ({"files": {}}, "items.csv, which is not listed"),
        ({"files": {"users.npy": 3}}, "bytes and sha256 of users.npy"),
    ],
)
def test_a_meta_json_that_says_something_else(folder, changes, message):
    change_meta(folder, **changes)
    found = refusal(folder)
    assert re.search(message, found), found
    assert "meta.json" in found or "items.csv" in found


@pytest.mark.parametrize("raw_id", ["007", "+7", "7_0", " 7", "7.0", "", "٣"])
def test_integers_that_are_not_printed_as_integers(tmp_path, raw_id):
    """Python's `int` would take most of them."""
    folder = writer.write_sessions(
        tmp_path / "s",
        np.array([[0, 1], [2, 1]]),
        np.array([0, 1]),
        [70, 71],
        np.array([2, 1]),
        {},
    )
    change_meta(folder, files=...)
    edit("items.csv", b"1,70,", f"1,{raw_id},".encode())(folder)
    assert f"raw_id={raw_id!r}" in refusal(folder)


def test_a_number_of_items_that_is_no_name(folder):
    with pytest.raises(ValueError, match="item_ids='frequenzy'"):
        data.read_sessions(folder, "frequenzy")
