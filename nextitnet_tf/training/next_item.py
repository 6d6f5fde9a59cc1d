"""Runs recipes, stage by stage."""

import dataclasses
import functools
import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf import fitting
from nextitnet_tf import metrics
from nextitnet_tf.models import MODELS
from nextitnet_tf.models.sequential_recommender import SequentialRecommender
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.recipe import protocol_differences
from nextitnet_tf.stacking import METHODS
from nextitnet_tf.stacking import Stacker

# Files of ranks, and whether the items of the history are left out of them.
_RANKED = {fitting.RANKS: False, fitting.UNSEEN_RANKS: True}


@dataclass(frozen=True)
class StageRun:
    """A stage that is done.

    Attributes:
        folder: holds model.keras (the best evaluation's weights), run.json,
            ranks.npy, unseen_ranks.npy and log.csv.
        summary: what run.json says: `stage`, `curve` (a list with step,
            train_seconds and val_mrr_at_5 of each evaluation), `best_step`,
            `test` (metrics of the best weights), `num_sessions` (evaluated),
            `step_seconds`, ...
    """

    folder: Path
    summary: dict

    @classmethod
    def read(cls, folder: Path) -> "StageRun":
        """A stage that was run before."""
        text = (folder / "run.json").read_text(encoding="utf-8")
        return cls(folder, json.loads(text))

    def read_ranks(self, exclude_seen: bool = False) -> np.ndarray | None:
        """(num_sessions,) 0-based ranks of the test, if they were kept.

        Args:
            exclude_seen: those among the items that are not in the history.
        """
        name = fitting.UNSEEN_RANKS if exclude_seen else fitting.RANKS
        path = self.folder / name
        if not path.is_file():
            return None
        return np.load(path, allow_pickle=False)

    def load_model(self, with_optimizer: bool = False):
        """The best weights, as a built model."""
        return load_model(self.folder / "model.keras", with_optimizer)


def run(
    recipe: Recipe,
    sessions: data.Sessions,
    folder,
    *,
    strategy: distribution.Strategy | None = None,
    jit_compile: bool | None = None,
    needs_model: bool = False,
    verbose: int | str = "auto",
) -> list[StageRun]:
    """Trains a recipe, stage by stage.

    Each stage has a folder of its own, named after everything that
    determines it: a stage that is already done, by this recipe or by one
    that begins with the same stages, is not run again. An interrupted stage
    starts again from its beginning.

    Args:
        recipe: what to train.
        sessions: numbered as `recipe.protocol.item_ids` says.
        folder: where the stages' folders go.
        strategy: default one device.
        jit_compile: whether XLA compiles the steps; default wherever it can.
        needs_model: whether the last stage is run again if all that is left
            of it is its summary.
        verbose: as for Keras' fit.

    Returns:
        One `StageRun` a stage.

    Raises:
        ValueError: a batch that does not split over the devices.
        FloatingPointError: the loss is no longer a number.
    """
    strategy = strategy or distribution.make_strategy()
    distribution.check_batch_size(recipe.batch_size, strategy)
    if jit_compile is None:
        jit_compile = distribution.can_jit_compile(strategy)
    fingerprint = sessions.fingerprint
    folders = _stage_folders(recipe, folder, fingerprint)
    runs: list[StageRun] = []
    for stage, stage_folder, is_missing in zip(
        recipe.stages,
        folders,
        _missing_stages(folders, needs_model),
        strict=True,
    ):
        if not is_missing:
            runs.append(StageRun.read(stage_folder))
            continue
        # The seed of a stage depends on the stage alone, so that a resumed
        # recipe trains the same model as an uninterrupted one.
        keras.utils.set_random_seed(recipe.seed)
        with strategy.scope():
            model = _begin_stage(
                recipe, stage, sessions, runs[-1] if runs else None
            )
            summary = _run_stage(
                recipe,
                stage,
                model,
                sessions,
                stage_folder,
                jit_compile=jit_compile,
                verbose=verbose,
            )
        summary = {
            **describe(recipe, stage, sessions),
            **summary,
            "jit_compile": jit_compile,
            "num_devices": strategy.num_replicas_in_sync,
        }
        atomic_files.write_json(stage_folder / "run.json", summary)
        runs.append(StageRun(stage_folder, summary))
    return runs


