"""Models on disk: model.keras, whole or not there."""

import zipfile
from pathlib import Path

import keras

from nextitnet_tf import atomic_files
from nextitnet_tf.models.sequential_recommender import SequentialRecommender


def save_model(model, path) -> None:
    """Writes a model.keras that is either whole or not there."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_files.replacing(path) as partial:
        model.save(partial)


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
