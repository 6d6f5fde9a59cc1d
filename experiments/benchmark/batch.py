"""The case `batch`: a file of histories answered, against evaluating them.

Both are whole commands, run as users run them, on the same rows and the same
model. Each runs on few rows, too: the difference is what the rows beyond
those cost, without what a process needs to start.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmark import child
from experiments.benchmark import load
from experiments.benchmark.settings import Settings

NUM_ROWS, NUM_FEW = 1_000_000, 50_000
NUM_ROUNDS = 2
SUFFIXES = ("jsonl", "parquet", "txt")
GOAL = 0.7
# Of popularities that fall as those of real items do.
_EXPONENT = 0.9
_SECONDS_BETWEEN_LOOKS = 0.2


def measure(settings: Settings) -> dict[str, Any]:
    """Evaluates the rows, and answers files of them, of each kind.

    All of it several times in turn: what else a machine does then falls on
    one command as on another.
    """
    del settings
    seconds: dict[int, dict[str, list[float]]] = {}
    peaks: dict[int, dict[str, float]] = {}
    for num_rows in (NUM_FEW, NUM_ROWS):
        seconds[num_rows], peaks[num_rows] = _run_in_turn(num_rows)
    more = NUM_ROWS - NUM_FEW
    return {
        "num_rows": NUM_ROWS,
        "num_few": NUM_FEW,
        "goal": GOAL,
        "kinds": {
            kind: {
                "seconds": seconds[NUM_ROWS][kind],
                "few_seconds": seconds[NUM_FEW][kind],
                "rows_per_second": [
                    more / (many - few)
                    for few, many in zip(
                        seconds[NUM_FEW][kind],
                        seconds[NUM_ROWS][kind],
                        strict=True,
                    )
                ],
                "peak_gb": peaks[NUM_ROWS][kind],
                "few_peak_gb": peaks[NUM_FEW][kind],
            }
            for kind in seconds[NUM_ROWS]
        },
    }


def _run_in_turn(
    num_rows: int,
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of each command, a figure a round; the most memory it had."""
    seconds: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        commands = list(write(make_rows(num_rows), Path(name)))
        for _ in range(NUM_ROUNDS):
            for kind, command in commands:
                ran = _run(command)
                print(
                    f"{kind}, {num_rows:,} rows: {ran['seconds']:.1f} s, "
                    f"peak {ran['peak_gb']:.2f} GB",
                    flush=True,
                )
                seconds.setdefault(kind, []).append(ran["seconds"])
                peaks[kind] = max(peaks.get(kind, 0.0), ran["peak_gb"])
    return seconds, peaks


def to_markdown(found: dict[str, Any]) -> list[str]:
    """The table of the commands."""
    kinds = found["kinds"]
    base = kinds["evaluate"]["rows_per_second"]
    lines = [
        f"{found['num_rows']:,} histories of {load.T - 1} items, answered "
        f"from a file to a file by {load.K} items each, against the same rows "
        f"evaluated; {load.NUM_BLOCKS} blocks, {load.NUM_ITEMS:,} items. The "
        f"whole command, and rows a second beyond the first "
        f"{found['num_few']:,}, with which it has started; {len(base)} rounds "
        "of all commands in turn: the mean, and each round's share. Goal: "
        f"{found['goal']:.0%} of evaluating.",
        "",
        "| Command | Whole, s | Rows a second | Of evaluating | Peak, GB "
        "| Peak of the first rows alone, GB |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for kind, figures in kinds.items():
        name = "evaluate" if kind == "evaluate" else f"recommend, .{kind}"
        speeds = figures["rows_per_second"]
        shares = [f"{a / b:.0%}" for a, b in zip(speeds, base, strict=True)]
        lines.append(
            f"| {name} | {np.mean(figures['seconds']):.0f} "
            f"| {np.mean(speeds):,.0f} | {', '.join(shares)} "
            f"| {figures['peak_gb']:.2f} | {figures['few_peak_gb']:.2f} |"
        )
    return [*lines, ""]


def make_rows(num_rows: int) -> np.ndarray:
    """Random rows of the model's items, the lower the more popular."""
    generator = np.random.default_rng(0)
    shares = np.arange(1, load.NUM_ITEMS + 1) ** -_EXPONENT
    items = generator.choice(
        load.NUM_ITEMS, (num_rows, load.T), p=shares / shares.sum()
    )
    return items.astype(np.int32) + 1


def write(rows: np.ndarray, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Writes the rows as each command takes them, and a model of their items.

    Args:
        rows: raw ids, shape (rows, t).
        folder: where everything goes.

    Yields:
        The kind, `evaluate` or the suffix of a file of histories; the command
        for it, whose input is there then.
    """
    from nextitnet_tf import data
    from nextitnet_tf import preparation

    model, raw, sessions = (
        folder / name for name in ("model.keras", "rows.csv", "sessions")
    )
    np.savetxt(raw, rows, fmt="%d", delimiter=",")
    preparation.prepare(raw, sessions)
    vocabulary = data.read_sessions(sessions).vocabulary
    load.write_model(model, vocabulary=vocabulary)
    yield (
        "evaluate",
        [
            *("experiments.evaluate", f"--model={model}", "--protocol=clean"),
            *(f"--sessions={sessions}", "--part=all", "--exclude_seen"),
        ],
    )
    for suffix in SUFFIXES:
        source = folder / f"histories.{suffix}"
        _write_histories(rows[:, :-1], source)
        yield (
            suffix,
            [
                *("experiments.recommend", f"--model={model}"),
                *(f"--input={source}", f"--k={load.K}"),
                f"--output={folder / f'answers.{suffix}'}",
            ],
        )


def _write_histories(histories: np.ndarray, path: Path) -> None:
    if path.suffix == ".txt":
        np.savetxt(path, histories, fmt="%d", delimiter=",")
    elif path.suffix == ".jsonl":
        with path.open("w", encoding="utf-8") as file:
            for user, history in enumerate(histories.tolist()):
                line = json.dumps({"user": user, "history": history})
                file.write(f"{line}\n")
    else:
        import pyarrow as pa
        from pyarrow import parquet

        columns = {
            "user": range(len(histories)),
            "history": histories.tolist(),
        }
        parquet.write_table(pa.table(columns), path)


def _run(command: list[str]) -> dict[str, float]:
    """Runs a command to its end: seconds, and the most memory it has had."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    peak = 0.0
    while True:
        try:
            _, said = process.communicate(timeout=_SECONDS_BETWEEN_LOOKS)
            break
        except subprocess.TimeoutExpired:
            peak = max(peak, child.peak_gb(process.pid))
    seconds = time.perf_counter() - began
    if process.returncode:
        last = (said.decode().strip().splitlines() or ["no message"])[-1]
        raise ChildProcessError(f"{command[0]} failed: {last}")
    return {"seconds": seconds, "peak_gb": peak}
