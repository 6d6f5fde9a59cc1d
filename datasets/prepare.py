r"""Prepares raw files as sessions on disk.

Examples:

  python -m datasets.prepare --raw=ml-20m.zip --output=data/ml20
  python -m datasets.prepare --raw=clicks.csv.gz --output=data/clicks \
      --user_column=who --item_column=what --timestamp_column=when --t=30
  python -m datasets.prepare --raw=sessions.csv --output=data/sessions \
      --format=sessions

The first reads MovieLens ratings. The second reads any csv file with a
header; without the column flags it looks for usual names (user_id, movieId,
timestamp, order, ...). The third reads one session a line, items separated by
commas, oldest first. All may be gzip files. A folder that was prepared in the
same way is left as it is.
"""

import inspect
import os
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any

from absl import flags

from datasets import command_frame
from datasets import sessions
from datasets.columns import ALIASES
from datasets.columns import find_columns
from datasets.errors import DataError
from datasets.interactions import prepare_interactions
from datasets.movielens import prepare_movielens
from datasets.raw_files import RawFile
from datasets.raw_files import first_line
from datasets.sessions_csv import prepare_sessions_csv

# Integers without a header may be sessions or interactions (user, item,
# rating, time) whose header was forgotten.
_MOST_COLUMNS = 4

FORMATS: dict[str, Callable[..., pathlib.Path]] = {
    "interactions": prepare_interactions,
    "movielens": prepare_movielens,
    "sessions": prepare_sessions_csv,
}


def prepare(
    raw: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    format: str = "auto",
    **options: Any,
) -> pathlib.Path:
    """Prepares a raw file of any known format as sessions on disk.

    Args:
        raw: a file, or a MovieLens folder or archive.
        folder: where the sessions go. If it holds these very files prepared
            with these very options, it is left as it is.
        format: "interactions", "movielens", "sessions", or "auto" to look at
            the file.
        **options: of `prepare_interactions` or `prepare_sessions_csv`, such
            as t and force.

    Returns:
        The path of the folder.

    Raises:
        DataError: the format is not clear, an option belongs to another
            format, or the data is not as expected.
    """
    if format == "auto":
        format = detect_format(raw, options)
    if format not in FORMATS:
        raise DataError(
            f"Expected a format of auto, {', '.join(FORMATS)}. Received: "
            f"{format=}"
        )
    function = FORMATS[format]
    known = inspect.signature(
        prepare_sessions_csv if format == "sessions" else prepare_interactions
    ).parameters
    for name, value in options.items():
        if name not in known:
            raise DataError(
                f"Expected an option of the format {format!r}. Received: "
                f"{name}={value!r}"
            )
    return function(raw, folder, **options)


