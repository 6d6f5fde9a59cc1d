"""The one place that names tf.distribute.

A job over several machines is one process on each, a *worker*; all of them run
the same program, and whatever they compute together they ask for in the same
order. Worker 0 is the chief.
"""

import contextlib
import logging
import os
import platform
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from nextitnet_tf import cluster

_LOGGER = logging.getLogger(__name__)

# What the rest of the package calls it; only this module knows TensorFlow's.
Strategy: TypeAlias = tf.distribute.Strategy
STRATEGIES = ("default", "mirrored", "multi_worker")
# How long workers wait for each other to begin.
SECONDS_TO_BEGIN = 600
# What TensorFlow raises where another worker does not answer.
_LOST = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.UnavailableError,
)


def make_strategy(name: str = "default") -> Strategy:
    """A strategy by name.

    Args:
        name: "default" is one device, the first GPU if there is one;
            "mirrored" copies the model to every GPU, or, without any, to
            every logical CPU device, and splits each global batch;
            "multi_worker" does so over the machines that the environment's
            TF_CONFIG names. It must come before anything is computed.

    Returns:
        The strategy; build and fit the model in its `scope()`.

    Raises:
        ValueError: an unknown name; a TF_CONFIG that names no machines.
        ConnectionError: the other machines do not answer.
    """
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        devices = [d.name for d in tf.config.list_logical_devices(kind)]
        return tf.distribute.MirroredStrategy(devices)
    if name == "multi_worker":
        return _over_workers()
    raise ValueError(
        f"`strategy` must be one of {STRATEGIES}. Received: strategy={name!r}"
    )


def _over_workers() -> Strategy:
    """The strategy of all workers, once all of them are there."""
    found = cluster.from_environment()
    if len(found.addresses) > 1:
        _LOGGER.info(
            "worker %d of %d waits for the others",
            found.place,
            len(found.addresses),
        )
        cluster.meet(found, SECONDS_TO_BEGIN)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise ValueError(
            "Expected strategy='multi_worker' before anything else is "
            f"computed: {error}"
        ) from error
    except tf.errors.OpError as error:
        raise ConnectionError(
            f"The workers that {cluster.VARIABLE} names cannot begin: "
            f"{error.message}"
        ) from error


def can_jit_compile(strategy: Strategy) -> bool:
    """Whether XLA compiles a step under this strategy, if nobody says.

    It cannot where several CPU devices share a step, and hangs on several
    GPUs in mixed precision (keras issue 20763).
    """
    return strategy.num_replicas_in_sync == 1


def worker() -> tuple[int, int]:
    """Which worker this is in the current scope, and of how many.

    Returns:
        (0, 1) where one process trains.
    """
    if not _is_over_workers(tf.distribute.get_strategy()):
        return 0, 1
    found = cluster.from_environment()
    return found.place, len(found.addresses)


def is_chief() -> bool:
    """Whether this process is the one that writes."""
    return worker()[0] == 0


def after_the_chief(
    strategy: Strategy, of_chief: Callable[[], Any], of_others: Callable
) -> Any:
    """What the chief's function returns, or, once that has, the others'."""
    with strategy.scope(), naming_lost_workers():
        found = of_chief() if is_chief() else None
        from_all_workers(0)
        return found if is_chief() else of_others()


