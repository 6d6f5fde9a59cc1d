r"""Prepares raw files as sessions on disk.

Examples:

  python -m datasets.prepare --raw=ml-20m.zip --output=data/ml20
  python -m datasets.prepare --raw=clicks.csv.gz --output=data/clicks \
      --user_column=who --item_column=what --timestamp_column=when --t=30
  python -m datasets.prepare --raw=clicks.dat --output=data/clicks \
      --columns=user,timestamp,item,category
  python -m datasets.prepare --raw=sessions.csv --output=data/sessions \
      --format=sessions

The first reads MovieLens ratings. The second reads any csv file with a
header; without the column flags it looks for usual names (user_id, movieId,
timestamp, order, ...). The third reads a csv file without a header. The last
reads one session a line, items separated by commas, oldest first. All may be
gzip files. A folder that was prepared in the same way is left as it is.
"""

import inspect
import os
import pathlib
import sys
import time
from typing import Any

from absl import flags

from datasets import choices
from datasets import command_frame
from datasets import sessions
from datasets.errors import DataError
from datasets.formats import FORMATS
from datasets.formats import detect_format
from datasets.interactions import prepare_interactions
from datasets.sessions_csv import prepare_sessions_csv


def prepare(
    raw: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    format: str = "auto",
    **options: Any,
) -> pathlib.Path:
    """Prepares a raw file of any known format as sessions on disk.

    This is the way in from Python, and what every command calls; the flags
    of `datasets.choices` give its keyword arguments.

    Args:
        raw: a file, or a MovieLens folder or archive.
        folder: where the sessions go. If it holds these very files prepared
            with these very options, it is left as it is.
        format: "interactions", "movielens", "sessions", or "auto" to look at
            the file.
        **options: of `prepare_interactions` (also for MovieLens) or
            `prepare_sessions_csv`, such as t, columns, user_column and force.

    Returns:
        The path of the folder.

    Raises:
        DataError: the format is not clear, an option belongs to another
            format, or the data is not as expected.
    """
    for name, path in (("raw", raw), ("folder", folder)):
        if not os.fspath(path):
            raise DataError(f"Expected a path. Received: {name}={path!r}")
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


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this command.

    Not on import: `experiments` imports this module and has flags of its own.
    """

    def string(name: str, text: str) -> None:
        flags.DEFINE_string(name, None, text, flag_values=values)

    string("raw", "File, folder or archive to read.")
    string("output", "Folder to write.")
    flags.mark_flags_as_required(["raw", "output"], flag_values=values)
    string("source", "Name of the data. The default is the file's name.")
    choices.define_flags(values)


def run_command(values: flags.FlagValues) -> int:
    """Runs the command for parsed flags and returns its exit status."""
    raw, output = values["raw"].value, values["output"].value
    options = choices.given(values, [*choices.NAMES, "source"])
    folder = pathlib.Path(output)
    written = _written(folder)
    start = time.perf_counter()
    try:
        prepare(raw, output, **options)
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
    for count in meta.get("counts", []):
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


def _written(folder: pathlib.Path) -> int | None:
    try:
        return (folder / "meta.json").stat().st_mtime_ns
    except OSError:
        return None


if __name__ == "__main__":
    command_frame.run(define_flags, run_command)
