"""Runs any task, stage by stage."""

import contextlib
import logging
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import keras

from nextitnet_tf import atomic_files
from nextitnet_tf import distribution
from nextitnet_tf import locks
from nextitnet_tf import metrics
from nextitnet_tf.models import saved
from nextitnet_tf.training import fitting
from nextitnet_tf.training import journal
from nextitnet_tf.training import ranks as of_ranks
from nextitnet_tf.training import runs
from nextitnet_tf.training import several_workers
from nextitnet_tf.training.checkpoint import Checkpoints
from nextitnet_tf.training.ranking import Ranker
from nextitnet_tf.training.runs import Run
from nextitnet_tf.training.task import Evaluation
from nextitnet_tf.training.task import Task

_LOGGER = logging.getLogger(__name__)


def run(
    task: Task,
    folder,
    *,
    before: Run | None = None,
    strategy: distribution.Strategy | None = None,
    jit_compile: bool | None = None,
    needs_model: bool = False,
    verbose: int | str = "auto",
) -> list[Run]:
    """Trains the stages of a task that are not done.

    Each stage has a folder of its own, named after everything that
    determines its numbers: a stage that is already done, by this task or by
    one that begins with the same stages, is not run again. An interrupted
    stage goes on from its last evaluation, or from where SIGINT or SIGTERM
    ended it.

    Args:
        task: what to train.
        folder: where the stages' folders go.
        before: what the first stage begins from, if from anything.
        strategy: default one device.
        jit_compile: whether XLA compiles the steps; default wherever it can.
        needs_model: whether the last stage is run again if all that is left
            of it is its summary.
        verbose: as for Keras' fit; "auto" shows a bar in a terminal alone.

    Returns:
        One `Run` a stage.

    Raises:
        ValueError: a batch that does not split over the devices; a run that
            was damaged on disk.
        FloatingPointError: the loss is no longer a number.
        OSError: another process trains one of the stages in this folder.
        ConnectionError: one of several workers has ended.
    """
    if verbose == "auto":
        verbose = int(sys.stdout.isatty())
    strategy = strategy or distribution.make_strategy()
    distribution.check_batch_size(task.batch_size, strategy)
    if jit_compile is None:
        jit_compile = distribution.can_jit_compile(strategy)
    folders = [Path(folder) / name for name in task.names]
    done: list[Run] = []
    with strategy.scope(), distribution.naming_lost_workers():
        for index, is_missing in enumerate(_missing(folders, needs_model)):
            what = f"{task.names[index]}, {is_missing=}"
            several_workers.meet(what, folders[index])
            if is_missing:
                last = done[-1] if done else before
                with _alone_in(folders[index]):
                    several_workers.see_the_same(folders[index])
                    _run_stage(
                        task, index, last, folders[index], jit_compile, verbose
                    )
                _LOGGER.info("trained %s", task.names[index])
            elif distribution.is_chief():
                _tidy_up(folders[index])
            several_workers.meet(f"{what}, done", folders[index])
            several_workers.wait_for(folders[index] / runs.SUMMARY)
            done.append(Run.read(folders[index]))
    return done


def _alone_in(folder: Path) -> contextlib.AbstractContextManager:
    """Where no other process works; other workers leave it to the chief."""
    if distribution.is_chief():
        return locks.holding(folder)
    return contextlib.nullcontext()


def find(task: Task, folder) -> list[Run | None]:
    """Each stage of a task, None where `run` has not done it."""
    folders = [Path(folder) / name for name in task.names]
    return [Run.read(path) if _is_done(path) else None for path in folders]


def _is_done(folder: Path) -> bool:
    return (folder / runs.SUMMARY).is_file()


def _missing(folders: list[Path], is_needed: bool) -> list[bool]:
    """Which stages must be run.

    A stage is done when its run.json is there. Its model may have been
    thrown away since; it is trained again only if a missing stage needs it.
    """
    missing = []
    for folder in reversed(folders):
        is_missing = not _is_done(folder) or (
            is_needed and not (folder / runs.MODEL).is_file()
        )
        missing.append(is_missing)
        is_needed = is_missing
    return missing[::-1]


def _run_stage(
    task: Task,
    index: int,
    before: Run | None,
    folder: Path,
    jit_compile: bool,
    verbose: int | str,
) -> None:
    """Trains one stage into its folder.

    What is done there already (all but its model) stays until the new run
    is complete; that one is trained beside it.
    """
    is_chief = distribution.is_chief()
    work = folder
    if _is_done(folder):
        if is_chief:
            _name_model(folder)
        several_workers.meet("named", folder)
        if (folder / runs.MODEL).is_file():
            return
        work = _again(folder)
    if not is_chief:
        with several_workers.own_copy(work) as own:
            several_workers.meet("begins", work)
            _train(task, index, before, own, jit_compile, verbose)
        return
    several_workers.meet("begins", work)  # the others have what they begin from
    work.mkdir(parents=True, exist_ok=True)
    for partial in work.glob("*.part.*"):  # of a process that was killed
        partial.unlink()
    with journal.kept(work):
        summary = _train(task, index, before, work, jit_compile, verbose)
        _LOGGER.debug("tested: %s", _shown(summary["test"]))
    _finish(summary, work, folder)


