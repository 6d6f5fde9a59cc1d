"""Fits models to batches: the only place that calls fit."""

import csv
import io
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from nextitnet_tf import atomic_files
from nextitnet_tf.models import saved
from nextitnet_tf.training import checkpoint
from nextitnet_tf.training import runs
from nextitnet_tf.training.checkpoint import Progress
from nextitnet_tf.training.task import Budget

# The best weights so far, while a model trains: those of this step.
BEST = "best-{step}.keras"


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
    state = folder / checkpoint.FILE_NAME
    if not any(folder.glob(BEST.format(step="*"))):
        state.unlink(missing_ok=True)  # of no use without its best weights
    progress = checkpoint.restore(state, model, identity)
    _go_on_with(progress, made_by or {}, state)
    wall_before = progress.wall_seconds
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
    best = best_path(folder, progress.best_step)
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


def _go_on_with(progress: Progress, made_by: dict, state: Path) -> None:
    """Notes who goes on; refuses what would give other numbers."""
    if progress.made_by:
        last = progress.made_by[-1]
        for name in ("num_devices", "jit_compile"):
            if last.get(name) != made_by.get(name):
                raise ValueError(
                    f"Expected {name}={last.get(name)}, with which the stage "
                    f"of {state} began: go on with that, or remove the file. "
                    f"Received: {name}={made_by.get(name)}"
                )
    if progress.made_by[-1:] != [made_by]:
        progress.made_by.append(made_by)


def _steps_between(curve: list[dict[str, float]]) -> list[float]:
    steps = [0.0, *(point["step"] for point in curve)]
    return [b - a for a, b in zip(steps, steps[1:], strict=False)]


def best_path(folder: Path, step: int) -> Path:
    """Where the weights of the best evaluation are while a model trains."""
    return folder / BEST.format(step=step)


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
        self._since = time.perf_counter() - progress.wall_seconds
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
        progress.wall_seconds = time.perf_counter() - self._since
        _write_log(self._folder / runs.LOG, progress.curve)
        checkpoint.save(
            self._folder / checkpoint.FILE_NAME,
            self.model,
            progress,
            self._identity,
        )
        # Those of the state before, or of a state that was never written.
        best = best_path(self._folder, progress.best_step)
        for other in self._folder.glob(BEST.format(step="*")):
            if other != best:
                other.unlink()

    def _judge(self, value: float) -> None:
        """Keeps the model if it is the best; ends what gets no better."""
        progress, budget = self._progress, self._budget
        progress.wait += 1
        if value > progress.best_value:
            progress.best_value, progress.best_step = value, progress.step
            progress.wait = 0
            saved.save_model(self.model, best_path(self._folder, progress.step))
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
