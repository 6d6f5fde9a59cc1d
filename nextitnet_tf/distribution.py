"""The one place that names tf.distribute."""

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
