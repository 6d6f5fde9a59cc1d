"""Interactions in parquet, which pyarrow reads: a file or a folder of parts."""

import contextlib
import os
import pathlib
import urllib.parse
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from nextitnet_tf.preparation import times as times_of
from nextitnet_tf.preparation.columns import find_columns
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.interactions import prepare_interactions
from nextitnet_tf.preparation.interactions_csv import check_ids
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
        table = _read(file, options)
    except ImportError:
        raise DataError(
            "Expected pyarrow, which reads parquet files: pip install pyarrow "
            f"(or nextitnet_tf[parquet]). Received: {facts['name']} without it"
        ) from None
    return prepare_interactions(table, folder, read_from=file, **options)


def _read(file: RawFile, options: Mapping[str, Any]) -> Any:
    """The table of a file, or of all parts of a folder.

    Raises:
        DataError: a file that is none of parquet, parts whose columns are
            missing or of another kind than those of the first.
        ImportError: pyarrow is not installed.
    """
    if not isinstance(file, Parts):
        with _naming(file.path):
            return pd.read_parquet(file.path)
    paths = file.files()
    if not paths or (file.path / "_delta_log").is_dir():
        what = "a Delta table, whose log says which count" if paths else "none"
        raise DataError(
            f"Expected a folder of parquet files. Received: {file.path}, {what}"
        )
    named = {k: v for k, v in options.items() if k.endswith("_column")}
    named["time"] = options.get("time", "auto")
    columns: dict[str, list[pd.Series]] = {}
    times: list[np.ndarray] = []
    first = None
    for path in paths:
        with _naming(path):
            table = pd.read_parquet(path)
        for name, value in _of_folders(path.relative_to(file.path)).items():
            if name not in table:
                table[name] = value
        found = find_columns(tuple(table), str(path), **named)
        first = first or found
        if found != first:
            raise DataError(
                f"Expected parts with the columns of {paths[0]}, {first}. "
                f"Received: {path}, {found}"
            )
        try:
            for role, name in (("user", found.user), ("item", found.item)):
                check_ids(table[name], role)
                columns.setdefault(name, []).append(table[name])
            if found.time is not None:
                times.append(times_of.of_column(table[found.time]))
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
    made = {
        name: pd.concat(of, ignore_index=True) for name, of in columns.items()
    }
    if first is not None and first.time is not None:
        joined = times_of.joined([part for part in times if len(part)])
        if joined is None:
            raise DataError(
                "Expected times that are all numbers or all dates. Received: "
                f"{file.path}, in whose parts they are not"
            )
        made[first.time] = pd.Series(joined)
    return made


def _of_folders(path: pathlib.Path) -> dict[str, Any]:
    """What names of folders say of a part: `day=2026-11-28`."""
    found: dict[str, Any] = {}
    for part in path.parts[:-1]:
        name, is_column, text = part.partition("=")
        if is_column:
            text = urllib.parse.unquote(text)
            is_empty = text == "__HIVE_DEFAULT_PARTITION__"
            value = int(text) if text.isdecimal() else text
            found[name] = None if is_empty else value
    return found


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
