"""How several workers train a stage together."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf

from nextitnet_tf import distribution


def fit(
    model,
    batches: tf.data.Dataset,
    *,
    steps_per_epoch: int,
    epochs: int,
    initial_epoch: int = 0,
    callbacks: list[keras.callbacks.Callback],
    verbose: int | str,
) -> None:
    """What of Keras' `fit` is used here, for workers that share each step.

    Keras' own fails under MultiWorkerMirroredStrategy: it takes means of
    integer ids, and of scalars along an axis
    (https://github.com/keras-team/keras/issues/20585). This goes once
    `test_keras_own_fit_fails_still` no longer passes.

    Args:
        model: compiled, its optimizer built.
        batches: of each global batch the part of this worker.
        steps_per_epoch: as for Keras' `fit`, like all that follow.
        epochs: up to which one.
        initial_epoch: the first one.
        callbacks: those that are called at the begin and end of training,
            epochs and steps.
        verbose: 0 shows no progress.
    """
    shown = keras.callbacks.CallbackList(
        callbacks,
        add_progbar=bool(verbose),
        model=model,
        epochs=epochs,
        steps=steps_per_epoch,
        verbose=verbose,
    )
    step = distribution.step_of_workers(model, batches)
    model.stop_training = False
    shown.on_train_begin()
    for epoch in range(initial_epoch, epochs):
        model.reset_metrics()
        shown.on_epoch_begin(epoch)
        for number in range(steps_per_epoch):
            shown.on_train_batch_begin(number)
            logs = step()
            shown.on_train_batch_end(number, logs)
            if model.stop_training:
                break
        shown.on_epoch_end(epoch, dict(model.get_metrics_result()))
        if model.stop_training:
            break
    shown.on_train_end()


@contextlib.contextmanager
def own_copy(folder: Path) -> Iterator[Path]:
    """Where a worker that is not the chief works on a stage.

    It has what the folder has, and is thrown away at the end: only the chief
    writes where others read.

    Args:
        folder: of the stage, which all workers see.
    """
    with tempfile.TemporaryDirectory() as own:
        copy = Path(own) / folder.name
        if folder.is_dir():
            shutil.copytree(folder, copy)
        copy.mkdir(exist_ok=True)
        yield copy


def meet(what: int, folder: Path) -> None:
    """Waits for all workers, who must have found the same.

    Args:
        what: each has found, as a number.
        folder: in which.

    Raises:
        ValueError: they have not.
        ConnectionError: one of them has ended.
    """
    with distribution.naming_lost_workers():
        found = distribution.from_all_workers(what)
    if len(set(found)) > 1:
        raise ValueError(
            f"Expected a folder that all workers see, the same for each: "
            f"{folder} is not (its states by worker: {found})"
        )
