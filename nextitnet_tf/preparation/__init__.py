"""Raw files, tables and archives become sessions, on disk or in memory.

`prepare` is the way in; one module a raw format does the work, and `sessions`
knows the format on disk. Nothing in this folder imports TensorFlow or Keras:
data is prepared once, on any machine, and read by `nextitnet_tf.data` ever
after.
"""

import dataclasses
import inspect
import os
import pathlib
from typing import Any

from nextitnet_tf.preparation.choices import Choices
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.formats import FORMATS
from nextitnet_tf.preparation.formats import detect_format
from nextitnet_tf.preparation.interactions import few_left
from nextitnet_tf.preparation.interactions import make_sessions
from nextitnet_tf.preparation.sessions_csv import prepare_sessions_csv
from nextitnet_tf.preparation.tables import as_name

__all__ = [
    "Choices",
    "DataError",
    "as_name",
    "few_left",
    "make_sessions",
    "prepare",
]


def prepare(
    raw: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    format: str = "auto",
    **options: Any,
) -> pathlib.Path:
    """Prepares a raw file of any known format as sessions on disk.

    This is the way in from Python, and what every command calls; the flags
    of `nextitnet_tf.commands.preparation_flags` give its keyword arguments.

    Args:
        raw: a file, or a MovieLens folder or archive.
        folder: where the sessions go. If it holds these very files prepared
            with these very options, it is left as it is.
        format: one of `FORMATS`, or "auto" to look at the file.
        **options: attributes of `Choices`, `source` and `force`; of the
            format "sessions" those of `prepare_sessions_csv`.

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
    known = (
        {*inspect.signature(prepare_sessions_csv).parameters}
        if format == "sessions"
        else {*(f.name for f in dataclasses.fields(Choices)), "source", "force"}
    )
    for name, value in options.items():
        if name not in known:
            raise DataError(
                f"Expected an option of the format {format!r}. Received: "
                f"{name}={value!r}"
            )
    return function(raw, folder, **options)
