"""The service under load: its speed, its memory, and what it refuses."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import nextitnet_tf
from experiments.benchmark import http_client

NUM_ITEMS, NUM_BLOCKS, T, K = 4000, 8, 20, 10
GOALS = {"rate": 300, "p99_ms": 100, "errors": 0}
# A twentieth more than after the first requests: caches fill up for a while.
_FLAT = 1.05
# Until a new model has to be warm.
_MOST_SECONDS = 300
_BAD = [
    (b"{", 400),
    (b"\xff\xfe", 400),
    (b"[" * 100_000, 400),
    (b"[]", 422),
    (b'{"history": [1.5]}', 422),
    (b'{"history": [null]}', 422),
    (b'{"history": "12"}', 422),
    (b'{"history": [1], "k": 0}', 422),
    (b'{"history": [1], "k": 1e9}', 422),
    (b'{"histories": [[1], 2]}', 422),
    (b'{"history": [1], "kk": 2}', 422),
    (b'{"histories": [' + b"[1]," * 256 + b"[1]]}", 413),
]


def write_model(
    path: Path,
    seed: int = 0,
    vocabulary: nextitnet_tf.Vocabulary | None = None,
) -> None:
    """A model of the size that the goals are for; nobody has trained it.

    Args:
        path: where it goes.
        seed: of its weights.
        vocabulary: of `NUM_ITEMS` items, by default 1, 2, ....
    """
    model = nextitnet_tf.NextItNet(NUM_ITEMS, num_blocks=NUM_BLOCKS)
    generator = np.random.default_rng(seed)
    for weight in model.trainable_variables:
        weight.assign(generator.normal(scale=0.1, size=weight.shape))
    model.vocabulary = vocabulary or nextitnet_tf.Vocabulary(
        [None, *range(1, NUM_ITEMS + 1)], [1] * (NUM_ITEMS + 1), 0, T
    )
    model.save(path)


@contextlib.contextmanager
def serving(model: Path) -> Iterator[tuple[subprocess.Popen, int]]:
    """`make serve` in a process of its own: the process, and its port."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "experiments.serve", "--port=0"),
            f"--model={model}",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line.startswith("serving "):
            raise ValueError(
                f"Expected a service that starts. Received: {line}"
            )
        yield process, int(line.rpartition(":")[2])
    finally:
        process.terminate()
        process.wait()


def measure(
    model: Path, replacement: Path, rate: float, seconds: float
) -> dict[str, Any]:
    """All phases, and what the service did when it was told to end.

    Args:
        model: that is served; it is replaced at the end.
        replacement: by what.
        rate: requests a second.
        seconds: of the longest phase.
    """
    begun = time.monotonic()
    with serving(model) as (process, port):
        result: dict[str, Any] = {"start_s": time.monotonic() - begun}
        requests = _good(int(rate * seconds))
        _steady(port, requests[: int(rate * min(5.0, seconds))], rate)
        with _memory(process.pid) as memory:
            result["steady"] = _steady(port, requests, rate)
            mixed = _with_bad(requests)
            result["with_bad"] = _steady(port, mixed, 2 * rate)
            result["at_once"] = _at_once(port, requests, seconds / 3)
        result["memory_mb"] = memory
        result["replaced"] = _replaced(
            port, requests, rate, lambda: shutil.copy(replacement, model)
        )
        time.sleep(5.0)  # the old one ends
        result["memory_replaced_mb"] = _megabytes(process.pid)
        last = _Last(port)
        process.terminate()
        result["ended"] = {**last.found(), "status": process.wait(60)}
    return result


def is_flat(memory: list[float]) -> bool:
    """Whether the service takes no more at the end than near the start."""
    return memory[-1] <= _FLAT * memory[min(1, len(memory) - 1)]


def _good(count: int) -> list[http_client.Request]:
    generator = np.random.default_rng(1)
    return [
        http_client.good(
            generator.integers(1, NUM_ITEMS + 1, 1 + i % (2 * T)).tolist(), K
        )
        for i in range(max(1, count))
    ]


def _with_bad(requests: list[http_client.Request]):
    """After each that is good one that is not."""
    refused = [http_client.bad(*what) for what in _BAD]
    return [
        request
        for i, one in enumerate(requests)
        for request in (one, refused[i % len(refused)])
    ]


def _steady(port: int, requests, rate: float) -> dict[str, Any]:
    return _summary(asyncio.run(http_client.send_at_rate(port, requests, rate)))


def _at_once(port: int, requests, seconds: float) -> dict[str, Any]:
    sent = http_client.send_at_once(port, requests, seconds, connections=32)
    return _summary(asyncio.run(sent))


def _replaced(port: int, requests, rate: float, replace) -> dict[str, Any]:
    """Steady requests, while a model becomes another, and a little longer."""
    before = _model(port)
    replace()
    part = requests[: int(2 * rate)]
    sent: list[http_client.Sent] = []
    end = time.monotonic() + _MOST_SECONDS
    while True:
        is_new = _model(port) != before
        sent += asyncio.run(http_client.send_at_rate(port, part, rate))
        if is_new:
            return _summary(sent)
        if time.monotonic() > end:
            raise ValueError(
                f"Expected a new model within {_MOST_SECONDS} seconds. "
                f"Received: {before} still answers"
            )


def _model(port: int) -> str:
    """The name of the model that answers."""
    url = f"http://127.0.0.1:{port}/health"
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.load(answer)["model"]


class _Last:
    """Large requests that are being answered when the service is to end."""

    def __init__(self, port: int):
        histories = [[i] for i in range(1, 257)]
        body = json.dumps({"histories": histories}).encode()

        def expects(status: int, content: dict) -> bool:
            return status == 200 and len(content["recommendations"]) == 256

        requests = [http_client.Request(body, expects)] * 12
        self._found: dict[str, Any] = {}
        self._thread = threading.Thread(
            target=lambda: self._found.update(_steady(port, requests, 1e4))
        )
        self._thread.start()
        time.sleep(0.5)  # they have come in

    def found(self) -> dict[str, Any]:
        """What became of them."""
        self._thread.join()
        return self._found


def _summary(sent: list[http_client.Sent]) -> dict[str, Any]:
    answered = [one for one in sent if one.status == 200]
    took = max(one.at for one in sent) - min(o.at - o.seconds for o in sent)
    milliseconds = [1000 * one.seconds for one in answered or sent]
    p50, p99 = np.percentile(milliseconds, (50, 99))
    return {
        "requests": len(sent),
        "answered": len(answered),
        "refused": sum(400 <= one.status < 500 for one in sent),
        "errors": sum(not one.is_right for one in sent),
        "rate": len(answered) / took,
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "most_ms": float(max(milliseconds)),
    }


@contextlib.contextmanager
def _memory(pid: int) -> Iterator[list[float]]:
    """Megabytes that a service takes, each second of the block."""
    found: list[float] = []
    ends = threading.Event()

    def look() -> None:
        while not ends.wait(1.0):
            found.append(_megabytes(pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        ends.set()
        thread.join()


def _megabytes(pid: int) -> float:
    """Of a process and those that it has begun."""
    proc = Path(f"/proc/{pid}")
    try:
        pages = int((proc / "statm").read_text().split()[1])
        children = [
            int(child)
            for task in (proc / "task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except FileNotFoundError:  # it has just ended
        return 0.0
    own = pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    return own + sum(_megabytes(child) for child in children)