def save_model(model, path) -> None:
    """Writes a model.keras that is either whole or not there."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_files.replacing(path) as partial:
        model.save(partial)


def keep_best_model(model, folder: Path) -> None:
    """Makes the best evaluation's checkpoint the folder's model.keras.

    That checkpoint has the optimizer of its step, too; the model in memory
    has the last one's. A model that was not fitted has no checkpoint.
    """
    best = folder / fitting.BEST
    if best.is_file():
        os.replace(best, folder / "model.keras")
    else:
        save_model(model, folder / "model.keras")


def load_model(path, with_optimizer: bool = False):
    """Reads a model.keras, its vocabulary included.

    Args:
        path: the file.
        with_optimizer: also the optimizer it was saved with.

    Returns:
        A built model.

    Raises:
        ValueError: there is no such file, or it is no saved model.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"Expected a saved model (.keras). Received: path={str(path)!r}, "
            "which is no file"
        )
    if not zipfile.is_zipfile(path):  # Keras says that there is no file
        raise ValueError(
            f"Expected a saved model (.keras). Received: path={str(path)!r}, "
            "which is another kind of file"
        )
    try:
        model = keras.saving.load_model(path, compile=with_optimizer)
    except Exception as error:  # Keras raises whatever comes its way.
        raise ValueError(
            f"Expected a saved model (.keras). Received: path={str(path)!r}, "
            f"which Keras cannot read ({type(error).__name__})"
        ) from error
    if not isinstance(model, SequentialRecommender):
        raise ValueError(
            "Expected a saved sequential recommender. "
            f"Received: path={str(path)!r}, a {type(model).__name__}"
        )
    return model


def read_run(recipe: Recipe, sessions, folder) -> StageRun | None:
    """The last stage of a recipe, if `run` has done it in this folder."""
    return read_runs(recipe, sessions, folder)[-1]


def read_runs(recipe: Recipe, sessions, folder) -> list[StageRun | None]:
    """Each stage of a recipe, None where `run` has not done it."""
    return [
        StageRun.read(path) if (path / "run.json").is_file() else None
        for path in _stage_folders(recipe, folder, sessions.fingerprint)
    ]


def make_model(recipe: Recipe, num_blocks: int, sessions: data.Sessions):
    """A fresh model of a recipe's class and configuration."""
    model_class = MODELS[recipe.model]
    if model_class.needs_users and recipe.protocol.split == "users":
        raise ValueError(
            f"A {model_class.__name__} must know the users it is asked for: "
            "expected split='rows', which has every user's sessions on both "
            "sides. Received: split='users'"
        )
    config = model_class.config_for(
        num_blocks=num_blocks,
        history_length=sessions.vocabulary.history_length,
        num_users=sessions.num_users,
        protocol=recipe.protocol,
    )
    return model_class(
        num_items=sessions.num_items, **{**config, **recipe.model_config}
    )


def compile_model(model, recipe: Recipe, sessions, jit_compile: bool):
    """Compiles a model as its recipe's protocol says.

    A model that already has an optimizer (stacked along with its slots)
    keeps it.
    """
    protocol = recipe.protocol
    ignored_ids = _ignored_ids(recipe, sessions)
    num_sampled = int(protocol.sampled_fraction * (sessions.num_items + 1))
    optimizer = getattr(model, "optimizer", None) or keras.optimizers.Adam(
        recipe.learning_rate, epsilon=protocol.adam_epsilon
    )
    model.compile(
        optimizer=optimizer,
        num_sampled=num_sampled or None,
        l2=protocol.l2,
        weighted_metrics=metrics.make_ranking_metrics(ignored_ids=ignored_ids),
        jit_compile=jit_compile,
    )


def evaluate(model, sessions, row_numbers, recipe: Recipe, verbose=0) -> dict:
    """Ranking metrics of a compiled model on the given rows.

    Returns:
        Metrics by name, and `num_sessions`, the number that counted.
    """
    dataset, num_sessions = _evaluation_dataset(
        recipe, model, sessions, row_numbers
    )
    return fitting.evaluate(model, dataset, num_sessions, verbose)


