"""The case `scaling`: measured steps beside `nextitnet_tf.scaling`'s.

    python -m experiments.benchmark.scaling STEP

is one worker of TF_CONFIG, which prints the seconds that a step takes.
"""

import dataclasses
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from typing import Any

import keras
import numpy as np

from experiments.benchmark import steps
from experiments.benchmark.settings import Settings
from nextitnet_tf import cluster
from nextitnet_tf import scaling

# Depth, items, length: one at a time from the first, then together. A batch
# has as many sessions as make a step of a second or less.
_STEPS = (
    steps.Step(num_blocks=8, sampled_fraction=0),
    steps.Step(num_blocks=4, sampled_fraction=0),
    steps.Step(num_blocks=16, sampled_fraction=0),
    steps.Step(num_blocks=64, sampled_fraction=0, batch_size=128),
    steps.Step(num_blocks=8, sampled_fraction=0, t=50, batch_size=128),
    steps.Step(num_blocks=8, sampled_fraction=0, t=200, batch_size=32),
    steps.Step(num_items=24_000, sampled_fraction=0, batch_size=128),
    steps.Step(num_items=100_000, sampled_fraction=0, batch_size=32),
    steps.Step(num_items=100_000, sampled_fraction=0.01),
    steps.Step(num_items=1_000_000, sampled_fraction=0.001),
    steps.Step(num_items=1_000_000, sampled_fraction=0, batch_size=4),
    steps.Step(num_blocks=32, num_items=24_000, t=50, batch_size=64),
    steps.Step(num_blocks=8, embedding_dim=256, sampled_fraction=0),
)
# Of a job of two workers, one core each; half of the batch is a worker's.
_STEPS_OF_WORKERS = (
    steps.Step(num_blocks=8, sampled_fraction=0),
    steps.Step(num_blocks=32, sampled_fraction=0),
    steps.Step(num_items=24_000, sampled_fraction=0, batch_size=128),
)
_WARM_UP, _COUNTED = 5, 15


def training_of(step: steps.Step, num_replicas: int = 1) -> scaling.Training:
    """The step, as the model of costs has it."""
    return scaling.Training(
        num_items=step.num_items,
        embedding_dim=step.embedding_dim,
        num_blocks=step.num_blocks,
        batch_size=step.batch_size,
        t=step.t,
        num_sampled=step.num_sampled,
        num_replicas=num_replicas,
    )


def measure(settings: Settings) -> dict[str, Any]:
    """Times every step, and fits the machine to them."""
    points: list[dict[str, Any]] = []
    for step in _STEPS:
        seconds = steps.time_training(step, settings.repetitions).median
        points.append({"step": dataclasses.asdict(step), "seconds": seconds})
        print(f"{_name(step)}: {1000 * seconds:.0f} ms", flush=True)
    machine = fitted([training_of(s) for s in _STEPS], points)
    for point, step in zip(points, _STEPS, strict=True):
        point["predicted"] = machine.seconds(training_of(step))
    return {
        "points": points,
        "machine": dataclasses.asdict(machine),
        "workers": _of_workers(),
    }


def fitted(
    trainings: list[scaling.Training], points: list[dict[str, Any]]
) -> scaling.Machine:
    """The machine whose seconds are nearest to those measured, as ratios."""
    seconds = np.array([point["seconds"] for point in points])
    parts = np.array(
        [[t.flop, t.moved_bytes, 1.0, t.num_blocks] for t in trainings]
    )
    scale = parts.max(axis=0)
    a_flop, a_byte, a_step, a_block = (
        _non_negative(parts / scale / seconds[:, None]) / scale
    )
    return scaling.Machine(
        flop_per_second=1 / max(a_flop, 1e-18),
        bytes_per_second=1 / max(a_byte, 1e-18),
        seconds_a_step=float(a_step),
        seconds_a_block=float(a_block),
    )


def _non_negative(shares: np.ndarray) -> np.ndarray:
    """Factors >= 0 with which the columns come nearest to 1 together."""
    ones, best, least = np.ones(len(shares)), np.zeros(0), np.inf
    width = shares.shape[1]
    for chosen in itertools.product([False, True], repeat=width):
        columns = np.flatnonzero(chosen)
        found = np.zeros(width)
        found[columns] = np.linalg.lstsq(shares[:, columns], ones)[0]
        error = float(((shares @ found - 1) ** 2).sum())
        if found.min() >= 0 and error < least:
            best, least = found, error
    return best


