"""What the machine can do, measured with the library that trains on it."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

MATRIX_SIZE = 4096
# What a convolution of the benchmark's step multiplies: batch 256 times 19
# positions, 3 taps of 64 channels, 64 channels. No library is as fast at it
# as at large square matrices.
NARROW = (256 * 19, 3 * 64, 64)
_COPIED_BYTES = 1 << 28


def measure(repetitions: int) -> dict[str, Any]:
    """Speed of a large matrix product and of copying memory.

    Args:
        repetitions: timings, after one to warm up.

    Returns:
        `gflop_per_second` of a float32 product of two square matrices (the
        better of the backend's and NumPy's), `narrow_gflop_per_second` (the
        backend's, of matrices such as the model has), `copy_gb_per_second`
        (bytes read and written), and what machine and software it is.
    """
    generator = np.random.default_rng(0)
    shape = (MATRIX_SIZE, MATRIX_SIZE)
    matrix = generator.normal(size=shape).astype("float32")
    on_device = ops.convert_to_tensor(matrix)
    work = 2 * MATRIX_SIZE**3 / 1e9
    products = {
        keras.backend.backend(): lambda: wait(ops.matmul(on_device, on_device))
    }
    if not has_accelerator():
        products["numpy"] = lambda: matrix @ matrix
    rates = {
        name: work / statistics.median(times(product, repetitions))
        for name, product in products.items()
    }
    rows, inner, columns = NARROW
    narrow = ops.convert_to_tensor(
        generator.normal(size=(rows, inner)).astype("float32")
    )
    kernel = ops.convert_to_tensor(
        generator.normal(size=(inner, columns)).astype("float32")
    )
    count = 50

    def narrow_products() -> None:
        for _ in range(count):
            product = ops.matmul(narrow, kernel)
        wait(product)

    narrow_seconds = statistics.median(times(narrow_products, repetitions))
    source = np.ones(_COPIED_BYTES, "uint8")
    target = np.empty_like(source)
    copying = times(lambda: np.copyto(target, source), repetitions)
    return {
        "gflop_per_second": max(rates.values()),
        "gflop_per_second_by": rates,
        "narrow_gflop_per_second": count
        * (2 * rows * inner * columns / 1e9)
        / narrow_seconds,
        "copy_gb_per_second": 2
        * _COPIED_BYTES
        / 1e9
        / statistics.median(copying),
        **describe(),
    }


def describe() -> dict[str, Any]:
    """The machine and what runs on it."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "device": _device(),
        "python": platform.python_version(),
        "keras": keras.version(),
        "backend": keras.backend.backend(),
        "backend_version": _backend_version(),
        "load_average_before": os.getloadavg()[0],
    }


def is_this_one(described: dict[str, Any]) -> bool:
    """Whether a description is of this machine and what runs on it."""
    return all(
        described.get(key) == value
        for key, value in describe().items()
        if key != "load_average_before"
    )


def times(call: Callable[[], Any], repetitions: int) -> list[float]:
    """Seconds of each call, after one that is not counted."""
    call()
    seconds = []
    for _ in range(repetitions):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return seconds


def wait(tensor) -> None:
    """Returns once a tensor has been computed."""
    if hasattr(tensor, "block_until_ready"):
        tensor.block_until_ready()
    elif has_accelerator():
        ops.convert_to_numpy(ops.ravel(tensor)[:1])


def has_accelerator() -> bool:
    """Whether the backend computes on something else than the CPU."""
    return _device() != "cpu"


def _device() -> str:
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        return "cpu" if device.platform == "cpu" else device.device_kind
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "cpu"
    details = tf.config.experimental.get_device_details(gpus[0])
    return details.get("device_name", "GPU")


def _backend_version() -> str:
    if keras.backend.backend() == "jax":
        import jax

        return jax.__version__
    import tensorflow as tf

    return tf.__version__


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