def detect_format(
    raw: str | os.PathLike[str], options: dict[str, Any] | None = None
) -> str:
    """Tells the format of a raw file by its name and first line.

    A folder, an archive or a `.dat` file is "movielens"; a header with a user
    and an item column means "interactions", as does any option that names a
    column; a first line of integers means "sessions".

    Raises:
        DataError: it could be either kind of csv file.
    """
    path = pathlib.Path(raw)
    name = path.name.lower().removesuffix(".gz")
    if path.is_dir() or name.endswith((".zip", ".dat")):
        return "movielens"
    if any(option.endswith("_column") for option in options or ()):
        return "interactions"
    line, _ = first_line(RawFile(path))
    fields = [field.strip() for field in line.split(",")]
    if all(field.lstrip("-").isdecimal() for field in fields):
        if not 2 <= len(fields) <= _MOST_COLUMNS:
            return "sessions"
        raise DataError(
            f"Expected a header in {path}, or a session of more than "
            f"{_MOST_COLUMNS} integers as its first line, to tell which it "
            "is; add a header, or prepare it with `python -m datasets.prepare "
            f"--format=sessions`. Received: first line {line[:60]!r}"
        )
    try:
        names = [field.strip('"') for field in fields]
        find_columns(names, str(path), time="file")
    except DataError:
        raise DataError(
            f"Expected a header with a user and an item column in {path}, or "
            "a session of integers as its first line; pass --format, or "
            "--user_column and --item_column. Received: first line "
            f"{line[:60]!r}"
        ) from None
    return "interactions"


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this command.

    Not on import: `experiments` imports this module and has flags of its own.
    """

    def string(name: str, default: str | None, text: str) -> None:
        flags.DEFINE_string(name, default, text, flag_values=values)

    def integer(name: str, text: str) -> None:
        flags.DEFINE_integer(name, None, text, flag_values=values)

    string("raw", None, "File, folder or archive to read.")
    string("output", None, "Folder to write.")
    flags.mark_flags_as_required(["raw", "output"], flag_values=values)
    flags.DEFINE_enum(
        "format",
        "auto",
        ["auto", *FORMATS],
        "Format of the raw file.",
        flag_values=values,
    )
    integer("t", "Items in a row (20; sessions: the widest line).")
    integer("min_users_per_item", "Drop items with fewer users (10).")
    integer("min_items_per_user", "Drop users with fewer interactions (5).")
    flags.DEFINE_list(
        "filter_order",
        None,
        "What is filtered first (items,users).",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "iterate",
        None,
        "Filter until nothing goes any more, not once.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "cut_from",
        None,
        ["end", "start"],
        "Which end of a history gets whole rows (end: the latest items).",
        flag_values=values,
    )
    integer("min_length", "Shortest row that is kept, in items (5).")
    for role in ALIASES:
        string(f"{role}_column", None, f"Name of the {role} column.")
    flags.DEFINE_enum(
        "time",
        None,
        ["auto", "file"],
        "Where the order comes from; file: the order of the lines.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "keep_latest",
        None,
        "Shorten lines with more than t items (sessions).",
        flag_values=values,
    )
    string("source", None, "Name of the data (the file's name).")
    flags.DEFINE_bool(
        "force", False, "Replace what was prepared there.", flag_values=values
    )


def run_command(values: flags.FlagValues) -> int:
    """Runs the command for parsed flags and returns its exit status."""
    # Only flags that were given count, so that each format has its defaults.
    given: dict[str, Any] = {name: values[name].value for name in values}
    options = {
        name: value
        for name, value in given.items()
        if name in _option_names() and value is not None
    }
    folder = pathlib.Path(given["output"])
    written = _written(folder)
    start = time.perf_counter()
    try:
        prepare(given["raw"], folder, format=given["format"], **options)
        meta = sessions.read_meta(folder)
    except (DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted, nothing was written", file=sys.stderr)
        return 130
    seconds = time.perf_counter() - start
    if written is not None and _written(folder) == written:
        print(f"{folder} is already prepared in this way:")
    for count in meta["counts"]:
        print(
            f"  {count['step']:>8}: {count['interactions']:,} interactions, "
            f"{count['users']:,} users, {count['items']:,} items"
        )
    print(
        f"  {folder}: {meta['num_rows']:,} rows of t={meta['t']}, "
        f"{meta['num_users']:,} users, {meta['num_items']:,} items"
    )
    if _written(folder) != written:
        rate = meta["counts"][0]["interactions"] / seconds
        print(f"  {seconds:.1f} s, {rate:,.0f} interactions/s")
    return 0


def _option_names() -> set[str]:
    parameters: set[str] = set()
    for function in (prepare_interactions, prepare_sessions_csv):
        parameters |= {
            name
            for name, parameter in inspect.signature(
                function
            ).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        }
    return parameters


def _written(folder: pathlib.Path) -> int | None:
    try:
        return (folder / "meta.json").stat().st_mtime_ns
    except OSError:
        return None


if __name__ == "__main__":
    command_frame.run(define_flags, run_command)