def _train(
    task: Task,
    index: int,
    before: Run | None,
    work: Path,
    jit_compile: bool,
    verbose: int | str,
) -> dict[str, Any]:
    """Trains and tests one stage in a folder; what its run.json will say."""
    # The seed of a stage depends on the stage alone, so that a resumed task
    # trains the same model as an uninterrupted one.
    keras.utils.set_random_seed(task.seed)
    how = {
        "jit_compile": jit_compile,
        "num_devices": distribution.num_devices(),
    }
    describes = task.describe(index)
    _LOGGER.debug(
        "begins %s: commit %s on %s",
        task.names[index],
        describes["commit"],
        describes["device"],
    )
    began = time.perf_counter()
    model = task.begin(index, before)
    task.compile(index, model, jit_compile)
    ranker = Ranker(
        *(model, task.ignored_ids(index), task.ranks_unseen),
        *(jit_compile, task.ties_to),
    )
    is_counted = hasattr(model, "adapt")
    if is_counted:
        model.adapt(task.rows(index))
    if is_counted or not task.budget(index).max_steps:
        fitted = _leave(task, index, model, ranker, work)
    else:
        made_by = {
            name: describes[name] for name in ("versions", "commit", "device")
        }
        fitted = _fit(
            task, index, model, ranker, work, {**made_by, **how}, verbose
        )
    before_now = fitted.pop("wall_seconds_before", 0.0)
    return {
        **describes,
        **fitted,
        **_test(ranker, task.test(index, model), work),
        **task.count(index),
        "num_parameters": model.count_params(),
        "wall_seconds": before_now + time.perf_counter() - began,
        **how,
    }


def _shown(test: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} {value:.4f}"
        for name, value in test.items()
        if name != "num_sessions"
    )


def _leave(
    task: Task, index: int, model, ranker: Ranker, folder: Path
) -> dict[str, Any]:
    """Of a model that is not fitted, but counted, or left as it begins."""
    saved.save_model(model, Checkpoints(folder, task.names[index]).best(0))
    validation = _validate(ranker, task.validation(index, model))
    return {
        "curve": [],
        "best_step": 0,
        "step_seconds": 0.0,
        "monitor": task.monitor,
        "best_validation": validation[task.monitor.removeprefix("val_")],
        "validation": validation,
    }


def _fit(
    task: Task,
    index: int,
    model,
    ranker: Ranker,
    folder: Path,
    made_by: dict[str, Any],
    verbose: int | str,
) -> dict[str, Any]:
    validation = task.validation(index, model)
    return fitting.fit_to_best(
        model,
        lambda step: task.training_batches(index, model, step),
        lambda: _validate(ranker, validation),
        folder,
        task.budget(index),
        identity=task.names[index],
        made_by=made_by,
        monitor=task.monitor,
        verbose=verbose,
    )


def _validate(ranker: Ranker, validation: Evaluation) -> dict[str, float]:
    """Metrics by name; of ranks among unseen items as "unseen_...", too."""
    ranks = ranker.rank(validation)
    found = metrics.from_ranks(ranks["ranks"])
    if "unseen_ranks" in ranks:
        unseen = metrics.from_ranks(ranks["unseen_ranks"])
        found |= {f"unseen_{name}": value for name, value in unseen.items()}
    return found


def _test(ranker: Ranker, test: Evaluation, folder: Path) -> dict[str, Any]:
    """Ranks the test set, keeps the ranks, and says what they come to."""
    ranks = ranker.rank(test)
    of_ranks.save(folder / of_ranks.FILE, ranks)
    found = metrics.from_ranks(ranks["ranks"])
    return {
        "test": {**found, "num_sessions": test.num_sessions},
        "num_sessions": test.num_sessions,
    }


def _again(folder: Path) -> Path:
    """Where a run is trained again whose model was thrown away."""
    return folder.with_name(f"{folder.name}.again")


def _tidy_up(folder: Path) -> None:
    """Ends what a process that was killed has left of a run that is done."""
    checkpoints = Checkpoints(folder, folder.name)
    again = _again(folder)
    is_left = checkpoints.are_left() or again.exists()
    if not (locks.is_left(folder) or is_left):
        return
    with contextlib.suppress(OSError), locks.holding(folder):
        _name_model(folder)
        if (folder / runs.MODEL).is_file():
            checkpoints.clear()
            shutil.rmtree(again, ignore_errors=True)


def _name_model(folder: Path) -> None:
    """Ends what `_finish` could not: its last step, by the same folder."""
    checkpoints = Checkpoints(folder, folder.name)
    best = checkpoints.best(Run.read(folder).summary["best_step"])
    if best.is_file():
        os.replace(best, folder / runs.MODEL)
        checkpoints.clear()


def _finish(summary: dict[str, Any], work: Path, folder: Path) -> None:
    """Makes what was trained in `work` the run of `folder`.

    A folder without run.json is not done, and one without its model is done
    again where the model is needed: so run.json comes after all but the
    model, and the model last. Whoever is interrupted in here has the best
    weights and the state still, and comes here again.
    """
    checkpoints = Checkpoints(work, folder.name)
    best = checkpoints.best(summary["best_step"])
    files = {runs.MODEL: best, of_ranks.FILE: work / of_ranks.FILE}
    digests = {
        name: atomic_files.file_digest(path) for name, path in files.items()
    }
    if work != folder:
        for name in (of_ranks.FILE, runs.LOG, journal.LOG):
            if (work / name).is_file():
                os.replace(work / name, folder / name)
    atomic_files.write_json(
        folder / runs.SUMMARY, {**summary, "files": digests}
    )
    os.replace(best, folder / runs.MODEL)
    if work != folder:
        shutil.rmtree(work)
    checkpoints.clear()
