"""MovieLens' two formats, wherever they are."""

import gzip
import hashlib
import json
import zipfile

import numpy as np
import pytest

from nextitnet_tf.preparation import raw_files
from nextitnet_tf.preparation import separators
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.movielens import prepare_movielens

CSV = b"userId,movieId,rating,timestamp\n1,30,4.5,7\n1,4,0.5,3\n2,4,3.0,1\n"
DAT = b"1::30::4::7\n1::4::1::3\n2::4::3::1\n"
OPTIONS = {
    "t": 2, "min_users_per_item": 0, "min_items_per_user": 0, "min_length": 1,
}  # fmt: skip


def check(folder):
    # Movie 4 occurs twice: id 1.
    rows = np.load(folder / "sessions-00000.npy").tolist()
    assert rows == [[1, 2], [0, 1]]
    return json.loads((folder / "meta.json").read_text())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ratings.csv", CSV),
        ("ratings.dat", DAT),
        ("ml-1m/ratings.dat", DAT),
        ("ratings.csv.gz", gzip.compress(CSV, mtime=0)),
        ("ratings.dat.gz", gzip.compress(DAT, mtime=0)),
    ],
)
def test_folder_and_file(tmp_path, name, content):
    raw = tmp_path / "raw"
    (raw / name).parent.mkdir(parents=True)
    (raw / name).write_bytes(content)
    check(prepare_movielens(raw, tmp_path / "a", **OPTIONS))
    check(prepare_movielens(raw / name, tmp_path / "b", **OPTIONS))


@pytest.mark.parametrize(
    ("name", "content"), [("ratings.csv", CSV), ("ratings.dat", DAT)]
)
def test_archive(tmp_path, name, content):
    raw = tmp_path / "ml.zip"
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ml/movies.csv", "movieId\n")
        archive.writestr(f"ml/{name}", content)
    meta = check(prepare_movielens(raw, tmp_path / "s", **OPTIONS))
    assert meta["raw"] == [
        {
            "name": f"ml.zip(ml/{name})",
            "bytes": raw.stat().st_size,
            "sha256": hashlib.sha256(raw.read_bytes()).hexdigest(),
        }
    ]


@pytest.mark.parametrize("block", [1, 2, 3, 4, 5, 7, 1000])
def test_double_colons_across_blocks(tmp_path, monkeypatch, block):
    monkeypatch.setattr(raw_files, "_BLOCK", block)
    monkeypatch.setattr(separators, "_BLOCK", block)
    raw = tmp_path / "ratings.dat"
    raw.write_bytes(DAT)
    check(prepare_movielens(raw, tmp_path / "s", **OPTIONS))


def test_a_bad_line_of_the_old_format(tmp_path):
    raw = tmp_path / "ratings.dat"
    raw.write_bytes(DAT + b"3::4::5\n")
    with pytest.raises(DataError, match="line 4: Expected 4 fields"):
        prepare_movielens(raw, tmp_path / "s", **OPTIONS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,30,4,7\n1,4,1,3\n", "line 1: Expected 4 fields separated by `::`"),
        ("1::30::4::7\n1,4,1,3\n", "line 2: Expected 4 fields separated by"),
        ("1\t30\t4\t7\n", "line 1: Expected 4 fields separated by `::`"),
        ("1::30::4::7\n1::4::1\n", "line 2: Expected 4 fields separated"),
        ("1::30::4::7\n1::\xff::1::3\n", "line 2: Expected UTF-8"),
    ],
)
def test_what_is_not_separated_by_double_colons(tmp_path, text, message):
    raw = tmp_path / "clicks.dat"
    raw.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=message) as caught:
        prepare_movielens(raw, tmp_path / "s", **OPTIONS)
    assert str(raw) in str(caught.value)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "name",
    ["RATINGS.DAT", "ML/Ratings.dat", "ml\\RATINGS.DAT", "a/ml\\ratings.dat"],
)
def test_names_with_either_slash_and_in_any_case(tmp_path, name):
    archive = tmp_path / "ML.ZIP"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("__MACOSX/ml/._ratings.dat", b"\0\5\x16")
        # `writestr` would turn a slash of the system at hand.
        info = zipfile.ZipInfo("x")
        info.filename = name
        file.writestr(info, DAT)
    check(prepare_movielens(archive, tmp_path / "a", **OPTIONS))
    folder = tmp_path / "raw"
    file = folder / name.removeprefix("a/")
    file.parent.mkdir(parents=True)
    file.write_bytes(DAT)
    check(prepare_movielens(folder, tmp_path / "b", **OPTIONS))
    check(prepare_movielens(file, tmp_path / "c", **OPTIONS))