def from_all_workers(number: int) -> list[int]:
    """What each worker passes here, known to all once all have called it."""
    strategy = tf.distribute.get_strategy()
    if not _is_over_workers(strategy):
        return [number]
    here = strategy.run(lambda: tf.constant([number], "int64"))
    of_replicas = _gathered(strategy, here).numpy().tolist()
    count = worker()[1]
    return of_replicas[:: len(of_replicas) // count]


def _gathered(strategy: Strategy, of_replicas) -> tf.Tensor:
    """Rows of all replicas, in the order of the replicas.

    TensorFlow's own order within a worker follows how its GPUs are linked.
    """

    def numbers(rows):
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.fill(tf.shape(rows)[:1], number)

    places = strategy.gather(strategy.run(numbers, (of_replicas,)), axis=0)
    rows = strategy.gather(of_replicas, axis=0)
    return tf.gather(rows, tf.argsort(places, stable=True))


@contextlib.contextmanager
def naming_lost_workers() -> Iterator[None]:
    """Has what TensorFlow raises for a worker that is gone say so.

    Raises:
        ConnectionError: another worker has ended, or cannot be reached.
    """
    try:
        yield
    except _LOST as error:
        if not _is_over_workers(tf.distribute.get_strategy()):
            raise
        why = str(error.message).partition("\n")[0]
        raise ConnectionError(
            "Another worker has ended or failed, or cannot be reached: start "
            "all of them again, and training goes on from its last evaluation "
            f"({why[:200]})"
        ) from error


def step_of_workers(
    model, batches: tf.data.Dataset
) -> Callable[[], dict[str, tf.Tensor]]:
    """The training steps that several workers take together.

    Args:
        model: compiled, its optimizer built.
        batches: (inputs, targets, weights): of each global batch the part of
            this worker, whose weights are alike where they are not 0.

    Returns:
        Takes the next step; the model's metrics since they were reset.
    """
    strategy = tf.distribute.get_strategy()

    def replica_step(inputs, targets, weights):
        counts = tf.cast(weights > 0, weights.dtype)
        context = tf.distribute.get_replica_context()
        total = context.all_reduce("SUM", tf.reduce_sum(counts))
        logs = model.train_step((inputs, targets, counts / total))
        return {n: context.all_reduce("MEAN", v) for n, v in logs.items()}

    @tf.function(autograph=False, jit_compile=model.jit_compile)
    def step(batch):
        logs = strategy.run(replica_step, args=batch)
        return {
            name: strategy.experimental_local_results(of_replicas)[0]
            for name, of_replicas in logs.items()
        }

    found = iter(_of_workers(strategy, batches))
    return lambda: step(next(found))


def _is_over_workers(strategy: Strategy) -> bool:
    kind = tf.distribute.MultiWorkerMirroredStrategy
    return isinstance(strategy, kind) and (
        len(cluster.from_environment().addresses) > 1
    )


def _of_workers(strategy: Strategy, batches: tf.data.Dataset):
    """What this worker has of each batch, split evenly over its devices."""
    here = strategy.num_replicas_in_sync // worker()[1]

    def split(*batch):
        return tf.nest.map_structure(
            lambda x: tf.reshape(x, (here, x.shape[0] // here, *x.shape[1:])),
            batch,
        )

    return strategy.distribute_datasets_from_function(
        lambda context: batches.map(split).unbatch().prefetch(2)
    )


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


def over_batches(
    function: Callable[..., tf.Tensor],
) -> Callable[[tf.data.Dataset], Iterator[np.ndarray]]:
    """A function of a batch as one of many, shared by the devices in use.

    Args:
        function: a `tf.function` of what a batch is -> a tensor, one row a
            row of the batch.

    Returns:
        Takes batches that split evenly over the devices (of several workers,
        the part of this one) and yields the rows of each whole batch, in its
        order.
    """
    strategy = tf.distribute.get_strategy()
    is_over_workers = _is_over_workers(strategy)

    @tf.function(autograph=False)
    def on_all_devices(batch):
        parts = strategy.run(function, args=batch)
        if is_over_workers:
            return _gathered(strategy, parts)
        return tf.concat(strategy.experimental_local_results(parts), axis=0)

    def each(dataset: tf.data.Dataset) -> Iterator[np.ndarray]:
        if strategy.num_replicas_in_sync == 1:
            for batch in dataset:
                yield function(*batch).numpy()
            return
        if is_over_workers:
            batches = _of_workers(strategy, dataset)
        else:
            batches = strategy.experimental_distribute_dataset(dataset)
        for batch in batches:
            yield on_all_devices(batch).numpy()

    return each


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
