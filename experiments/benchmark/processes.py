"""The case `processes`: starting, memory and reading.

    python -m experiments.benchmark.processes memory

runs one of the jobs below and prints its figures as JSON.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmark import compression
from experiments.benchmark import inference
from experiments.benchmark import recommending
from experiments.benchmark.child import peak_gb
from experiments.benchmark.child import run
from experiments.benchmark.settings import Settings

NUM_SESSIONS = 1_460_924
T = 20
_NUM_ITEMS = 24_000


def measure(settings: Settings) -> list[dict[str, Any]]:
    """Runs the jobs, each in a process of its own."""
    del settings
    found = []

    def add(name: str, goal: str, figures: dict[str, float], shown: str):
        shown = shown.format(**figures)
        print(f"{name}: {shown}", flush=True)
        found.append(
            {"name": name, "goal": goal, "shown": shown, "figures": figures}
        )

    add(
        "import nextitnet_tf",
        "2.5 s",
        run("import"),
        "{seconds:.1f} s",
    )
    add(
        "first training step, 32 blocks",
        "8 s",
        run("first_step", "32"),
        "{seconds:.1f} s (whole process {process_seconds:.1f} s)",
    )
    add(
        "a step of the full softmax, 500,000 items, batch 64, t 50: memory "
        "beyond the built model",
        "1 GB",
        run("memory"),
        "{more_gb:.2f} GB (the logits alone are {logits_gb:.1f} GB)",
    )
    reading = f"reading a csv of {NUM_SESSIONS:,} sessions of {T} "
    for kind, goal, job, how in (
        ("numbers (the release: 14.6 s)", "1.5 s, 2 GB", "read_sessions", {}),
        ("words", "2.9 s, 3 GB", "read_sessions", {"item": "item-{}"}),
        (
            "numbers, three of them targets",
            "2.9 s, 3 GB",
            "read_transfer",
            {"num_targets": 3},
        ),
    ):
        add(
            reading + kind,
            goal,
            read_csv(job, **how),
            "{seconds:.2f} s ({lines_per_second:,.0f} lines a second), peak "
            "{peak_gb:.2f} GB",
        )
    return found


def to_markdown(found: list[dict[str, Any]]) -> list[str]:
    """The table of the jobs."""
    return [
        "| What | Measured | Goal |",
        "| --- | --- | --- |",
        *(
            f"| {item['name']} | {item['shown']} | {item['goal']} |"
            for item in found
        ),
        "",
    ]


def read_csv(job: str, **how) -> dict[str, float]:
    """Writes a csv of ML20's size and reads it in another process.

    Args:
        job: `read_sessions` or `read_transfer`.
        **how: see `write_sessions`.

    Returns:
        What was measured, and `lines_per_second`.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = run(job, str(write_sessions(Path(folder), **how)))
    found["lines_per_second"] = NUM_SESSIONS / found["seconds"]
    return found


def write_sessions(
    folder: Path,
    num_rows: int = NUM_SESSIONS,
    item: str = "{}",
    num_targets: int = 0,
) -> Path:
    """A csv of sessions of ML20's size, items as popular as they are there.

    Args:
        folder: where it goes.
        num_rows: sessions.
        item: how an item is written; `{}` is its number.
        num_targets: the last items of each line that are its targets, after
            a second comma; 0 for a file of plain sessions.

    Returns:
        Its path.
    """
    generator = np.random.default_rng(0)
    ranks = generator.zipf(1.2, size=(num_rows, T)) % _NUM_ITEMS + 1
    words = np.array([item.format(i) for i in range(_NUM_ITEMS + 1)], object)
    path = folder / "sessions.csv"
    with open(path, "w", encoding="utf-8") as file:
        for start in range(0, num_rows, 50_000):
            rows = words[ranks[start : start + 50_000]]
            if num_targets:
                rows[:, -num_targets] = "," + rows[:, -num_targets]
            rows = rows.tolist()
            file.write("\n".join(map(",".join, rows)) + "\n")
    return path


def _machine(repetitions: str) -> dict[str, Any]:
    """Apart, so that its large arrays and threads disturb no step."""
    from experiments.benchmark import machine

    return machine.measure(int(repetitions))


def _import() -> dict[str, float]:
    began = time.perf_counter()
    import nextitnet_tf

    del nextitnet_tf
    return {"seconds": time.perf_counter() - began}


def _first_step(num_blocks: str) -> dict[str, float]:
    """From nothing to a model that has made one step."""
    from experiments.benchmark import steps

    began = time.perf_counter()
    timing = steps.time_training(
        steps.Step(num_blocks=int(num_blocks)), repetitions=1
    )
    return {
        "seconds": timing.first_seconds,
        "with_model_seconds": time.perf_counter() - began,
    }


def _memory() -> dict[str, float]:
    """Full softmax over half a million items."""
    from experiments.benchmark import steps

    step = steps.Step(
        num_items=500_000, sampled_fraction=0, batch_size=64, t=50
    )
    model = steps.make_model(step)
    rows = np.random.default_rng(0).integers(1, 500_001, (64, 50))
    inputs = (rows[:, :-1].astype("int32"), rows[:, 1:].astype("int32"))
    built = peak_gb()
    began = time.perf_counter()
    for _ in range(2):
        model.train_on_batch(*inputs)
    return {
        "seconds": time.perf_counter() - began,
        "built_gb": built,
        "more_gb": peak_gb() - built,
        "logits_gb": 64 * 49 * 500_001 * 4 / 1e9,
    }


def _recommend(way: str, num_items: str, num_histories: str) -> dict:
    return recommending.time_one_way(way, int(num_items), int(num_histories))


def _pruned(num_columns: str, mass: str) -> dict:
    return compression.time_answers(int(num_columns), float(mass))


def _read_sessions(csv: str) -> dict[str, float]:
    from nextitnet_tf.release import session_files

    return _read(lambda: len(session_files.read_sessions(csv)[0]))


def _read_transfer(csv: str) -> dict[str, float]:
    from nextitnet_tf.release import session_files

    return _read(lambda: len(session_files.read_transfer(csv).examples))


def _read(read: Callable[[], int]) -> dict[str, float]:
    before = peak_gb()
    began = time.perf_counter()
    rows = read()
    return {
        "seconds": time.perf_counter() - began,
        "rows": rows,
        "peak_gb": peak_gb(),
        "more_gb": peak_gb() - before,
    }


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "machine": _machine,
    "import": _import,
    "first_step": _first_step,
    "memory": _memory,
    "recommend": _recommend,
    "compressed_step": compression.time_step,
    "inference": inference.measure_part,
    "pruned": _pruned,
    "save_to_serve": compression.save_to_serve,
    "serve": compression.serve,
    "read_sessions": _read_sessions,
    "read_transfer": _read_transfer,
}


if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](*sys.argv[2:])))