def measure_step_seconds(
    recipe: Recipe,
    num_blocks: int,
    sessions: data.Sessions,
    *,
    repetitions: int = 7,
    steps: int = 15,
) -> float:
    """Seconds of one training step at a depth, compilation left out.

    Measure on an otherwise idle machine: the median of `repetitions` calls
    of fit with `steps` steps each, after one to warm up.

    Returns:
        Seconds a step.
    """
    model = make_model(recipe, num_blocks, sessions)
    compile_model(
        model,
        recipe,
        sessions,
        distribution.can_jit_compile(distribution.make_strategy()),
    )
    train = data.split(sessions, recipe.protocol).train
    dataset = _training_dataset(recipe, model, sessions, train)
    return fitting.measure_step_seconds(model, dataset, repetitions, steps)


def write_ranks(run: StageRun, recipe: Recipe, sessions) -> bool:
    """Adds the ranks of the test to a stage that has its model, but not them.

    Args:
        run: the stage.
        recipe: whose last stage it is.
        sessions: what it was trained on.

    Returns:
        Whether they are there now.
    """
    if all((run.folder / name).is_file() for name in _RANKED):
        return True
    if not (run.folder / "model.keras").is_file():
        return False
    test = data.split(sessions, recipe.protocol).test
    _save_ranks(run.folder, run.load_model(), recipe, sessions, test)
    return True


def rank(
    model, sessions, row_numbers, recipe: Recipe, exclude_seen: bool = False
) -> np.ndarray:
    """Where the last item of each of the given rows is ranked.

    Args:
        model: any.
        sessions: of its training, or numbered as they are.
        row_numbers: the rows.
        recipe: its protocol says what can be ranked and which rows count.
        exclude_seen: whether the other items of a row cannot be ranked.

    Returns:
        (num_sessions,) int32, 0 for the best.
    """
    dataset, num_sessions = _evaluation_dataset(
        recipe, model, sessions, row_numbers
    )
    return fitting.rank(
        model,
        dataset,
        num_sessions,
        _ignored_ids(recipe, sessions),
        exclude_seen,
    )


def _save_ranks(folder, model, recipe: Recipe, sessions, row_numbers) -> None:
    for name, exclude_seen in _RANKED.items():
        ranks = rank(model, sessions, row_numbers, recipe, exclude_seen)
        fitting.save_ranks(folder / name, ranks)


def _ignored_ids(recipe: Recipe, sessions) -> tuple[int, ...]:
    """Columns that cannot be ranked."""
    if recipe.protocol.rank_padding:
        return ()
    return (sessions.vocabulary.padding_id,)


def describe(recipe: Recipe, stage: Stage, sessions) -> dict:
    """What a stage is, for its run.json: all that decides its numbers."""
    return {
        "model": recipe.model,
        "model_config": dict(recipe.model_config),
        "stage": dataclasses.asdict(stage),
        "protocol": dataclasses.asdict(recipe.protocol),
        "protocol_differences": protocol_differences(recipe.protocol),
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "seed": recipe.seed,
        "data": {
            "source": sessions.meta.get("source"),
            "num_rows": len(sessions.rows),
            "t": sessions.rows.shape[1],
            "num_items": sessions.num_items,
            "fingerprint": sessions.fingerprint,
        },
        "versions": versions(),
        "commit": commit(),
        "device": distribution.device_name(),
    }


def versions() -> dict[str, str]:
    """Of what computed a number."""
    return {
        "python": platform.python_version(),
        "keras": keras.version(),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }


@functools.cache
def commit() -> str | None:
    """The commit of this checkout, "-dirty" if its code was changed.

    None where there is no checkout. Results that a run writes are no change.
    """
    package = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=package,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    try:
        code = (":/nextitnet_tf", ":/datasets", ":/experiments")
        changed = git("status", "--porcelain", "--", *code)
        return git("rev-parse", "--short=12", "HEAD") + "-dirty" * bool(changed)
    except (OSError, subprocess.CalledProcessError):
        return None


