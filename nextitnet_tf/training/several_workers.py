"""How several workers train a stage together."""

import contextlib
import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import keras
import tensorflow as tf

from nextitnet_tf import distribution
from nextitnet_tf import locks

# For how long a file that another machine has written may not be seen.
_SECONDS_TO_SEE = 10


def fit(
    model,
    batches: tf.data.Dataset,
    *,
    steps_per_epoch: int,
    epochs: int = 1,
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

    Raises:
        ValueError: a loss that is scaled, as of mixed_float16.
    """
    if isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer):
        # Whether a step overflows is asked of each worker's own gradients:
        # one that skips it leaves the others waiting.
        raise ValueError(
            "Expected dtype float32 or mixed_bfloat16 where several workers "
            "train. Received: mixed_float16"
        )
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


def meet(what: str, folder: Path) -> None:
    """Waits for all workers, who must be about to do the same.

    Args:
        what: each is about to do.
        folder: in which.

    Raises:
        ValueError: they are not.
        ConnectionError: one of them has ended.
    """
    with distribution.naming_lost_workers():
        digest = hashlib.sha256(what.encode()).hexdigest()
        found = distribution.from_all_workers(int(digest[:15], 16))
    if len(set(found)) > 1:
        raise ValueError(
            "Expected all workers to do the same, in one folder that all of "
            f"them see. Received: {what!r} in {folder}, and something else "
            "from another worker: start all of them with the same flags, on a "
            "shared file system"
        )


def see_the_same(folder: Path) -> None:
    """Raises unless all workers see who has locked a folder: the chief."""
    if distribution.worker()[1] == 1:
        return
    meet("locked", folder)
    until = time.monotonic() + _SECONDS_TO_SEE
    while not (owner := locks.owner(folder)) and time.monotonic() < until:
        time.sleep(0.2)
    meet(f"locked by {owner}", folder)


def wait_for(file: Path) -> None:
    """Waits for what the chief has written, where files are shared slowly."""
    until = time.monotonic() + _SECONDS_TO_SEE
    while not file.is_file() and time.monotonic() < until:
        time.sleep(0.2)
