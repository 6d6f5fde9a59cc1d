"""The one place that names tf.distribute."""

import os
import platform
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import tensorflow as tf

# What the rest of the package calls it; only this module knows TensorFlow's.
Strategy: TypeAlias = tf.distribute.Strategy
STRATEGIES = ("default", "mirrored")


def make_strategy(name: str = "default") -> Strategy:
    """A strategy by name.

    Args:
        name: "default" is one device, the first GPU if there is one;
            "mirrored" copies the model to every GPU, or, without any, to
            every logical CPU device, and splits each global batch.

    Returns:
        The strategy; build and fit the model in its `scope()`.

    Raises:
        ValueError: an unknown name.
    """
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        devices = [d.name for d in tf.config.list_logical_devices(kind)]
        return tf.distribute.MirroredStrategy(devices)
    raise ValueError(
        f"`strategy` must be one of {STRATEGIES}. Received: strategy={name!r}"
    )


def can_jit_compile(strategy: Strategy) -> bool:
    """Whether XLA can compile a step under this strategy.

    It cannot where several CPU devices share a step.
    """
    is_cpu = not tf.config.list_logical_devices("GPU")
    return not (is_cpu and isinstance(strategy, tf.distribute.MirroredStrategy))


def check_batch_size(batch_size: int, strategy: Strategy) -> None:
    """Raises ValueError if a global batch does not split evenly."""
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise ValueError(
            f"The global batch must split evenly over {replicas} devices. "
            f"Received: batch_size={batch_size}"
        )


def num_devices() -> int:
    """How many devices share a step in the current scope."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def map_batches(
    function: Callable[..., tf.Tensor], dataset: tf.data.Dataset
) -> Iterator[np.ndarray]:
    """What a function makes of each batch, shared by the devices in use.

    Args:
        function: a `tf.function` of what a batch is -> a tensor, one row a
            row of the batch.
        dataset: batches that split evenly over the devices.

    Yields:
        The rows of a whole batch, in its order.
    """
    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1:
        for batch in dataset:
            yield function(*batch).numpy()
        return

    @tf.function(autograph=False)
    def on_all_devices(batch):
        parts = strategy.run(function, args=batch)
        return tf.concat(strategy.experimental_local_results(parts), axis=0)

    for batch in strategy.experimental_distribute_dataset(dataset):
        yield on_all_devices(batch).numpy()


def device_name() -> str:
    """What trains: the GPUs by name, or the processor and its cores."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        names = [
            tf.config.experimental.get_device_details(gpu).get(
                "device_name", "GPU"
            )
            for gpu in gpus
        ]
        return ", ".join(names)
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    has_affinity = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count()
    return f"{model}, {cores} cores"
