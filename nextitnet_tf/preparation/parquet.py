"""Interactions in a parquet file, which pyarrow reads."""

import os
import pathlib
from typing import Any

import pandas as pd

from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.interactions import prepare_interactions
from nextitnet_tf.preparation.raw_files import RawFile


def prepare_parquet(
    raw: str | os.PathLike[str], folder: str | os.PathLike[str], **options: Any
) -> pathlib.Path:
    """Prepares a parquet file of interactions.

    Args:
        raw: the file.
        folder: where the sessions go.
        **options: of `prepare_interactions`.

    Returns:
        The path of the folder.

    Raises:
        DataError: as `prepare_interactions`; pyarrow is not installed.
    """
    file = RawFile(pathlib.Path(raw))
    facts = file.facts()  # says what is wrong with a path
    try:
        table = pd.read_parquet(file.path)
    except ImportError:
        raise DataError(
            "Expected pyarrow, which reads parquet files: pip install pyarrow "
            f"(or nextitnet_tf[parquet]). Received: {facts['name']} without it"
        ) from None
    except Exception as error:  # a damaged file raises errors of any kind
        raise DataError(
            f"Expected a parquet file. Received: {file.label} "
            f"({type(error).__name__}: {' '.join(str(error).split())[:80]})"
        ) from None
    return prepare_interactions(table, folder, read_from=file, **options)
