"""Fits models to batches, ranks with them: the only place that calls fit."""

import csv
import io
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from nextitnet_tf import atomic_files
from nextitnet_tf import distribution
from nextitnet_tf import metrics
from nextitnet_tf.models import saved
from nextitnet_tf.training import checkpoint
from nextitnet_tf.training import runs
from nextitnet_tf.training.checkpoint import Progress
from nextitnet_tf.training.task import Budget
from nextitnet_tf.training.task import Evaluation

# What early stopping and the best checkpoint look at, unless a task says.
MONITOR = "val_mrr_at_5"
# The best weights so far, while a model trains.
BEST = "best.keras"


def fit_to_best(
    model,
    batches_from: Callable[[int], tf.data.Dataset],
    validate: Callable[[], dict[str, float]],
    folder: Path,
    budget: Budget,
    identity: str,
    monitor: str = MONITOR,
    verbose: int | str = "auto",
) -> dict:
    """Fits to convergence; leaves the best weights in the model.

    At each evaluation the state of training is written beside the best
    weights; a call after an interruption goes on from there, and ends with
    the same weights as an undisturbed one.

    Args:
        model: compiled.
        batches_from: step -> batches without end from that step on.
        validate: metrics of the model as it is.
        folder: gets the best evaluation's checkpoint (`BEST`), the state of
            training and log.csv.
        budget: how long.
        identity: name of the stage, which a state of training must have.
        monitor: the metric that decides which evaluation is the best.
        verbose: as for Keras' fit.

    Returns:
        `curve` (step, train_seconds, loss and metrics of each evaluation),
        `best_step`, `best_validation`, `step_seconds`, `train_seconds`.

    Raises:
        FloatingPointError: the loss is no longer a number.
        ValueError: the state of training is damaged.
    """
    progress = checkpoint.restore(
        folder / checkpoint.FILE_NAME, model, identity
    )
    keeper = _Evaluation(progress, budget, validate, folder, identity, monitor)
    while not progress.is_over:
        # Keras' intervals are of one length: a last, shorter one is a call
        # of its own.
        left = budget.max_steps - progress.step
        steps = min(budget.eval_every, left)
        done = len(progress.curve)
        model.fit(
            batches_from(progress.step),
            shuffle=False,  # the batches do that
            steps_per_epoch=steps,
            initial_epoch=done,
            epochs=done + left // steps,
            callbacks=[
                *([_TieCopies()] if model.tied_blocks else []),
                keeper,
            ],
            verbose=verbose,
        )
    _restore_best(model, folder)
    # The first interval of a process holds its compilation.
    intervals = [
        point_seconds / steps
        for point_seconds, steps, is_compiled in zip(
            progress.seconds,
            _steps_between(progress.curve),
            progress.compiled,
            strict=True,
        )
        if not is_compiled
    ] or [progress.seconds[0] / progress.curve[0]["step"]]
    return {
        "curve": progress.curve,
        "best_step": progress.best_step,
        "monitor": monitor,
        "best_validation": progress.best_value,
        "step_seconds": statistics.median(intervals),
        "train_seconds": sum(progress.seconds),
    }


def _steps_between(curve: list[dict[str, float]]) -> list[float]:
    steps = [0.0, *(point["step"] for point in curve)]
    return [b - a for a, b in zip(steps, steps[1:], strict=False)]


def _restore_best(model, folder: Path) -> None:
    best = folder / BEST
    # A run interrupted at its very end has named it already.
    path = best if best.is_file() else folder / runs.MODEL
    model.set_weights(saved.load_model(path).get_weights())


def measure_step_seconds(
    model, training: tf.data.Dataset, repetitions: int, steps: int
) -> float:
    """Seconds of one training step, compilation left out.

    The median of `repetitions` calls of fit with `steps` steps each, after
    one to warm up.
    """
    clock = _Clock()
    model.fit(
        training,
        shuffle=False,
        steps_per_epoch=steps,
        epochs=repetitions + 1,
        callbacks=[clock],
        verbose=0,
    )
    return statistics.median(clock.seconds[1:]) / steps


