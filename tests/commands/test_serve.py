"""`python -m experiments.serve`: begins, answers, ends in order."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.commands.test_recommend import save_model

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

ROOT = pathlib.Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "experiments.serve"]
HOW = {
    "cwd": ROOT,
    "env": {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""},
    "stdout": subprocess.PIPE,
    "stderr": subprocess.PIPE,
    "text": True,
}


@contextlib.contextmanager
def serving(model):
    """The process, and the port where it listens."""
    with subprocess.Popen(
        [*COMMAND, f"--model={model}", "--port=0"], **HOW
    ) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith(f"serving {model}, a MostPop of 3 items")
            yield process, int(line.rpartition(":")[2])
        finally:
            process.kill()


def ask(port, path, content=None):
    data = None if content is None else json.dumps(content).encode()
    url = f"http://127.0.0.1:{port}{path}"
    with urllib.request.urlopen(url, data, timeout=60) as answer:
        return json.load(answer)


def is_listening(port):
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_what_has_begun_is_answered(tmp_path, signum):
    model = save_model(tmp_path / "model.keras", [7, 8, 9])
    body = b'{"history": [7, 5], "k": 1}'
    with serving(model) as (process, port):
        found = ask(port, "/recommend", {"history": [7, 5], "k": 1})
        assert found["recommendations"] == [
            {"items": [8], "scores": [2], "num_unknown": 1, "is_popular": False}
        ]
        with socket.create_connection(("127.0.0.1", port), 60) as connection:
            connection.sendall(
                b"POST /recommend HTTP/1.1\r\nHost: localhost\r\n"
                b"Expect: 100-continue\r\n"
                b"Content-Length: %d\r\n\r\n" % len(body)
            )
            stream = connection.makefile("rb")
            assert stream.readline().startswith(b"HTTP/1.1 100")
            process.send_signal(signum)
            end = time.monotonic() + 60
            while is_listening(port):  # until it begins to end
                assert time.monotonic() < end
                time.sleep(0.05)
            connection.sendall(body)
            answer = stream.read()
        assert b"HTTP/1.1 200" in answer and b'"items":[8]' in answer
        assert process.wait(60) == 0
        assert process.stderr.read() == "" and process.stdout.read() == ""


def test_a_new_model(tmp_path):
    model = save_model(tmp_path / "model.keras", [7, 8, 9])
    with serving(model) as (process, port):
        first = ask(port, "/health")["model"]
        save_model(model, [9, 8, 7])
        end = time.monotonic() + 120
        while ask(port, "/health")["model"] == first:
            assert time.monotonic() < end
            time.sleep(0.1)
        found = ask(port, "/recommend", {"history": [], "k": 1})
        assert found["recommendations"][0]["items"] == [9]
        process.terminate()
        assert process.wait(60) == 0


def test_an_error_is_one_line(tmp_path):
    model = save_model(tmp_path / "model.keras", [7, 8, 9])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for flags, status, words in (
            ([f"--model={tmp_path}/none"], 1, "which is no file"),
            ([f"--model={model}", f"--port={port}"], 1, f"0.0.1:{port}"),
            ([f"--model={model}", "--port=70000"], 2, "70000"),
            ([f"--model={model}", "--max_batch=3"], 1, "max_batch=3"),
            ([], 2, "--model"),
        ):
            done = subprocess.run(
                [*COMMAND, "--port=0", *flags], **HOW, timeout=120
            )
            assert (done.returncode, done.stdout) == (status, "")
            (line,) = done.stderr.splitlines()
            assert words in line
