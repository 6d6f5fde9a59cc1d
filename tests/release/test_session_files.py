"""The release's csv files, read as its loaders read them."""

import gzip
import pathlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nextitnet_tf import release
from nextitnet_tf.release import csv_fields

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"


@pytest.fixture
def golden():
    with np.load(GOLDEN / "loaded.npz", allow_pickle=False) as npz:
        return {key: npz[key] for key in npz.files}


@pytest.fixture
def csv(tmp_path):
    def write(text):
        path = tmp_path / "sessions.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


# --- sessions -------------------------------------------------------------


def test_sessions_of_the_release(golden):
    rows, vocabulary = release.read_sessions(GOLDEN / "sessions.csv")
    np.testing.assert_array_equal(rows, golden["sessions"])
    assert rows.dtype == np.int32
    assert list(vocabulary) == golden["sessions_vocab"].tolist()
    assert list(vocabulary.values()) == list(range(len(vocabulary)))


def test_sessions_of_the_release_word_by_word(golden, csv):
    """A letter in front sends every field through the tokeniser."""
    text = (GOLDEN / "sessions.csv").read_text(encoding="utf-8")
    lines = [
        ",".join(f"x{field}" for field in line.split(","))
        for line in text.splitlines()
    ]
    t = max(line.count(",") + 1 for line in lines)
    lines = [
        ",".join(["x0"] * (t - line.count(",") - 1) + [line]) for line in lines
    ]
    rows, vocabulary = release.read_sessions(csv("\n".join(lines)))
    np.testing.assert_array_equal(rows, golden["sessions"])
    assert [word.removeprefix("x") for word in vocabulary] == golden[
        "sessions_vocab"
    ].tolist()


def test_padding_is_a_word_and_is_numbered_where_it_first_appears(csv):
    rows, vocabulary = release.read_sessions(csv("7,3\n5,7,3\n0,0,9\n"))
    # The first line is short, so its padding comes before 7.
    assert rows.tolist() == [[1, 2, 3], [4, 2, 3], [1, 1, 5]]
    assert list(vocabulary) == ["<UNK>", "0", "7", "3", "5", "9"]
    rows, vocabulary = release.read_sessions(csv("x,y\nz,x,y\n0,0,w\n"))
    assert rows.tolist() == [[1, 2, 3], [4, 2, 3], [1, 1, 5]]
    assert list(vocabulary) == ["<UNK>", "0", "x", "y", "z", "w"]
    rows, vocabulary = release.read_sessions(csv("7,3,7\n5\n"))
    assert rows.tolist() == [[1, 2, 1], [3, 3, 4]]
    assert list(vocabulary) == ["<UNK>", "7", "3", "0", "5"]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("-1", ["-1"]),
        ("07", ["07"]),
        ("00", ["00"]),
        ("123456789", ["123456789"]),
        ("12.0", ["12", "0"]),
        ("don't", ["don't"]),
        ("a_b-c", ["a_b-c"]),
        ("fooBar", ["fooBar"]),
        ("FooBar", ["Foo", "Bar"]),
        ("Foo", ["Foo"]),
        ("AB12", ["AB", "12"]),
        ("ABc", ["ABc"]),
        ("ABCd", ["AB", "Cd"]),
        ("a b", ["a", "b"]),
        ("caf\u00e9", ["caf\u00e9"]),
        ("?", []),
    ],
)
def test_what_the_tokeniser_makes_of_a_field(csv, field, words):
    rows, vocabulary = release.read_sessions(csv(f"9,{field},8,7,6\n"))
    expected = ["9", *words, "8", "7", "6"]
    assert list(vocabulary)[1:] == list(dict.fromkeys(expected))
    # Five fields, five places: what is more is cut, what is less is <UNK>.
    ids = [list(vocabulary).index(word) for word in expected]
    assert rows.tolist() == [(ids + [0] * 5)[:5]]


def test_a_zero_byte_makes_another_field(csv):
    # Masked to eight bytes, `\0a` would be `a`: it is left to the tokeniser.
    assert csv_fields.parse(b"a,\0a\n", lambda field: True) is None
    rows, vocabulary = release.read_sessions(csv("b,\0b,c\n"))
    assert rows.tolist() == [[1, 1, 2]]
    assert list(vocabulary) == ["<UNK>", "b", "c"]


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_ends_of_lines(csv, line_end, end):
    rows, vocabulary = release.read_sessions(
        csv("\ufeff5,6" + line_end + "6,7" + end)
    )
    assert rows.tolist() == [[1, 2], [2, 3]]
    assert list(vocabulary) == ["<UNK>", "5", "6", "7"]