def _begin_stage(recipe, stage: Stage, sessions, before: StageRun | None):
    """The model a stage starts training from.

    It is always read back from the stage before, never taken from memory, so
    that an interrupted recipe goes on exactly as an uninterrupted one.
    """
    if before is None or stage.method is None:
        model = make_model(recipe, stage.num_blocks, sessions)
    elif stage.method == "continue":
        model = before.load_model()
    else:
        stacker = Stacker(stage.method, stage.preset, dict(stage.switches))
        shallow = before.load_model(stacker.overrides.get("optimizer", False))
        model = stacker.stack(shallow, stage.num_blocks)
    model.vocabulary = sessions.vocabulary
    return model


def _run_stage(
    recipe, stage: Stage, model, sessions, folder, jit_compile, verbose
) -> dict:
    """Trains one stage into its folder; returns what it came to."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parts = data.split(sessions, recipe.protocol, stage.data_ratio)
    compile_model(model, recipe, sessions, jit_compile)
    began = time.perf_counter()
    if hasattr(model, "adapt"):
        model.adapt(sessions.rows[np.sort(parts.train)])
        fitted = {"curve": [], "best_step": 0, "step_seconds": 0.0}
    else:
        fitted = _fit(recipe, stage, model, sessions, parts, folder, verbose)
    test = evaluate(model, sessions, parts.test, recipe)
    _save_ranks(folder, model, recipe, sessions, parts.test)
    keep_best_model(model, folder)
    return {
        **fitted,
        "test": test,
        "num_sessions": test["num_sessions"],
        "num_train_rows": len(parts.train),
        "num_parameters": model.count_params(),
        "wall_seconds": time.perf_counter() - began,
    }


def _training_dataset(recipe, model, sessions, row_numbers):
    """Batches as the model needs them."""
    return data.make_training_dataset(
        sessions,
        row_numbers,
        recipe.batch_size,
        recipe.protocol,
        recipe.seed,
        with_users=model.needs_users,
        overwrite=model.overwrite if model.overwrites_rows else None,
    )


def _evaluation_dataset(recipe, model, sessions, row_numbers):
    """One pass as the model needs it, and the sessions that count in it."""
    return data.make_evaluation_dataset(
        sessions,
        row_numbers,
        recipe.batch_size,
        recipe.protocol,
        with_users=model.needs_users,
    )


def _fit(recipe, stage: Stage, model, sessions, parts, folder, verbose):
    """Fits a stage to convergence; leaves the best weights in the model."""
    validation, _ = _evaluation_dataset(
        recipe, model, sessions, parts.validation
    )
    return fitting.fit_to_best(
        model,
        _training_dataset(recipe, model, sessions, parts.train),
        validation,
        folder,
        max_steps=stage.max_steps,
        eval_every=stage.eval_every,
        patience=stage.patience,
        verbose=verbose,
    )


def _stage_folders(recipe: Recipe, folder, fingerprint: str) -> list[Path]:
    return [
        Path(folder) / _stage_name(recipe, i, fingerprint)
        for i in range(len(recipe.stages))
    ]


def _missing_stages(folders: list[Path], is_needed: bool) -> list[bool]:
    """Which stages must be run.

    A stage is done when its run.json is there. Its model may have been
    thrown away since; it is trained again only if a missing stage needs it.
    """
    missing = []
    for folder in reversed(folders):
        is_missing = not (folder / "run.json").is_file() or (
            is_needed and not (folder / "model.keras").is_file()
        )
        missing.append(is_missing)
        is_needed = is_missing
    return missing[::-1]


def _stage_name(recipe: Recipe, index: int, fingerprint: str) -> str:
    """A readable name that no different stage shares."""
    stage = recipe.stages[index]
    identity = dataclasses.asdict(
        dataclasses.replace(recipe, stages=recipe.stages[: index + 1])
    )
    text = json.dumps([identity, fingerprint], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    how = stage.method or "scratch"
    if how in METHODS:
        how = f"{how}-{stage.preset}"
    return (
        f"{recipe.model}-{stage.num_blocks}-{how}"
        f"-{round(100 * stage.data_ratio)}pct-seed{recipe.seed}-{digest}"
    )
