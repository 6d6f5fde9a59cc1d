"""The raw formats that can be prepared, and how one is told from another."""

import os
import pathlib
from collections.abc import Callable
from typing import Any

from nextitnet_tf.preparation.columns import find_columns
from nextitnet_tf.preparation.columns import is_header
from nextitnet_tf.preparation.columns import looks_like_header
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.interactions import prepare_interactions
from nextitnet_tf.preparation.movielens import prepare_movielens
from nextitnet_tf.preparation.parquet import prepare_parquet
from nextitnet_tf.preparation.published_formats import prepare_recbole
from nextitnet_tf.preparation.published_formats import prepare_user_item
from nextitnet_tf.preparation.published_formats import prepare_user_items
from nextitnet_tf.preparation.raw_files import RawFile
from nextitnet_tf.preparation.raw_files import first_fields
from nextitnet_tf.preparation.raw_files import first_line
from nextitnet_tf.preparation.raw_folders import are_parquet
from nextitnet_tf.preparation.sessions_csv import prepare_sessions_csv

FORMATS: dict[str, Callable[..., pathlib.Path]] = {
    "interactions": prepare_interactions,
    "movielens": prepare_movielens,
    "sessions": prepare_sessions_csv,
    "recbole": prepare_recbole,
    "user_item": prepare_user_item,
    "user_items": prepare_user_items,
    "parquet": prepare_parquet,
}
_BY_SUFFIX = {
    ".zip": "movielens",
    ".inter": "recbole",
    ".parquet": "parquet",
}

# Integers without a header may be sessions or interactions (user, item,
# rating, time) whose header was forgotten.
_MOST_COLUMNS = 4


def detect_format(
    raw: str | os.PathLike[str], options: dict[str, Any] | None = None
) -> str:
    """Tells the format of a raw file by its name and first line.

    A folder with parquet files is "parquet"; another one, an archive or a
    `.dat` file with `::` is "movielens", `.inter` "recbole", `.parquet`
    itself; any option that names columns, or a header with a user and an item
    column, means "interactions"; a first line of integers means "sessions",
    and with spaces between them "user_item" if there are two, else
    "user_items".

    Args:
        raw: the file or folder.
        options: what the data will be prepared with.

    Raises:
        DataError: it could be either kind of csv file, or none of them.
    """
    path = pathlib.Path(raw)
    name = path.name.lower().removesuffix(".gz")
    if path.is_dir():
        return "parquet" if are_parquet(path) else "movielens"
    for suffix, format_ in _BY_SUFFIX.items():
        if name.endswith(suffix):
            return format_
    line, number = first_line(RawFile(path))
    is_dat = name.endswith(".dat")
    if is_dat and "::" in line:
        return "movielens"
    given = {name for name, value in (options or {}).items() if value}
    if any(n.startswith(("columns", "separator")) for n in given) or any(
        name.endswith("_column") for name in given
    ):
        return "interactions"
    if line.startswith('{"'):
        raise DataError(
            "Expected csv, parquet or a published format; pandas.read_json("
            f"FILE, lines=True).to_csv(...) writes csv. Received: {path}, JSON"
        )
    spaced = line.split(" ")
    if len(spaced) > 1 and not is_dat and all(map(str.isdecimal, spaced)):
        return "user_item" if len(spaced) == 2 else "user_items"
    fields = first_fields(RawFile(path))
    are_integers = all(field.lstrip("-").isdecimal() for field in fields)
    if are_integers and not is_dat:
        if not 2 <= len(fields) <= _MOST_COLUMNS:
            return "sessions"
        raise DataError(
            f"Expected a header in {path}, or a session of more than "
            f"{_MOST_COLUMNS} integers as its first line, to tell which it "
            "is; add a header, name the columns with --columns=user,item,..., "
            "or pass --format=sessions. Received: first line "
            f"{line[:60]!r}"
        )
    if is_header(fields):
        return "interactions"
    if is_dat:
        raise DataError(
            f"{path}, line {number}: Expected fields separated by `::`, as "
            "MovieLens' .dat files have them; name the columns of a csv "
            "without a header with --columns=user,item,timestamp,... "
            f"Received: {line[:60]!r}"
        )
    if looks_like_header(fields):
        # Says at once what else is missing.
        find_columns(
            fields,
            str(path),
            time=(options or {}).get("time", "auto"),
            or_else="or pass --format=sessions if each line is a session, "
            "--columns=user,item,... if there is no header",
        )
    raise DataError(
        f"Expected a header with a user and an item column in {path}, or a "
        "session of integers as its first line; pass --format, --user_column "
        "and --item_column, or --columns=user,item,... where there is no "
        f"header. Received: first line {line[:60]!r}"
    )
