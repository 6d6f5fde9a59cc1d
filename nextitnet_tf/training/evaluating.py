"""What happens after each interval of training."""

import csv
import io
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import keras

from nextitnet_tf import atomic_files
from nextitnet_tf import distribution
from nextitnet_tf.training import journal
from nextitnet_tf.training import runs
from nextitnet_tf.training.checkpoint import Checkpoints
from nextitnet_tf.training.checkpoint import Progress
from nextitnet_tf.training.task import Budget

_LOGGER = logging.getLogger(__name__)


class NotFinite(ArithmeticError):
    """The mean loss of an interval is no longer a number."""


class Evaluations(keras.callbacks.Callback):
    """Evaluates after each interval, keeps the best, writes what goes on.

    Args:
        progress: of the stage; it is brought forward.
        budget: how long the stage may train.
        validate: metrics of the model as it is.
        checkpoints: of the stage.
        monitor: the metric that decides which evaluation is the best.

    Attributes:
        is_stopped: whether `stop` was called.
        is_stopped_by_another: whether that of another worker was.
    """

    def __init__(
        self,
        progress: Progress,
        budget: Budget,
        validate: Callable[[], dict[str, float]],
        checkpoints: Checkpoints,
        monitor: str,
    ):
        super().__init__()
        self.is_stopped = False
        self.is_stopped_by_another = False
        self._progress = progress
        self._budget = budget
        self._validate = validate
        self._checkpoints = checkpoints
        self._monitor = monitor
        self._since = time.perf_counter() - progress.wall_seconds
        self._began = 0.0
        self._steps = 0
        self._events = journal.Events(checkpoints.folder)
        self._is_one_of_several = distribution.worker()[1] > 1
        # A process compiles in its first interval.
        self._is_first = True

    def stop(self) -> None:
        """Has training end after this step, or after this evaluation.

        Several workers, who take each step together, end together, after the
        evaluation.
        """
        self.is_stopped = True
        if self._model is not None and not self._is_one_of_several:
            self.model.stop_training = True

    def on_train_begin(self, logs=None):
        self._is_first = True  # `fit` compiles anew
        # `fit` has just said that it is not.
        if self.is_stopped and not self._is_one_of_several:
            self.model.stop_training = True

    def on_epoch_begin(self, epoch, logs=None):
        self._began = time.perf_counter()
        self._steps = 0
        if self._progress.begun:
            for variable, value in zip(
                _loss_variables(self.model),
                self._progress.begun["loss"],
                strict=True,
            ):
                variable.assign(value)

    def on_train_batch_begin(self, batch, logs=None):
        self._steps = batch + 1

    def on_epoch_end(self, epoch, logs=None):
        logs = {} if logs is None else logs
        # An accelerator runs ahead of Python: wait for its last step.
        keras.ops.convert_to_numpy(self.model.optimizer.iterations)
        seconds = time.perf_counter() - self._began
        if not math.isfinite(logs["loss"]):
            raise NotFinite
        progress = self._progress
        begun = progress.begun
        seconds += begun.get("seconds", 0.0)
        if self._steps < self.params["steps"]:
            progress.begun = {
                "steps": begun.get("steps", 0) + self._steps,
                "seconds": seconds,
                "loss": [
                    float(keras.ops.convert_to_numpy(variable))
                    for variable in _loss_variables(self.model)
                ],
            }
            self._save()
            _LOGGER.info("cut short after step %d", progress.all_steps)
            return
        progress.step += begun.get("steps", 0) + self._steps
        progress.begun = {}
        progress.seconds.append(seconds)
        progress.compiled.append(self._is_first or bool(begun))
        self._is_first = False
        found = {
            f"val_{name}": value for name, value in self._validate().items()
        }
        logs.update(found)  # what Keras shows
        point = {
            "step": progress.step,
            "train_seconds": sum(progress.seconds),
            "loss": float(logs["loss"]),
            **found,
        }
        progress.curve.append(point)
        self._judge(found[self._monitor])
        folder = self._checkpoints.folder
        _write_log(folder / runs.LOG, progress.curve)
        self._events.write(point)
        _LOGGER.debug(
            "step %d: loss %.4f, %s %.4f, the best %.4f at step %d",
            progress.step,
            point["loss"],
            self._monitor,
            found[self._monitor],
            progress.best_value,
            progress.best_step,
        )
        self._save()
        if self._is_one_of_several and not progress.is_over:
            self._stop_together()

    def _stop_together(self) -> None:
        """Ends training if any worker was asked to."""
        if any(distribution.from_all_workers(self.is_stopped)):
            self.is_stopped_by_another = not self.is_stopped
            self.is_stopped = self.model.stop_training = True

    def _save(self) -> None:
        self._progress.wall_seconds = time.perf_counter() - self._since
        self._checkpoints.save(self.model, self._progress)

    def _judge(self, value: float) -> None:
        """Keeps the model if it is the best; ends what gets no better."""
        progress, budget = self._progress, self._budget
        progress.wait += 1
        if value > progress.best_value:
            progress.best_value, progress.best_step = value, progress.step
            progress.wait = 0
            self._checkpoints.keep_best(self.model, progress)
        is_patient = budget.patience is None or progress.wait < budget.patience
        if progress.step >= budget.max_steps or not is_patient:
            progress.is_over = True
            self.model.stop_training = True


class StopAtNotFinite(keras.callbacks.Callback):
    """Ends training after the first step whose loss is no number.

    Attributes:
        step: which one, counted from 1; None if there was none.
    """

    def __init__(self):
        super().__init__()
        self.step: int | None = None

    def on_train_batch_end(self, batch, logs=None):
        # The mean so far is no number from that step on.
        if self.step is None and not math.isfinite((logs or {})["loss"]):
            self.step = batch + 1
            self.model.stop_training = True


def _loss_variables(model) -> list:
    """What the mean loss of an interval is counted from."""
    return [
        variable
        for metric in model.metrics
        if metric.name == "loss"
        for variable in metric.variables
    ]


def _write_log(path: Path, curve: list[dict[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(curve[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(curve)
    atomic_files.write_text(path, text.getvalue())