def test_gzip(csv):
    path = csv(gzip.compress(b"5,6\n6,7\n"))
    rows, _ = release.read_sessions(path)
    assert rows.tolist() == [[1, 2], [2, 3]]


# Fields that are one word each. They agree in the last 8, 16, 24 bytes, or
# in all but white space; and some are too long to be taken whole.
WORDS = [
    *("0", "a", "b7", "1234567890", "Ab", "7", "-1"),
    *("12345678", "p12345678", "q12345678", "qp12345678"),
    *("a-word-of-twenty-five-byt", "b-word-of-twenty-five-byt"),
    *("-word-of-twenty-five-byt", "caf\u00e9", "\u00e9"),
    *("x" * 64, "y" + "x" * 64),
]
ALL_WORDS = [*WORDS, "x y", "AbC", " a", "a "]


@settings(deadline=None, max_examples=200)
@given(
    lines=st.lists(
        st.lists(
            st.one_of(st.sampled_from(WORDS), st.sampled_from(ALL_WORDS)),
            min_size=1,
            max_size=5,
        ),
        min_size=1,
        max_size=12,
    ),
    block=st.sampled_from([1, 30, 1 << 21]),
)
def test_words_in_any_file(lines, block, tmp_path_factory):
    """Word by word, as the release goes through a file."""
    words_of = {"x y": ["x", "y"], "AbC": ["Ab", "C"]}
    words_of |= {" a": ["a"], "a ": ["a"]}
    path = tmp_path_factory.mktemp("words") / "sessions.csv"
    path.write_text("".join(",".join(line) + "\n" for line in lines))
    t = max(map(len, lines))
    ids = {"<UNK>": 0}
    expected = []
    for line in lines:
        padded = ["0"] * (t - len(line)) + line
        words = [w for field in padded for w in words_of.get(field, [field])]
        numbers = [ids.setdefault(word, len(ids)) for word in words]
        expected.append((numbers + [0] * t)[:t])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nextitnet_tf.release.csv_fields._WORDS_BLOCK", block)
        rows, vocabulary = release.read_sessions(path)
    assert rows.tolist() == expected
    assert vocabulary == ids
    assert list(vocabulary) == list(ids)


@settings(deadline=None, max_examples=60)
@given(
    lines=st.lists(
        st.lists(
            st.one_of(
                st.integers(0, 30),
                st.sampled_from([99_999_999, 10_000_000, 1_234_567, 100_000]),
            ),
            min_size=1,
            max_size=6,
        ),
        min_size=1,
        max_size=20,
    ),
    block=st.sampled_from([1, 7, 64, 1 << 18]),
)
def test_numbers_in_any_file(lines, block, tmp_path_factory):
    path = tmp_path_factory.mktemp("numbers") / "sessions.csv"
    path.write_text("".join(",".join(map(str, x)) + "\n" for x in lines))
    t = max(map(len, lines))
    padded = [[0] * (t - len(line)) + line for line in lines]
    ids: dict[int, int] = {}
    expected = [
        [ids.setdefault(token, len(ids) + 1) for token in line]
        for line in padded
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nextitnet_tf.release.csv_fields._NUMBERS_BLOCK", block)
        rows, vocabulary = release.read_sessions(path)
    assert rows.tolist() == expected
    assert vocabulary == {
        "<UNK>": 0,
        **{str(token): i for token, i in ids.items()},
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2\n3,,4\n", ["line 2", "every field", "'3,,4'"]),
        ("1,2\n,3\n", ["line 2", "every field"]),
        ("1,2\n3,\n4,5\n", ["line 2", "every field"]),
        ("1,2\n\n4,5\n", ["line 2", "every field"]),
        ("a,b\n \n", ["line 2", "every field"]),
        (b"a,b\nc,\xff\n", ["line 2", "UTF-8"]),
        ("", ["empty file"]),
        ("\n\n", ["empty file"]),
        (gzip.compress(b"1,2\n3,4\n" * 99, mtime=0)[:-9], ["can be read"]),
        (
            gzip.compress(b"1,2\n3,4\n", mtime=0)[:12] + b"\xff" * 30,
            ["can be read"],
        ),
    ],
)
@pytest.mark.parametrize("read", [release.read_sessions, release.read_transfer])
def test_bad_files(csv, text, words, read):
    if read is release.read_transfer and isinstance(text, str):
        lines = [f"{line},,7" if line else line for line in text.split("\n")]
        text = "\n".join(lines) if text.strip() else text
        if "every field" in words:
            words = ["line 2"]
    path = csv(text)
    with pytest.raises(ValueError) as error:
        read(path)
    for word in (str(path), *words):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(ValueError, match="nothing.csv"):
        release.read_sessions(tmp_path / "nothing.csv")


