"""What a vocabulary takes, converts and refuses, and what it reads again."""

import json

import numpy as np
import pytest

from nextitnet_tf import Vocabulary


def make(raw_ids=(None, 7, 8), counts=(0, 5, 4), padding_id=0, length=3):
    return Vocabulary(raw_ids, counts, padding_id, length)


@pytest.mark.parametrize(
    ("raw_ids", "expected"),
    [
        (np.array([7, 8]), [7, 8]),
        (np.array([7, 8], "uint8"), [7, 8]),
        (np.array(["7", "a"]), ["7", "a"]),
        (np.array(["a", "b"], object), ["a", "b"]),
        (["", "a\nb"], ["", "a\nb"]),
        ([0, -(2**70)], [0, -(2**70)]),
        (['a "b", c', "\u2028\x0c"], ['a "b", c', "\u2028\x0c"]),
    ],
)
def test_raw_ids_keep_their_type_on_disk(tmp_path, raw_ids, expected):
    made = make([None, *raw_ids])
    made.save(tmp_path)
    for vocabulary in (made, Vocabulary.load(tmp_path)):
        assert vocabulary.raw_ids == [None, *expected]
        assert [type(raw) for raw in vocabulary.raw_ids[1:]] == [
            type(raw) for raw in expected
        ]
        assert vocabulary.counts == [0, 5, 4]
        assert vocabulary.ids == {str(expected[0]): 1, str(expected[1]): 2}
        assert (vocabulary.not_items, vocabulary.num_items) == ([0], 2)


def test_numbers_of_numpy_become_pythons(tmp_path):
    made = make(
        counts=np.array([0, 5, 4]), padding_id=np.int64(0), length=np.int32(3)
    )
    made.save(tmp_path)
    assert json.loads((tmp_path / "vocabulary.json").read_text()) == {
        "num_columns": 3,
        "num_items": 2,
        "integer_ids": True,
        "padding_id": 0,
        "history_length": 3,
    }
    assert Vocabulary.load(tmp_path) == made


def test_columns_that_are_no_items(tmp_path):
    """The release's: <UNK>, then padding somewhere."""
    made = make([None, 7, None, 9], [0, 5, 0, 3], padding_id=2)
    made.save(tmp_path)
    again = Vocabulary.load(tmp_path)
    assert again == made
    assert (again.not_items, again.ids) == ([0, 2], {"7": 1, "9": 3})


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"raw_ids": [None, 7.0, 8.0]}, r"raw_ids\[1\]=7.0 .float"),
        ({"raw_ids": [None, *np.array([7.0, 8.0])]}, r"raw_ids\[1\]=.*float"),
        ({"raw_ids": [None, True, False]}, r"raw_ids\[1\]=True .bool"),
        ({"raw_ids": [None, *np.array([True, False])]}, r"raw_ids\[1\]=.*bool"),
        ({"raw_ids": [None, b"7", b"8"]}, r"raw_ids\[1\]=b'7' .bytes"),
        ({"raw_ids": [None, (1,), (2,)]}, r"raw_ids\[1\]=\(1,\) .tuple"),
        ({"raw_ids": [None, 7, 7]}, r"raw_ids\[1\]=7, raw_ids\[2\]=7"),
        ({"raw_ids": [None, "a", "a"]}, r"raw_ids\[1\]='a', raw_ids\[2\]='a'"),
        ({"raw_ids": [None, 1, "1"]}, r"raw_ids\[1\]=1, raw_ids\[2\]='1'"),
        ({"raw_ids": [None, 1, "a"]}, "1 and 'a'"),
        ({"raw_ids": [None, "a", "\ud800"]}, "'utf-8' codec"),
        ({"counts": [0, 5]}, "3 raw_ids, 2 counts"),
        ({"counts": [0, 5, 4, 3]}, "3 raw_ids, 4 counts"),
        ({"counts": [0, 5, -1]}, r"counts\[2\]=-1"),
        ({"counts": [0, 5.0, 4]}, r"counts\[1\]=5.0"),
        ({"padding_id": 3}, "padding_id=3"),
        ({"padding_id": -1}, "padding_id=-1"),
        ({"padding_id": 1}, "padding_id=1"),
        ({"padding_id": None}, "padding_id=None"),
        ({"padding_id": False}, "padding_id=False"),
        ({"length": 0}, "history_length=0"),
        ({"length": 2.0}, "history_length=2.0"),
        ({"length": True}, "history_length=True"),
    ],
)
def test_what_is_refused_when_it_is_made(arguments, match):
    with pytest.raises(ValueError, match=f"Received: .*{match}"):
        make(**arguments)


def test_encode():
    vocabulary = make()
    assert vocabulary.encode([8, "7", 9, np.int64(7)]) == ([2, 1, 1], 1)
    assert vocabulary.encode([]) == ([], 0)
    for wrong in (7.0, True, None, b"7", [7], np.float32(7)):
        with pytest.raises(ValueError, match="Received: an item of a history"):
            vocabulary.encode([7, wrong])


def test_is_saved(tmp_path):
    assert not Vocabulary.is_saved(None)
    assert not Vocabulary.is_saved(tmp_path)
    make().save(tmp_path)
    for name in Vocabulary.FILES:
        assert Vocabulary.is_saved(tmp_path)
        (tmp_path / name).unlink()
    assert not Vocabulary.is_saved(tmp_path)


@pytest.mark.parametrize("name", ["items.csv", "vocabulary.json"])
@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{}",
        b"null",
        b"\xff\xfe",
        b"id,raw_id,count\n1,7,5\n1,8,4\n",
        b"id,raw_id,count\n-1,7,5\n",
        b"id,raw_id,count\n2,7,5\n-2,8,4\n",
        b"id,raw_id,count\n3,7,5\n",
        b"id,raw_id,count\n1,x,5\n",
        b"id,raw_id,count\n1,7\n",
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path, name, content):
    make().save(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"Received: .*/{name}, which"):
        Vocabulary.load(tmp_path)


def test_files_of_earlier_versions(tmp_path):
    """They do not say how many items there are."""
    make().save(tmp_path)
    path = tmp_path / "vocabulary.json"
    about = json.loads(path.read_text())
    del about["num_items"]
    path.write_text(json.dumps(about))
    assert Vocabulary.load(tmp_path) == make()


def test_white_space_at_the_ends_of_ids():
    """Is cut off, as preparation does, unless an item is called so."""
    known = Vocabulary([None, "a", " b", "b"], [0, 3, 2, 1], 0, 3)
    history = [" a", "a\u3000", " b", "b ", "  b", "a b"]
    assert known.encode(history) == ([1, 1, 2, 3, 3], 1)
    assert Vocabulary([None, 7], [0, 3], 0, 3).encode([" 7"]) == ([1], 0)
