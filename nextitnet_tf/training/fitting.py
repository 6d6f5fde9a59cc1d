"""Fits models to batches: the only place that calls fit."""

import logging
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from nextitnet_tf import distribution
from nextitnet_tf.models import saved
from nextitnet_tf.training import interrupts
from nextitnet_tf.training import runs
from nextitnet_tf.training import several_workers
from nextitnet_tf.training.checkpoint import Checkpoints
from nextitnet_tf.training.checkpoint import Progress
from nextitnet_tf.training.evaluating import Evaluations
from nextitnet_tf.training.evaluating import NotFinite
from nextitnet_tf.training.evaluating import StopAtNotFinite
from nextitnet_tf.training.task import Budget
from nextitnet_tf.training.tied_copies import TieCopies

_LOGGER = logging.getLogger(__name__)


def fit_to_best(
    model,
    batches_from: Callable[[int], tf.data.Dataset],
    validate: Callable[[], dict[str, float]],
    folder: Path,
    budget: Budget,
    identity: str,
    made_by: dict | None = None,
    monitor: str = runs.MONITOR,
    verbose: int | str = "auto",
) -> dict:
    """Fits to convergence; leaves the best weights in the model.

    At each evaluation, and when SIGINT or SIGTERM asks it to end, the state
    of training is written beside the best weights; a call after an
    interruption goes on from there, and ends with the same weights as an
    undisturbed one.

    Args:
        model: compiled.
        batches_from: step -> batches without end from that step on.
        validate: metrics of the model as it is.
        folder: gets the best evaluation's weights, the states of training
            and log.csv.
        budget: how long.
        identity: name of the stage, which a state of training must have.
        made_by: versions, devices, ... of this process. A stage that others
            began goes on only on as many devices, compiled in the same way.
        monitor: the metric that decides which evaluation is the best.
        verbose: as for Keras' fit.

    Returns:
        `curve` (step, train_seconds, loss and metrics of each evaluation),
        `best_step`, `best_validation`, `step_seconds`, `train_seconds`,
        `wall_seconds_before` (of processes that were interrupted) and, where
        several had a part in it, `made_by`.

    Raises:
        FloatingPointError: the loss is no longer a number.
        ValueError: the state of training is damaged, or of other devices.
    """
    checkpoints = Checkpoints(folder, identity)
    progress = checkpoints.restore(model)
    several_workers.meet(f"goes on from step {progress.all_steps}", folder)
    _go_on_with(progress, made_by or {}, folder)
    if progress.all_steps:
        _LOGGER.info("goes on from step %d", progress.all_steps)
    else:
        checkpoints.save(model, progress)
    wall_before = progress.wall_seconds
    evaluations = Evaluations(progress, budget, validate, checkpoints, monitor)
    with interrupts.held(evaluations.stop):
        try:
            _train(model, batches_from, progress, budget, evaluations, verbose)
        except NotFinite:
            raise _diverged(model, batches_from, checkpoints, budget) from None
    if evaluations.is_stopped_by_another:
        raise InterruptedError(
            "Another worker was asked to stop: start all of them again, and "
            f"training goes on from step {progress.step}"
        )
    _warn_of_divergence(model, progress)
    best = checkpoints.best(progress.best_step)
    model.set_weights(saved.load_model(best).get_weights())
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
    ]
    is_clean = bool(intervals)
    if not is_clean:
        intervals = [progress.seconds[0] / progress.curve[0]["step"]]
    return {
        "curve": progress.curve,
        "best_step": progress.best_step,
        "monitor": monitor,
        "best_validation": progress.best_value,
        "step_seconds": statistics.median(intervals),
        # Where no interval is without compilation, it is in the step's time.
        **({} if is_clean else {"step_seconds_with_compilation": True}),
        "train_seconds": sum(progress.seconds),
        "wall_seconds_before": wall_before,
        **({"made_by": progress.made_by} if len(progress.made_by) > 1 else {}),
    }


