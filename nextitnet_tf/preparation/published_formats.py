"""The text files in which other projects publish interactions.

RecBole's `.inter` has tabs and types in its header; SASRec's text has a user
and an item a line, in order of time; S3-Rec's has a user and then all items.
"""

import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from nextitnet_tf.preparation.columns import ALIASES
from nextitnet_tf.preparation.columns import column_names
from nextitnet_tf.preparation.columns import plain_name
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.interactions import prepare_interactions
from nextitnet_tf.preparation.raw_files import DAMAGE
from nextitnet_tf.preparation.raw_files import RawFile
from nextitnet_tf.preparation.raw_files import damaged

PathLike = str | os.PathLike[str]


def prepare_recbole(
    raw: PathLike, folder: PathLike, **options: Any
) -> pathlib.Path:
    """Prepares RecBole's atomic file of interactions.

    Its header gives each column a type: `user_id:token`, `timestamp:float`.

    Args:
        raw: the `.inter` file (gzip too).
        folder: where the sessions go.
        **options: of `prepare_interactions`.

    Returns:
        The path of the folder.

    Raises:
        DataError: as `prepare_interactions`.
    """
    file = RawFile(pathlib.Path(raw), separator="\t")
    usual = {
        f"{role}_column": name
        for name in column_names(file)
        for role, known in ALIASES.items()
        if plain_name(name.partition(":")[0]) in known
    }
    return prepare_interactions(file, folder, **{**usual, **options})


def prepare_user_item(
    raw: PathLike, folder: PathLike, **options: Any
) -> pathlib.Path:
    """Prepares SASRec's text: `user item`, a line an interaction, in order.

    Args:
        raw: the file (gzip too).
        folder: where the sessions go.
        **options: of `prepare_interactions`.

    Returns:
        The path of the folder.

    Raises:
        DataError: as `prepare_interactions`.
    """
    file = RawFile(pathlib.Path(raw), separator=" ", header=("user", "item"))
    return prepare_interactions(file, folder, **{"time": "file", **options})


def prepare_user_items(
    raw: PathLike, folder: PathLike, **options: Any
) -> pathlib.Path:
    """Prepares S3-Rec's text: `user item item ...`, a line a user, in order.

    Args:
        raw: the file (gzip too).
        folder: where the sessions go.
        **options: of `prepare_interactions`.

    Returns:
        The path of the folder.

    Raises:
        DataError: as `prepare_interactions`; a line without an item.
    """
    file = RawFile(pathlib.Path(raw))
    users, items, lengths = [], [], []
    try:
        for number, fields in _fields(file):
            if len(fields) < 2:
                raise DataError(
                    f"{file.label}, line {number}: Expected a user and items, "
                    f"separated by spaces. Received: {' '.join(fields)[:60]!r}"
                )
            users.append(fields[0])
            items += fields[1:]
            lengths.append(len(fields) - 1)
    except DAMAGE as error:
        raise damaged(file, error) from None
    table = {
        "user": np.repeat(_ids(users), lengths),
        "item": _ids(items),
    }
    return prepare_interactions(
        table, folder, read_from=file, **{"time": "file", **options}
    )


def _fields(file: RawFile) -> Iterator[tuple[int, list[str]]]:
    """The number of each line that is not blank, and its fields."""
    with file.open() as stream:
        for number, line in enumerate(stream, start=1):
            fields = line.decode("utf-8-sig").split()
            if fields:
                yield number, fields


def _ids(texts: list[str]) -> np.ndarray:
    """Integers, if all are written as integers are; otherwise strings."""
    try:
        numbers = [int(text) for text in texts]
        if all(map(str.__eq__, map(str, numbers), texts)):
            return np.array(numbers, np.int64)
    except (ValueError, OverflowError):
        pass
    return np.array(texts, object)
