"""What is learned from which rows."""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from nextitnet_tf.training.runs import MONITOR
from nextitnet_tf.training.runs import Run


@dataclass(frozen=True)
class Budget:
    """How long a stage may train.

    Attributes:
        max_steps: training steps at most.
        eval_every: steps between two evaluations; the last interval is
            shorter where the steps do not divide evenly.
        patience: evaluations without a better MRR@5 before stopping; None
            never stops early.
    """

    max_steps: int
    eval_every: int
    patience: int | None


@dataclass(frozen=True)
class Evaluation:
    """One pass over the rows of an evaluation.

    Attributes:
        dataset: batches of inputs, next items and weights.
        num_sessions: how many rows of it count; others fill the last batch.
    """

    dataset: tf.data.Dataset
    num_sessions: int


class Task(abc.ABC):
    """What `stages.run` asks of whoever knows models and rows.

    A task has one or more stages; each begins from the one before.

    Attributes:
        seed: of all stages.
        batch_size: global.
        ties_to: as for `metrics.rank_among`.
        ranks_unseen: whether the test is also ranked among the items that
            are not in a history.
        monitor: the metric of the validation that decides which evaluation
            is the best.
    """

    seed: int
    batch_size: int
    ranks_unseen: bool
    ties_to: str = "lower"
    monitor: str = MONITOR

    @property
    @abc.abstractmethod
    def names(self) -> Sequence[str]:
        """Of the stages, unique to what determines their numbers."""

    @abc.abstractmethod
    def describe(self, index: int) -> dict[str, Any]:
        """All that decides the numbers of a stage, for its run.json."""

    @abc.abstractmethod
    def ignored_ids(self, index: int) -> tuple[int, ...]:
        """Columns that cannot be ranked."""

    @abc.abstractmethod
    def begin(self, index: int, before: Run | None):
        """The built model a stage starts from.

        It comes from the run of the stage before, never from memory, so that
        an interrupted task goes on exactly as an uninterrupted one.
        """

    @abc.abstractmethod
    def compile(self, index: int, model, jit_compile: bool) -> None:
        """Configures the training of a stage's model."""

    @abc.abstractmethod
    def budget(self, index: int) -> Budget:
        """How long a stage may train."""

    @abc.abstractmethod
    def training_batches(
        self, index: int, model, first_step: int
    ) -> tf.data.Dataset:
        """Batches without end, from a step of the stage on."""

    @abc.abstractmethod
    def validation(self, index: int, model) -> Evaluation:
        """What early stopping looks at."""

    @abc.abstractmethod
    def test(self, index: int, model) -> Evaluation:
        """What is reported."""

    @abc.abstractmethod
    def count(self, index: int) -> dict[str, int]:
        """How much a stage trains on, for its run.json."""

    def rows(self, index: int) -> np.ndarray:
        """(num_rows, t) what a model that is counted, not fitted, counts."""
        raise ValueError(
            f"Expected a model that is fitted. Received: {type(self).__name__}"
        )
