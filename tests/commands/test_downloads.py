"""MovieLens' archive, downloaded: checked, gone on with, never half there."""

import functools
import hashlib
import http.server
import threading

import pytest

from nextitnet_tf.commands.downloads import download_ml20
from nextitnet_tf.preparation.errors import DataError


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


CONTENT = bytes(range(256)) * 40


@pytest.fixture(params=["with parts", "without"])
def flaky_server(request):
    """Cuts the first answer in its middle; then sends parts, or not."""
    asked = []

    class Flaky(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_GET(self):
            span = self.headers.get("Range")
            asked.append(span)
            start = 0
            if span and request.param == "with parts":
                start = int(span.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            end = len(CONTENT) if len(asked) > 1 else 3000
            self.wfile.write(CONTENT[start:end])

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Flaky) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}/x", asked
        running.shutdown()
        thread.join()


def test_a_download_that_goes_on(tmp_path, flaky_server, capsys):
    url, asked = flaky_server
    md5 = hashlib.md5(CONTENT).hexdigest()
    with pytest.raises(DataError, match="the next start goes on from there"):
        download_ml20(tmp_path, url=url, md5=md5)
    (part,) = tmp_path.iterdir()
    assert part.name == "ml-20m.zip.part"
    assert part.read_bytes() == CONTENT[:3000]
    path = download_ml20(tmp_path, url=url, md5=md5)
    assert asked == [None, "bytes=3000-"]
    assert path.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [path]
