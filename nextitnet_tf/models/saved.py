"""Models on disk: a model.keras is whole, or it is refused by name."""

import zipfile
import zlib
from pathlib import Path

import keras

from nextitnet_tf import archive
from nextitnet_tf.models.sequential_recommender import SequentialRecommender
from nextitnet_tf.vocabulary import Vocabulary

_PARTS = ("metadata.json", archive.CONFIG, archive.WEIGHTS)
# What zipfile raises over a file that was changed.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
)
_WHAT_TO_DO = "copy it here again, or train the model again"


def save_model(model, path) -> None:
    """Writes a model.keras, and the folder that it is in.

    Args:
        model: a `SequentialRecommender`.
        path: of the file; one that is there stays until the new one is whole.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)


def load_model(path, with_optimizer: bool = False):
    """Reads a model.keras, its vocabulary included.

    Args:
        path: the file.
        with_optimizer: also the optimizer it was saved with.

    Returns:
        A built model.

    Raises:
        ValueError: there is no such file, it is damaged, or it is no saved
            recommender.
    """
    path = Path(path)
    class_name = _check_archive(path)
    try:
        model = keras.saving.load_model(path, compile=with_optimizer)
    except Exception as error:  # Keras raises whatever comes its way.
        raise _refused(
            path,
            f"which holds a {class_name} that Keras cannot read "
            f"({type(error).__name__}: {_shortened(error)})",
        ) from error
    if not isinstance(model, SequentialRecommender):
        raise ValueError(
            "Expected a saved sequential recommender. "
            f"Received: path={str(path)!r}, a {type(model).__name__}"
        )
    return model


def _check_archive(path: Path) -> str:
    """Refuses what is no whole model.keras; the name of the class in it."""
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no file"
        raise _refused(path, f"which is {what}")
    if not zipfile.is_zipfile(path):  # Keras says that there is no file
        with open(path, "rb") as file:
            is_cut = file.read(4) == b"PK\3\4"
        if is_cut:
            raise _refused(path, f"which was cut short: {_WHAT_TO_DO}")
        raise _refused(path, "which is another kind of file")
    try:
        with zipfile.ZipFile(path) as opened:
            names = set(opened.namelist())
            missing = [name for name in _PARTS if name not in names]
            if not missing:
                archive.check_members(opened, path)
            damaged = opened.testzip()
            if not damaged and not missing:
                class_name = _class_name(opened)
                missing = _missing_assets(names)
    except archive.Suspicious as e:
        raise _refused(path, f"which cannot be one: {e}") from e
    except _UNREADABLE as e:
        raise _refused(path, f"which is damaged ({e}): {_WHAT_TO_DO}") from e
    if damaged:
        raise _refused(path, f"in which {damaged} is damaged: {_WHAT_TO_DO}")
    if missing:
        raise _refused(path, f"which lacks {', '.join(missing)}: {_WHAT_TO_DO}")
    return class_name


def _class_name(opened: zipfile.ZipFile) -> str:
    try:
        return archive.check_claims(opened)
    except archive.Suspicious:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise zipfile.BadZipFile("config.json describes no model") from None


def _missing_assets(names: set[str]) -> list[str]:
    """Of each vocabulary that was saved, the file that is not there."""
    files = set(Vocabulary.FILES)
    folders = {
        name.rpartition("/")[0]
        for name in names
        if name.startswith("assets/") and name.rpartition("/")[2] in files
    }
    return sorted(
        f"{folder}/{name}"
        for folder in folders
        for name in files
        if f"{folder}/{name}" not in names
    )


def _refused(path: Path, why: str) -> ValueError:
    return ValueError(
        f"Expected a saved model (.keras). Received: path={str(path)!r}, {why}"
    )


def _shortened(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 200 else text[:200] + " ..."