def _train(
    model,
    batches_from: Callable[[int], tf.data.Dataset],
    progress: Progress,
    budget: Budget,
    evaluations: Evaluations,
    verbose: int | str,
) -> None:
    """Fits until the stage is over, or until it is asked to stop."""
    while not (progress.is_over or evaluations.is_stopped):
        # Keras' intervals are of one length: a last, shorter one is a call
        # of its own, and so is what is left of one that was cut short.
        left = budget.max_steps - progress.step
        steps = min(budget.eval_every, left)
        done = len(progress.curve)
        begun = progress.begun.get("steps", 0)
        _fit(
            model,
            batches_from(progress.all_steps),
            steps_per_epoch=steps - begun,
            initial_epoch=done,
            epochs=done + (1 if begun else left // steps),
            callbacks=[
                *([TieCopies()] if model.tied_blocks else []),
                evaluations,
            ],
            verbose=verbose,
        )


def _fit(model, batches: tf.data.Dataset, **options: Any) -> None:
    """Keras' `fit`, or what stands in its place for several workers."""
    if distribution.worker()[1] > 1:
        several_workers.fit(model, batches, **options)
    else:
        model.fit(batches, shuffle=False, **options)  # batches do that


def _diverged(
    model,
    batches_from: Callable[[int], tf.data.Dataset],
    checkpoints: Checkpoints,
    budget: Budget,
) -> FloatingPointError:
    """Finds the step by going through the interval once more, step by step."""
    rate = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
    progress = checkpoints.restore(model)
    first = progress.all_steps
    search = StopAtNotFinite()
    _fit(
        model,
        batches_from(first),
        steps_per_epoch=min(progress.step + budget.eval_every, budget.max_steps)
        - first,
        callbacks=[
            *([TieCopies()] if model.tied_blocks else []),
            search,
        ],
        verbose=0,
    )
    where = f"after step {first}"
    if search.step is not None:
        where = f"at step {first + search.step}"
    kept = f"The state of step {first}"
    if progress.curve:
        kept += f" and the best weights, of step {progress.best_step},"
    return FloatingPointError(
        f"The loss is no longer a number {where}: a smaller learning rate may "
        f"help. {kept} stay in {checkpoints.folder}. "
        f"Received: learning_rate={rate:g}"
    )


def _warn_of_divergence(model, progress: Progress) -> None:
    """Says so if what was learned is worse than knowing nothing."""
    num_items = getattr(model, "num_items", None)
    loss = progress.curve[-1]["loss"]
    if num_items and loss > 2 * math.log(num_items + 1):
        _LOGGER.warning(
            "the loss, %.4g, is far above that of guessing, %.4g: training "
            "has diverged; a smaller learning rate may help",
            loss,
            math.log(num_items),
        )


def _go_on_with(progress: Progress, made_by: dict, folder: Path) -> None:
    """Notes who goes on; refuses what would give other numbers."""
    if progress.made_by:
        last = progress.made_by[-1]
        for name in ("num_devices", "jit_compile"):
            if last.get(name) != made_by.get(name):
                raise ValueError(
                    f"Expected {name}={last.get(name)}, with which the stage "
                    f"in {folder} began: go on with that, or remove the "
                    f"folder. Received: {name}={made_by.get(name)}"
                )
    if progress.made_by[-1:] != [made_by]:
        progress.made_by.append(made_by)


def _steps_between(curve: list[dict[str, float]]) -> list[float]:
    steps = [0.0, *(point["step"] for point in curve)]
    return [b - a for a, b in zip(steps, steps[1:], strict=False)]


def measure_step_seconds(
    model, training: tf.data.Dataset, repetitions: int, steps: int
) -> float:
    """Seconds of one training step, compilation left out.

    The median of `repetitions` calls of fit with `steps` steps each, after
    one to warm up.
    """
    clock = _Clock()
    _fit(
        model,
        training,
        steps_per_epoch=steps,
        epochs=repetitions + 1,
        callbacks=[clock],
        verbose=0,
    )
    return statistics.median(clock.seconds[1:]) / steps


class _Clock(keras.callbacks.Callback):
    """How long each call of fit's interval took."""

    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []
        self._began = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        # An accelerator runs ahead of Python: wait for its last step.
        keras.ops.convert_to_numpy(self.model.optimizer.iterations)
        self.seconds.append(time.perf_counter() - self._began)
