"""The sequence contract, on folders of sessions written by hand."""

import dataclasses
import hashlib
import struct

import numpy as np
import pytest

from nextitnet_tf import data
from nextitnet_tf.vocabulary import Vocabulary
from tests.checks import write_sessions
from tests.data.rows_by_hand import ROWS


def test_reading(tmp_path):
    folder = write_sessions(
        tmp_path / "s",
        ROWS,
        users=[7, 7, 8, 9, 9],
        raw_ids=[31, 0, 5, 12],
    )
    sessions = data.read_sessions(folder)
    assert sessions.rows.tolist() == ROWS
    assert sessions.rows.dtype == np.int32
    assert sessions.users.tolist() == [7, 7, 8, 9, 9]
    assert sessions.num_items == 4
    known = sessions.vocabulary
    # Raw id 0 is an item like any other.
    assert list(known.raw_ids) == [None, 31, 0, 5, 12]
    assert list(known.counts) == [0, 6, 7, 3, 1]
    assert known.padding_id == 0
    assert known.history_length == 3
    assert sessions.meta["source"] == "by hand"


def test_reading_string_ids(tmp_path):
    raw_ids = ["b", "007", 'a,"quoted"', "ü"]
    folder = write_sessions(tmp_path / "s", ROWS, raw_ids=raw_ids)
    known = data.read_sessions(folder).vocabulary
    assert list(known.raw_ids) == [None, *raw_ids]


def test_reading_several_files_in_order(tmp_path):
    folder = write_sessions(tmp_path / "s", ROWS)
    for i in range(3):
        part = np.array(ROWS[i : i + 1], "<i4") if i < 2 else ROWS[2:]
        np.save(folder / f"sessions-0000{i}.npy", np.asarray(part, "<i4"))
    assert data.read_sessions(folder).rows.tolist() == ROWS


def test_numbering_by_first_appearance(tmp_path):
    folder = write_sessions(
        tmp_path / "s",
        ROWS,
        raw_ids=[31, 32, 33, 34],
    )
    sessions = data.read_sessions(folder, "first_appearance")
    # 0 -> 1, 2 -> 2, 1 -> 3, 3 -> 4, 4 -> 5; id 0 is <UNK>.
    assert sessions.rows.tolist() == [
        [1, 1, 2, 3],
        [4, 3, 2, 2],
        [1, 3, 4, 3],
        [2, 2, 2, 5],
        [3, 2, 3, 4],
    ]
    known = sessions.vocabulary
    assert list(known.raw_ids) == [None, None, 32, 31, 33, 34]
    assert list(known.counts) == [0, 0, 7, 6, 3, 1]
    assert known.padding_id == 1
    assert sessions.num_items == 5  # padding is one of them


def test_numbering_after_unknown(tmp_path):
    folder = write_sessions(tmp_path / "s", ROWS, raw_ids=[31, 32, 33, 34])
    sessions = data.read_sessions(folder, "counted_after_unknown")
    # 2 seven times, 1 six times, padding and 3 three times, and "0" is
    # before "33" as text; 4 once.
    assert sessions.rows.tolist() == [
        [3, 3, 1, 2],
        [4, 2, 1, 1],
        [3, 2, 4, 2],
        [1, 1, 1, 5],
        [2, 1, 2, 4],
    ]
    known = sessions.vocabulary
    assert list(known.raw_ids) == [None, 32, 31, None, 33, 34]
    assert list(known.counts) == [0, 7, 6, 0, 3, 1]
    assert known.padding_id == 3
    assert sessions.num_items == 5
    # Without padding there is no id for it but that of <UNK>.
    folder = write_sessions(tmp_path / "n", [[2, 1, 2], [1, 1, 3]])
    sessions = data.read_sessions(folder, "counted_after_unknown")
    assert sessions.rows.tolist() == [[2, 1, 2], [1, 1, 3]]
    assert sessions.vocabulary.padding_id == 0 and sessions.num_items == 3


def test_first_appearance_in_rows_without_padding(tmp_path):
    folder = write_sessions(tmp_path / "s", [[2, 1, 2], [1, 1, 3]])
    sessions = data.read_sessions(folder, "first_appearance")
    assert sessions.rows.tolist() == [[1, 2, 1], [2, 2, 3]]
    assert list(sessions.vocabulary.raw_ids) == [None, 102, 101, 103]
    assert sessions.vocabulary.padding_id == 0  # <UNK>
    assert sessions.num_items == 3


@pytest.mark.parametrize("missing", ["sessions-00000.npy", "meta.json", None])
def test_what_is_no_folder_of_sessions(tmp_path, missing):
    folder = tmp_path / "s"
    if missing:
        write_sessions(folder, ROWS)
        (folder / missing).unlink()
    with pytest.raises(ValueError, match="prepared sessions.*Received"):
        data.read_sessions(folder)


def test_fingerprint(tmp_path):
    def fingerprint(name, rows=ROWS, item_ids="frequency", **how):
        folder = write_sessions(tmp_path / name, rows, **how)
        return data.read_sessions(folder, item_ids).fingerprint

    first = fingerprint("a")
    assert fingerprint("b") == first
    changed = [*ROWS[:-1], [1, 2, 1, 4]]
    found = {
        first,
        fingerprint("c", rows=changed),
        fingerprint("d", rows=ROWS[::-1]),
        fingerprint("e", users=(0, 0, 2, 3, 4)),
        fingerprint("f", item_ids="first_appearance"),
        # Another item of the same number; the same number as a string.
        fingerprint("g", raw_ids=[101, 102, 103, 105]),
        fingerprint("h", raw_ids=["101", "102", "103", "104"]),
    }
    assert len(found) == 7


def test_fingerprint_is_this_number(tmp_path):
    """Names of runs are made of it: computed apart, byte by byte."""
    folder = write_sessions(
        tmp_path / "s", [[0, 1], [2, 1]], users=[0, 1], raw_ids=[7, 9]
    )
    content = struct.pack("<4i", 0, 1, 2, 1) + struct.pack("<2i", 0, 1)
    content += b"[0, [null, 7, 9]]"
    found = data.read_sessions(folder).fingerprint
    assert found == hashlib.sha256(content).hexdigest()[:16]
    # Another padding id alone is another vocabulary.
    sessions = data.read_sessions(folder)
    prints = {
        dataclasses.replace(
            sessions,
            vocabulary=Vocabulary([None, None, 9], [0, 0, 1], padding_id, 1),
        ).fingerprint
        for padding_id in (0, 1)
    }
    assert len(prints | {found}) == 3


def test_fingerprint_of_pairs():
    def vocabulary(*raw_ids):
        return Vocabulary([None, *raw_ids], [0] * (len(raw_ids) + 1), 0, 2)

    def pairs(source=(7, 9), target=("a", "b"), users=(0, 1)):
        return data.Pairs(
            np.array([[0, 1], [2, 1]], "int32"),
            np.array([1, 2], "int32"),
            np.array(users, "int32"),
            vocabulary(*source),
            vocabulary(*target),
            {},
        )

    content = struct.pack("<8i", 0, 1, 2, 1, 1, 2, 0, 1)
    content += b'[[null, 7, 9], [null, "a", "b"]]'
    first = pairs().fingerprint
    assert first == hashlib.sha256(content).hexdigest()[:16]
    found = {
        first,
        pairs(source=(7, 8)).fingerprint,
        pairs(source=("7", "9")).fingerprint,
        pairs(target=("b", "a")).fingerprint,
        pairs(users=(0, 0)).fingerprint,
    }
    assert len(found) == 5
