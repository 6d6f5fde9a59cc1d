"""The one place that names tf.distribute."""

import os
import platform
from pathlib import Path
from typing import TypeAlias

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
    return f"{model}, {len(os.sched_getaffinity(0))} cores"