def test_a_compressed_file_in_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "ml.zip", "w") as file:
        file.writestr("ml/ratings.csv.gz", gzip.compress(CSV))
    check(prepare_movielens(tmp_path / "ml.zip", tmp_path / "s", **OPTIONS))


def archive_with(tmp_path, *, flag=0, method=None, cut=0, flip=None, as_=8):
    """An archive whose header fields, or bytes, are changed."""
    path = tmp_path / "ml.zip"
    with zipfile.ZipFile(path, "w", as_) as file:
        file.writestr("ratings.csv", CSV * 99)
    content = bytearray(path.read_bytes())
    central = content.rindex(b"PK\x01\x02")
    for start, place in ((0, 6), (central, 8)):
        content[start + place] |= flag
        if method is not None:
            content[start + place + 2] = method
    if flip is not None:
        content[flip] ^= 0xFF
    path.write_bytes(content[: len(content) - cut])
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"flag": 1}, "without a password.*ratings.csv.*encrypted"),
        ({"flag": 1, "method": 99}, "encrypted"),
        ({"method": 99}, "AES"),
        ({"method": 9}, "Deflate64"),
        ({"method": 93}, "Zstandard"),
        ({"method": 77}, "method 77"),
        ({"cut": 30}, "damaged or ends early"),
        ({"flip": 60}, "damaged or ends early"),
        ({"flip": 60, "as_": zipfile.ZIP_BZIP2}, "damaged or ends early"),
        ({"flip": 70, "as_": zipfile.ZIP_LZMA}, "damaged or ends early"),
        ({"flip": 60, "as_": zipfile.ZIP_STORED}, "damaged or ends early"),
        ({"flip": 0}, "damaged or ends early"),
    ],
)
def test_archives_that_cannot_be_read(tmp_path, changes, message):
    raw = archive_with(tmp_path, **changes)
    with pytest.raises(DataError, match=message) as caught:
        prepare_movielens(raw, tmp_path / "s", **OPTIONS)
    assert str(raw) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "error", [RuntimeError, NotImplementedError, ValueError, EOFError, OSError]
)
def test_whatever_zipfile_raises(tmp_path, monkeypatch, error):
    raw = archive_with(tmp_path)

    def fail(*args, **kwargs):
        raise error("of a kind")

    monkeypatch.setattr(zipfile.ZipFile, "open", fail)
    with pytest.raises(DataError, match="Received: .*ml.zip"):
        prepare_movielens(raw, tmp_path / "s", **OPTIONS)
    monkeypatch.setattr(zipfile.ZipFile, "__init__", fail)
    with pytest.raises(DataError, match="Received: .*ml.zip"):
        prepare_movielens(raw, tmp_path / "s", **OPTIONS)


def test_no_ratings(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(DataError, match="Expected ratings.csv or"):
        prepare_movielens(tmp_path / "raw", tmp_path / "s")
    with pytest.raises(DataError, match="No such file"):
        prepare_movielens(tmp_path / "ml.zip", tmp_path / "s")
    (tmp_path / "ml.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="complete zip archive"):
        prepare_movielens(tmp_path / "ml.zip", tmp_path / "s")
