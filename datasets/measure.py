"""Measures how fast interactions are prepared.

Example:

  python -m datasets.measure --interactions=20000000

It generates a file like MovieLens' ratings.csv in a temporary folder, prepares
it in a process of its own, and prints seconds, interactions per second and
that process's peak memory. Seconds include the start of Python.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from absl import app
from absl import flags

_LINES_AT_ONCE = 500_000


def write_ratings(
    path: str | os.PathLike[str],
    num_interactions: int,
    *,
    num_users: int = 138_000,
    num_items: int = 27_000,
    shuffled: bool = False,
    seed: int = 0,
) -> None:
    """Writes random ratings, `userId,movieId,rating,timestamp`.

    Few movies have most of the ratings. A user's lines follow each other, not
    in order of time, unless `shuffled`.
    """
    generator = np.random.default_rng(seed)
    users = generator.integers(100_000, 100_000 + num_users, num_interactions)
    if not shuffled:
        users.sort()
    with open(path, "wb") as file:
        file.write(b"userId,movieId,rating,timestamp\n")
        for start in range(0, num_interactions, _LINES_AT_ONCE):
            chosen = users[start : start + _LINES_AT_ONCE]
            popular = generator.random(len(chosen)) ** 3
            times = generator.integers(10**9, 14 * 10**8, len(chosen))
            file.write(
                np.concatenate(
                    [
                        _digits(chosen, 6, b","),
                        _digits(10_000 + popular * num_items, 5, b","),
                        _digits(generator.integers(1, 6, len(chosen)), 1, b"."),
                        _digits(np.zeros(len(chosen)), 1, b","),
                        _digits(times, 10, b"\n"),
                    ],
                    axis=1,
                ).tobytes()
            )


def _digits(numbers: np.ndarray, width: int, end: bytes) -> np.ndarray:
    """`(rows, width + 1)` bytes: the decimal digits, and what ends them."""
    powers = 10 ** np.arange(width - 1, -1, -1)
    digits = numbers.astype(np.int64)[:, None] // powers % 10 + ord("0")
    column = np.full((len(numbers), 1), end[0])
    return np.concatenate([digits, column], axis=1).astype(np.uint8)


def main(argv: list[str]) -> None:
    del argv
    number: int = flags.FLAGS.interactions
    shuffled: bool = flags.FLAGS.shuffled
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        raw = folder / "ratings.csv"
        # In a process of its own: on Linux a child's peak memory begins at
        # what its parent holds when it starts.
        subprocess.run(
            [sys.executable, "-c", _WRITE, str(raw), str(number)]
            + ["shuffled"] * shuffled,
            check=True,
        )
        size = raw.stat().st_size
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "datasets.prepare"]
            + [f"--raw={raw}", f"--output={folder / 'sessions'}"]
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    if status:
        sys.exit(1)
    print(
        f"{number:,} interactions ({size / 1e6:,.0f} MB csv): {seconds:.1f} "
        f"s, {number / seconds:,.0f} interactions/s, peak memory "
        f"{usage.ru_maxrss / 2**20:.2f} GiB, {os.cpu_count()} cores"
    )


_WRITE = """
import sys
from datasets import measure
measure.write_ratings(
    sys.argv[1], int(sys.argv[2]), shuffled="shuffled" in sys.argv
)
"""


if __name__ == "__main__":
    flags.DEFINE_integer("interactions", 20_000_000, "Lines to generate.")
    flags.DEFINE_bool("shuffled", False, "Write the lines in random order.")
    app.run(main)
