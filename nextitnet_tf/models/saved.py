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
