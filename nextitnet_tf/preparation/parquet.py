"""Interactions in parquet, which pyarrow reads: a file or a folder of parts."""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import pandas as pd

from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.interactions import prepare_interactions
from nextitnet_tf.preparation.raw_files import RawFile
from nextitnet_tf.preparation.raw_folders import Parts


def prepare_parquet(
    raw: str | os.PathLike[str], folder: str | os.PathLike[str], **options: Any
) -> pathlib.Path:
    """Prepares interactions of a parquet file, or of a folder of such parts.

    Args:
        raw: the file; a folder as Spark, Dask or Hive write it, whose names
            of subfolders (`day=2026-11-28`) are columns, too.
        folder: where the sessions go.
        **options: of `prepare_interactions`.

    Returns:
        The path of the folder.

    Raises:
        DataError: as `prepare_interactions`; a file that is none of parquet;
            parts that do not fit together; pyarrow is not installed.
    """
    path = pathlib.Path(raw)
    file = Parts(path) if path.is_dir() else RawFile(path)
    facts = file.facts()  # says what is wrong with a path
    try:
        table = _read(file)
    except ImportError:
        raise DataError(
            "Expected pyarrow, which reads parquet files: pip install pyarrow "
            f"(or nextitnet_tf[parquet]). Received: {facts['name']} without it"
        ) from None
    return prepare_interactions(table, folder, read_from=file, **options)


def _read(file: RawFile) -> pd.DataFrame:
    """The table of a file, or of all parts of a folder.

    Raises:
        DataError: a file that is none of parquet, or parts with other columns
            or kinds of values than the first.
        ImportError: pyarrow is not installed.
    """
    if not isinstance(file, Parts):
        with _naming(file.path):
            return pd.read_parquet(file.path)
    tables: list[pd.DataFrame] = []
    for path in file.files():
        with _naming(path):
            table = pd.read_parquet(path)
        # Names of subfolders, `day=2026-11-28`, are columns, too.
        for part in path.relative_to(file.path).parts[:-1]:
            name, _, value = part.partition("=")
            if value:
                table[name] = value
        if tables and tables[0].dtypes.to_dict() != table.dtypes.to_dict():
            raise DataError(
                f"Expected parts with the columns of {file.files()[0]}, which "
                f"are {_shown(tables[0])}. Received: {path} with "
                f"{_shown(table)}"
            )
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _shown(table: pd.DataFrame) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in table.dtypes.items())


@contextlib.contextmanager
def _naming(path: pathlib.Path) -> Iterator[None]:
    """A damaged file raises errors of any kind: the file's name is said."""
    try:
        yield
    except (ImportError, DataError):
        raise
    except Exception as error:
        raise DataError(
            f"Expected a parquet file. Received: {path} "
            f"({type(error).__name__}: {' '.join(str(error).split())[:80]})"
        ) from None