def to_markdown(found: dict[str, Any]) -> list[str]:
    """Measured over predicted, then two workers."""
    machine = found["machine"]
    lines = [
        "| Step | Measured, ms | Predicted, ms | Measured over predicted |",
        "| --- | --- | --- | --- |",
    ]
    for point in found["points"]:
        took, paper = point["seconds"], point["predicted"]
        lines.append(
            f"| {_name(steps.Step(**point['step']))} | {1000 * took:.0f} | "
            f"{1000 * paper:.0f} | {took / paper:.2f} |"
        )
    lines += [
        "",
        "Predicted by `nextitnet_tf.scaling` with one machine for all of them, "
        f"fitted here: {machine['flop_per_second'] / 1e9:.0f} GFLOP/s, "
        f"{machine['bytes_per_second'] / 1e9:.1f} GB/s, "
        f"{1000 * machine['seconds_a_step']:.1f} ms a step and "
        f"{1000 * machine['seconds_a_block']:.2f} ms a block.",
        "",
        "| Two workers, a core each, no XLA | Half a batch alone, ms | Both, "
        "ms | Sent a step, MB | Measured over predicted |",
        "| --- | --- | --- | --- | --- |",
    ]
    for point in found["workers"]["points"]:
        lines.append(
            f"| {_name(steps.Step(**point['step']))} | "
            f"{1000 * point['alone']:.0f} | {1000 * point['together']:.0f} | "
            f"{point['sent_bytes'] / 1e6:.1f} | "
            f"{point['together'] / point['predicted']:.2f} |"
        )
    return [
        *lines,
        "",
        "Predicted: half a batch alone, and what is sent at "
        f"{found['workers']['sent_per_second'] / 1e9:.2f} GB/s, fitted here, "
        "over the loopback of one machine.",
        "",
    ]


def _name(step: steps.Step) -> str:
    softmax = f"{step.num_sampled:,} sampled" if step.num_sampled else "full"
    return (
        f"{step.num_blocks} blocks, {step.num_items:,} items ({softmax}), "
        f"{step.batch_size} x {step.t}, width {step.embedding_dim}"
    )


def _of_workers() -> dict[str, Any]:
    """Two workers, each on a core of its own, beside one with half a batch."""
    points: list[dict[str, Any]] = []
    for step in _STEPS_OF_WORKERS:
        half = dataclasses.replace(step, batch_size=step.batch_size // 2)
        points.append(
            {
                "step": dataclasses.asdict(step),
                "alone": _time_workers(half, 1),
                "together": _time_workers(step, 2),
                "sent_bytes": training_of(step, 2).sent_bytes,
            }
        )
        print(f"two workers, {_name(step)}: {points[-1]}", flush=True)
    sent = np.array([p["sent_bytes"] / p["together"] for p in points])
    left = np.array([1 - p["alone"] / p["together"] for p in points])
    a_byte = max(float(sent @ left / (sent @ sent)), 1e-18)
    for point in points:
        point["predicted"] = point["alone"] + point["sent_bytes"] * a_byte
    return {"points": points, "sent_per_second": 1 / a_byte}


def _time_workers(step: steps.Step, count: int) -> float:
    """Seconds of a step that so many workers share, a core each."""
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in servers]
    for server in servers:
        server.close()
    workers = []
    for place in range(count):
        task = {"type": "worker", "index": place}
        config = {"cluster": {"worker": addresses}, "task": task}
        workers.append(
            subprocess.Popen(
                [
                    *(sys.executable, "-m", __name__),
                    json.dumps(dataclasses.asdict(step)),
                ],
                env={**os.environ, "TF_CONFIG": json.dumps(config)},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    try:
        said = [worker.communicate(timeout=600)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    if any(worker.returncode for worker in workers):
        raise ChildProcessError("a worker of the benchmark failed")
    return max(float(text.splitlines()[-1]) for text in said)


def _work(step: str) -> None:
    """One worker: prints the seconds of its steps."""
    cores = sorted(os.sched_getaffinity(0))
    place = cluster.from_environment().place
    os.sched_setaffinity(0, {cores[place % len(cores)]})
    from nextitnet_tf import distribution

    strategy = distribution.make_strategy("multi_worker")
    import tensorflow as tf

    asked = steps.Step(**json.loads(step))
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = steps.make_model(asked, jit_compile=False)
        model.optimizer.build(model.trainable_variables)
        size = asked.batch_size // distribution.worker()[1]
        rows = np.random.default_rng(0).integers(
            1, asked.num_items + 1, (size, asked.t), dtype="int32"
        )
        weights = np.full((size, asked.t - 1), 1 / rows[:, 1:].size, "float32")
        batch = rows[:, :-1], rows[:, 1:], weights
        batches = tf.data.Dataset.from_tensors(batch).repeat()
        take = distribution.step_of_workers(model, batches)
        for number in range(_WARM_UP + _COUNTED):
            if number == _WARM_UP:
                began = time.perf_counter()
            keras.ops.convert_to_numpy(take()["loss"])
    print((time.perf_counter() - began) / _COUNTED)


if __name__ == "__main__":
    _work(*sys.argv[1:])