class Ranker:
    """Ranks what did follow, batch by batch, compiled once.

    Args:
        model: any.
        ignored_ids: columns that cannot be ranked.
        with_unseen: whether to rank among the items that are not in the
            history, too.
        jit_compile: whether XLA compiles it.
    """

    def __init__(
        self,
        model,
        ignored_ids: tuple[int, ...],
        with_unseen: bool = False,
        jit_compile: bool = False,
    ):
        self._names = ["ranks", *(["unseen_ranks"] * with_unseen)]

        @tf.function(autograph=False, jit_compile=jit_compile)
        def rank_batch(inputs, next_item_ids):
            # With users, the history is the first of a pair.
            history = tf.nest.flatten(inputs)[0]
            logits = model(inputs)
            return tf.stack(
                [
                    metrics.rank_among(logits, next_item_ids, ignored_ids, seen)
                    for seen in (None, history)[: len(self._names)]
                ],
                axis=1,
            )

        self._rank_batch = rank_batch

    def rank(self, evaluation: Evaluation) -> dict[str, np.ndarray]:
        """Where each session's next item is ranked.

        Returns:
            "ranks" and, if asked for, "unseen_ranks": (num_sessions,) int32,
            0 for the best, in the order of the evaluation.
        """
        batches = evaluation.dataset.map(
            lambda inputs, next_item_ids, weights: (inputs, next_item_ids)
        )
        ranks = np.concatenate(
            list(distribution.map_batches(self._rank_batch, batches))
        )[: evaluation.num_sessions]
        return {name: ranks[:, i] for i, name in enumerate(self._names)}


class _Clock(keras.callbacks.Callback):
    """How long each interval of training took, evaluations left out.

    Attributes:
        seconds: of each.
        compiled: whether compiling is in them.
    """

    def __init__(
        self,
        seconds: list[float] | None = None,
        compiled: list[bool] | None = None,
    ):
        super().__init__()
        self.seconds: list[float] = [] if seconds is None else seconds
        self.compiled: list[bool] = [] if compiled is None else compiled
        self._is_first = True
        self._started = 0.0

    def on_train_begin(self, logs=None):
        self._is_first = True

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        # An accelerator runs ahead of Python: wait for its last step.
        keras.ops.convert_to_numpy(self.model.optimizer.iterations)
        self.seconds.append(time.perf_counter() - self._started)
        self.compiled.append(self._is_first)
        self._is_first = False


class _Evaluation(_Clock):
    """Evaluates after each interval, keeps the best, writes what goes on."""

    def __init__(
        self,
        progress: Progress,
        budget: Budget,
        validate: Callable[[], dict[str, float]],
        folder: Path,
        identity: str,
        monitor: str,
    ):
        super().__init__(progress.seconds, progress.compiled)
        self._progress = progress
        self._budget = budget
        self._validate = validate
        self._folder = folder
        self._identity = identity
        self._monitor = monitor

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        logs = {} if logs is None else logs
        if not math.isfinite(logs["loss"]):
            raise FloatingPointError(
                "The loss is no longer a number: a smaller learning rate may "
                "help. Received: "
                f"learning_rate={float(self.model.optimizer.learning_rate):g}"
            )
        progress = self._progress
        progress.step += self.params["steps"]
        found = {
            f"val_{name}": value for name, value in self._validate().items()
        }
        logs.update(found)  # what Keras shows
        progress.curve.append(
            {
                "step": progress.step,
                "train_seconds": sum(self.seconds),
                "loss": float(logs["loss"]),
                **found,
            }
        )
        self._judge(found[self._monitor])
        _write_log(self._folder / runs.LOG, progress.curve)
        checkpoint.save(
            self._folder / checkpoint.FILE_NAME,
            self.model,
            progress,
            self._identity,
        )

    def _judge(self, value: float) -> None:
        """Keeps the model if it is the best; ends what gets no better."""
        progress, budget = self._progress, self._budget
        progress.wait += 1
        if value > progress.best_value:
            progress.best_value, progress.best_step = value, progress.step
            progress.wait = 0
            saved.save_model(self.model, self._folder / BEST)
        is_patient = budget.patience is None or progress.wait < budget.patience
        if progress.step >= budget.max_steps or not is_patient:
            progress.is_over = True
            self.model.stop_training = True


def _write_log(path: Path, curve: list[dict[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(curve[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(curve)
    atomic_files.write_text(path, text.getvalue())


class _TieCopies(keras.callbacks.Callback):
    """Keeps copies of a block equal, moved by the sum of their steps.

    Separate slots of the optimizer for each copy, one memory for all: what
    the release's Transformers do after stacking.
    """

    def on_train_begin(self, logs=None):
        layers = [
            [self.model.blocks[i].parts()["blocks"] for i in group]
            for group in self.model.tied_blocks
        ]
        # (copies of one variable, what they were after the last step)
        self._tied = [
            ([v.value for v in copies], tf.Variable(copies[0].value))
            for of_group in layers
            for of_layer in zip(*of_group, strict=True)
            for copies in zip(
                *(layer.trainable_variables for layer in of_layer), strict=True
            )
        ]

    def on_train_batch_end(self, batch, logs=None):
        self._tie()

    @tf.function(autograph=False)
    def _tie(self):
        for copies, before in self._tied:
            together = before + tf.add_n([v - before for v in copies])
            for variable in (*copies, before):
                variable.assign(together)
