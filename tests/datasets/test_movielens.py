"""MovieLens' two formats, wherever they are, and the download."""

import functools
import gzip
import hashlib
import http.server
import json
import threading
import zipfile

import numpy as np
import pytest

from datasets import raw_files
from datasets.errors import DataError
from datasets.movielens import download_ml20
from datasets.movielens import prepare_movielens

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
        ("ratings.csv.gz", gzip.compress(CSV)),
        ("ratings.dat.gz", gzip.compress(DAT)),
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
    raw = tmp_path / "ratings.dat"
    raw.write_bytes(DAT)
    check(prepare_movielens(raw, tmp_path / "s", **OPTIONS))


def test_a_bad_line_of_the_old_format(tmp_path):
    raw = tmp_path / "ratings.dat"
    raw.write_bytes(DAT + b"3::4::5\n")
    with pytest.raises(DataError, match="line 4: Expected 4 fields"):
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


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "ml-20m.zip").write_bytes(b"archive" * 1000)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder)
    ) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}/ml-20m.zip"
        running.shutdown()
        thread.join()


def test_download(tmp_path, server, capsys):
    md5 = hashlib.md5(b"archive" * 1000).hexdigest()
    path = download_ml20(tmp_path / "new" / "raw", url=server, md5=md5)
    assert path == tmp_path / "new" / "raw" / "ml-20m.zip"
    assert path.read_bytes() == b"archive" * 1000
    assert [other.name for other in path.parent.iterdir()] == ["ml-20m.zip"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "ml-20m.zip: 0 MB of 0 MB" in captured.err
    # Once it is there nothing is downloaded.
    assert download_ml20(path.parent, url="http://none.invalid", md5=md5)


def test_a_download_of_something_else(tmp_path, server, capsys):
    with pytest.raises(DataError, match="Expected md5=cd245b17a1ae.*put it at"):
        download_ml20(tmp_path / "raw", url=server)
    assert list((tmp_path / "raw").iterdir()) == []
    (tmp_path / "raw" / "ml-20m.zip").write_bytes(b"half")
    with pytest.raises(DataError, match="remove the file"):
        download_ml20(tmp_path / "raw", url=server)


def test_no_network(tmp_path):
    # Port 9 of this machine: nobody listens.
    with pytest.raises(DataError) as caught:
        download_ml20(tmp_path, url="http://127.0.0.1:9/ml-20m.zip")
    message = str(caught.value)
    assert "ml-20m.zip (MovieLens 20M" in message
    assert "http://127.0.0.1:9/ml-20m.zip" in message
    assert f"put it at {tmp_path / 'ml-20m.zip'}" in message
    assert "\n" not in message
    assert list(tmp_path.iterdir()) == []
