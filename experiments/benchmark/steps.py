"""Training steps and evaluation, on any Keras backend.

Knows neither data files nor training runs: batches are drawn at random, and
a step is what Keras does with one.
"""

import dataclasses
import statistics
import time

import keras
import numpy as np

from experiments.benchmark import machine
from nextitnet_tf.metrics import make_ranking_metrics
from nextitnet_tf.models import NextItNet

_WARM_UP_SECONDS = 3.0


@dataclasses.dataclass(frozen=True)
class Step:
    """One training step of a NextItNet.

    Attributes:
        num_blocks: depth.
        num_items: without padding.
        sampled_fraction: negatives as a share of all columns, 0 for the full
            softmax.
        batch_size: sessions.
        t: items of a session; t - 1 are predicted.
        embedding_dim: D.
    """

    num_blocks: int = 8
    num_items: int = 3500
    sampled_fraction: float = 0.2
    batch_size: int = 256
    t: int = 20
    embedding_dim: int = 64

    @property
    def num_sampled(self) -> int | None:
        """Negatives, None for the full softmax."""
        return int(self.sampled_fraction * (self.num_items + 1)) or None

    @property
    def gflop(self) -> float:
        """Arithmetic of the matrix products, forward and backward.

        A product of (m, k) and (k, n) is 2 m k n operations; its two
        gradients are as many each. A convolution with 3 taps has k = 3 D.
        """
        positions = self.batch_size * (self.t - 1)
        width = self.embedding_dim
        blocks = self.num_blocks * 2 * (2 * positions * 3 * width * width)
        columns = self.num_sampled or self.num_items + 1
        return 3 * (blocks + 2 * positions * width * columns) / 1e9


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds of a step.

    Attributes:
        seconds: each repetition's, a mean over its steps.
        first_seconds: of the first step, compiling included.
    """

    seconds: list[float]
    first_seconds: float

    @property
    def median(self) -> float:
        """The figure that counts."""
        return statistics.median(self.seconds)


def time_training(step: Step, repetitions: int = 7) -> Timing:
    """Times training steps, the first ones apart."""
    keras.utils.set_random_seed(0)
    model = make_model(step)
    rows = _rows(step)
    weights = np.full(
        (step.batch_size, step.t - 1),
        1 / (step.batch_size * (step.t - 1)),
        "float32",
    )
    batch = (rows[:, :-1], rows[:, 1:], weights)
    return time_calls(lambda: model.train_on_batch(*batch), repetitions)


def time_evaluation(step: Step, repetitions: int = 7) -> Timing:
    """Times evaluating a batch: all metrics, all items ranked."""
    model = make_model(step)
    rows = _rows(step)
    return time_calls(
        lambda: model.test_on_batch(rows[:, :-1], rows[:, -1]), repetitions
    )


def make_model(step: Step, jit_compile: bool = True) -> NextItNet:
    """A compiled model, as training would have it."""
    model = NextItNet(
        num_items=step.num_items,
        num_blocks=step.num_blocks,
        embedding_dim=step.embedding_dim,
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, epsilon=1e-8),
        num_sampled=step.num_sampled,
        weighted_metrics=make_ranking_metrics(),
        jit_compile=jit_compile,
    )
    return model


def _rows(step: Step) -> np.ndarray:
    generator = np.random.default_rng(0)
    shape = (step.batch_size, step.t)
    return generator.integers(1, step.num_items + 1, shape).astype("int32")


def time_calls(call, repetitions: int) -> Timing:
    """Times what a call does, the first one apart."""
    began = time.perf_counter()
    call()
    first = time.perf_counter() - began
    # The first seconds of a process are slower than those to come.
    warm_until = time.perf_counter() + _WARM_UP_SECONDS
    last = first
    while time.perf_counter() < warm_until:
        began = time.perf_counter()
        call()
        last = time.perf_counter() - began
    # So many that a repetition lasts about half a second.
    count = max(1, round(0.5 / last))

    def several() -> None:
        for _ in range(count):
            call()

    seconds = machine.times(several, repetitions)
    return Timing([s / count for s in seconds], first)
