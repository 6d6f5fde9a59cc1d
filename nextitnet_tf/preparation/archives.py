"""Zip archives as people's tools make them: found, opened, or refused."""

import lzma
import os
import pathlib
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable
from typing import IO

from nextitnet_tf.preparation.errors import DataError

# What zipfile raises for archives that are damaged, of a kind that it does
# not know, or not zip files at all.
ARCHIVE_ERRORS = (
    EOFError,
    IndexError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)

_ENCRYPTED = 0x1
# The methods that zip programs choose and that zipfile may not know.
_METHODS = {
    9: "Deflate64",
    93: "Zstandard",
    95: "XZ",
    96: "JPEG",
    98: "PPMd",
    99: "AES encryption",
}


def base_name(name: str) -> str:
    r"""The last part of a path with slashes of either kind, in lower case.

    Some programs store `ml\ratings.csv`, others `ML/RATINGS.CSV`.

    >>> base_name("ML\\Ratings.CSV")
    'ratings.csv'
    """
    return re.split(r"[\\/]", name)[-1].lower()


def find_name(names: Iterable[str], wanted: Iterable[str]) -> str | None:
    """Finds a path by its last part, whatever its case and its slashes.

    Args:
        names: paths, of which the first in order is taken.
        wanted: last parts in lower case, the preferred one first.
    """
    ordered = sorted(names)
    for name in wanted:
        for found in ordered:
            if base_name(found) == name:
                return found
    return None


def member_names(path: pathlib.Path) -> list[str]:
    """Names of all files in a zip archive.

    Raises:
        DataError: it is none, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except ARCHIVE_ERRORS as error:
        raise unreadable(path, error) from None


def open_member(path: pathlib.Path, member: str) -> IO[bytes]:
    """Opens the decompressed bytes of one file in a zip archive.

    Raises:
        DataError: the archive cannot be read; the message says why.
    """
    try:
        archive = zipfile.ZipFile(path)
        info = archive.getinfo(member)
    except KeyError:
        raise DataError(
            f"Expected {member} in {path}. Received: an archive without it"
        ) from None
    except ARCHIVE_ERRORS as error:
        raise unreadable(path, error) from None
    found = ""
    if info.flag_bits & _ENCRYPTED:
        found = "which is encrypted"
    elif info.compress_type in _METHODS:
        found = f"compressed by {_METHODS[info.compress_type]}"
    try:
        if not found:
            return archive.open(info)
    except NotImplementedError:
        found = f"compressed by method {info.compress_type}"
    except ARCHIVE_ERRORS as error:
        archive.close()
        raise unreadable(path, error) from None
    archive.close()
    raise DataError(
        "Expected a zip archive without a password, compressed by Deflate; "
        "unpack it and pass the folder instead. Received: "
        f"{path}({member}), {found}"
    )


def unreadable(path: str | os.PathLike[str], error: Exception) -> DataError:
    """Says that a whole archive cannot be read, and why."""
    if isinstance(error, OSError) and error.strerror:
        return DataError(
            "Expected a file that can be read. Received: "
            f"{path} ({error.strerror})"
        )
    return DataError(
        "Expected a complete zip archive. Received: "
        f"{path}, which is damaged or ends early ({type(error).__name__})"
    )