# --- transfer -------------------------------------------------------------


def test_transfer_of_the_release(golden):
    found = release.read_transfer(GOLDEN / "transfer.csv")
    np.testing.assert_array_equal(found.examples, golden["transfer"])
    assert found.examples.dtype == np.int32
    assert (
        list(found.source_vocabulary) == golden["transfer_item_vocab"].tolist()
    )
    assert (
        list(found.target_vocabulary)
        == golden["transfer_target_vocab"].tolist()
    )


def test_transfer_by_hand(csv):
    found = release.read_transfer(csv("5,6,7,,90,80\n6,,80\n"))
    # The second source is short: padded on the right, with id 0.
    assert found.examples.tolist() == [
        [1, 2, 3, 0, 1],
        [1, 2, 3, 0, 2],
        [2, 0, 0, 0, 2],
    ]
    assert found.users.tolist() == [0, 0, 1]
    assert found.source_vocabulary == {"<UNK>": 0, "5": 1, "6": 2, "7": 3}
    assert found.target_vocabulary == {"<UNK>": 0, "90": 1, "80": 2}


@settings(deadline=None, max_examples=200)
@given(
    lines=st.lists(
        st.tuples(
            st.lists(st.sampled_from(WORDS), min_size=1, max_size=5),
            st.lists(st.sampled_from(WORDS), min_size=1, max_size=3),
        ),
        min_size=1,
        max_size=12,
    ),
    numbers_only=st.booleans(),
    block=st.sampled_from([1, 30, 1 << 21]),
)
def test_any_transfer_file(lines, numbers_only, block, tmp_path_factory):
    """Word by word, as the release goes through a file."""
    if numbers_only:
        lines = [
            tuple([str(WORDS.index(word)) for word in side] for side in line)
            for line in lines
        ]
    path = tmp_path_factory.mktemp("transfer") / "transfer.csv"
    path.write_text(
        "".join(f"{','.join(s)},,{','.join(t)}\n" for s, t in lines)
    )
    sources, targets = {"<UNK>": 0}, {"<UNK>": 0}
    width = max(len(source) for source, _ in lines)
    expected, users = [], []
    for user, (source, target) in enumerate(lines):
        ids = [sources.setdefault(word, len(sources)) for word in source]
        ids += [0] * (width - len(ids))
        for word in target:
            last = targets.setdefault(word, len(targets))
            expected.append([*ids, 0, last])
            users.append(user)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_WORDS_BLOCK", "_NUMBERS_BLOCK"):
            patch.setattr(f"nextitnet_tf.release.csv_fields.{name}", block)
        found = release.read_transfer(path)
    assert found.examples.tolist() == expected
    assert found.users.tolist() == users
    assert found.source_vocabulary == sources
    assert found.target_vocabulary == targets


@pytest.mark.parametrize(
    "line", ["5,,6,,9", ",,9", "5,6,,", ",5,6,,9", "5,6,,9,", "5,6,,,9"]
)
@pytest.mark.parametrize("first", ["5,,6", "a,,b"])
def test_transfer_with_a_gap_too_many(csv, line, first):
    with pytest.raises(ValueError, match="line 2: expected an item in every"):
        release.read_transfer(csv(f"{first}\n{line}\n"))


def test_transfer_without_a_double_comma(csv):
    with pytest.raises(ValueError, match="line 2: expected `source items,,"):
        release.read_transfer(csv("5,6,,9\n5,6\n"))
