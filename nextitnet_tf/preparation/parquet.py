"""Interactions in parquet, which pyarrow reads: a file or a folder of parts."""

import dataclasses
import hashlib
import os
import pathlib
from typing import Any

import pandas as pd

from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.interactions import prepare_interactions
from nextitnet_tf.preparation.raw_files import RawFile


@dataclasses.dataclass(frozen=True)
class Parts(RawFile):
    """A folder whose parquet files are one table.

    Args:
        path: of the folder.
    """

    def files(self) -> list[pathlib.Path]:
        """The parts in order, wherever below the folder; no hidden ones."""
        return sorted(
            path
            for path in self.path.rglob("*.parquet")
            if path.is_file()
            and not any(
                part.startswith((".", "_"))
                for part in path.relative_to(self.path).parts
            )
        )

    def facts(self) -> dict[str, str | int]:
        """Name, size and sha256 of all parts and their names."""
        digest, size = hashlib.sha256(), 0
        for path in self.files():
            found = RawFile(path).facts()
            name = path.relative_to(self.path).as_posix()
            digest.update(f"{name}\0{found['sha256']}\n".encode())
            size += int(found["bytes"])
        name = self.path.resolve().name
        return {"name": name, "bytes": size, "sha256": digest.hexdigest()}


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
        DataError: as `prepare_interactions`; pyarrow is not installed.
    """
    path = pathlib.Path(raw)
    file = Parts(path) if path.is_dir() else RawFile(path)
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
