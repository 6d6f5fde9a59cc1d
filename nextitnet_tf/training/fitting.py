"""Fits models to datasets, evaluates them: the only place that calls fit."""

import math
import statistics
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from nextitnet_tf import atomic_files
from nextitnet_tf import metrics

# What early stopping and the best checkpoint look at.
MONITOR = "val_mrr_at_5"
# Where the item that did follow was ranked, in each session of the test; and
# where among the items that are not in its history.
RANKS = "ranks.npy"
UNSEEN_RANKS = "unseen_ranks.npy"
# The best weights so far, while a model trains.
BEST = "best.keras"


def fit_to_best(
    model,
    training: tf.data.Dataset,
    validation: tf.data.Dataset,
    folder: Path,
    *,
    max_steps: int,
    eval_every: int,
    patience: int | None,
    verbose: int | str = "auto",
) -> dict:
    """Fits to convergence; leaves the best weights in the model.

    Args:
        model: compiled.
        training: batches without end.
        validation: one pass.
        folder: gets the best evaluation's checkpoint (`BEST`) and log.csv.
        max_steps: training steps at most.
        eval_every: steps between two evaluations.
        patience: evaluations without a better MRR@5 before stopping; None
            never stops early.
        verbose: as for Keras' fit.

    Returns:
        `curve` (step, train_seconds, loss and metrics of each evaluation),
        `best_step`, `best_validation`, `step_seconds`, `train_seconds`.

    Raises:
        FloatingPointError: the loss is no longer a number.
    """
    epochs = max_steps // eval_every
    timer = _StepTimer()
    history = model.fit(
        training,
        validation_data=validation,
        shuffle=False,  # the dataset does that
        steps_per_epoch=eval_every,
        epochs=epochs,
        callbacks=[
            timer,
            _StopIfDiverged(),
            *([_TieCopies()] if model.tied_blocks else []),
            # What an interrupted run leaves behind.
            keras.callbacks.ModelCheckpoint(
                folder / BEST,
                monitor=MONITOR,
                mode="max",
                save_best_only=True,
            ),
            keras.callbacks.EarlyStopping(
                monitor=MONITOR,
                mode="max",
                patience=epochs if patience is None else patience,
                restore_best_weights=True,
            ),
            keras.callbacks.CSVLogger(folder / "log.csv"),
        ],
        verbose=verbose,
    ).history
    if not history.get(MONITOR) or not math.isfinite(history["loss"][-1]):
        raise FloatingPointError(
            "The loss is no longer a number: a smaller learning rate may "
            "help. Received: "
            f"learning_rate={float(model.optimizer.learning_rate):g}"
        )
    names = ["train_seconds", "loss", *(n for n in history if "_at_" in n)]
    curve = [
        {
            "step": (i + 1) * eval_every,
            **{name: float(history[name][i]) for name in names},
        }
        for i in range(len(history[MONITOR]))
    ]
    best = max(range(len(curve)), key=lambda i: curve[i][MONITOR])
    # The first interval holds the compilation.
    intervals = timer.seconds[1:] or timer.seconds
    return {
        "curve": curve,
        "best_step": curve[best]["step"],
        "best_validation": curve[best][MONITOR],
        "step_seconds": statistics.median(intervals) / eval_every,
        "train_seconds": sum(timer.seconds),
    }


def measure_step_seconds(
    model, training: tf.data.Dataset, repetitions: int, steps: int
) -> float:
    """Seconds of one training step, compilation left out.

    The median of `repetitions` calls of fit with `steps` steps each, after
    one to warm up.
    """
    timer = _StepTimer()
    model.fit(
        training,
        shuffle=False,
        steps_per_epoch=steps,
        epochs=repetitions + 1,
        callbacks=[timer],
        verbose=0,
    )
    return statistics.median(timer.seconds[1:]) / steps


def evaluate(
    model, dataset: tf.data.Dataset, num_sessions: int, verbose=0
) -> dict:
    """Ranking metrics of a compiled model.

    Args:
        model: compiled with them.
        dataset: one pass.
        num_sessions: that count in it.
        verbose: as for Keras' evaluate.

    Returns:
        Metrics by name, and `num_sessions`.
    """
    results = model.evaluate(dataset, verbose=verbose, return_dict=True)
    # The loss Keras adds is a mean over batches, a last one that was filled
    # up included: not a number to compare.
    del results["loss"]
    return {
        **{name: float(value) for name, value in results.items()},
        "num_sessions": num_sessions,
    }


def rank(
    model,
    dataset: tf.data.Dataset,
    num_sessions: int,
    ignored_ids,
    exclude_seen: bool = False,
) -> np.ndarray:
    """Where each session's last item is ranked.

    Args:
        model: any.
        dataset: one pass.
        num_sessions: that count in it.
        ignored_ids: columns that cannot be ranked.
        exclude_seen: whether the other items of a session's own history
            cannot be ranked, either.

    Returns:
        (num_sessions,) int32, in the order of the dataset.
    """

    @tf.function(autograph=False)
    def rank_batch(inputs, next_item_ids):
        # With users, the history is the first of a pair.
        history = tf.nest.flatten(inputs)[0]
        return metrics.rank_among(
            model(inputs),
            next_item_ids,
            ignored_ids,
            history if exclude_seen else None,
        )

    ranks = [
        rank_batch(inputs, target).numpy() for inputs, target, _ in dataset
    ]
    return np.concatenate(ranks)[:num_sessions].astype("<i4")


def save_ranks(path: Path, ranks: np.ndarray) -> None:
    """Writes what `rank` gave."""
    # A file, not a path: NumPy would add its own ending to the latter.
    with (
        atomic_files.replacing(path) as partial,
        open(partial, "wb") as file,
    ):
        np.save(file, ranks, allow_pickle=False)


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


class _StepTimer(keras.callbacks.Callback):
    """Adds to the logs how long training has taken, evaluations left out."""

    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []
        self._started = 0.0
        self._stopped: float | None = None

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.perf_counter()
        self._stopped = None

    def on_test_begin(self, logs=None):
        self._stopped = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        stopped = self._stopped or time.perf_counter()
        self.seconds.append(stopped - self._started)
        if logs is not None:
            logs["train_seconds"] = sum(self.seconds)


class _StopIfDiverged(keras.callbacks.Callback):
    """Ends training once the loss is not a number.

    Looks once an evaluation; Keras' TerminateOnNaN waits for every step's
    loss, which keeps an accelerator from running ahead.
    """

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            self.model.stop_training = True
