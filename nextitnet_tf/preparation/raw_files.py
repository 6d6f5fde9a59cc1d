"""Raw files as they come: plain, gzip or inside a zip, read line by line."""

import csv
import dataclasses
import gzip
import hashlib
import io
import itertools
import lzma
import os
import pathlib
import typing
import zipfile
import zlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import IO
from typing import Any

import pandas as pd

from nextitnet_tf.preparation import archives
from nextitnet_tf.preparation import separators
from nextitnet_tf.preparation.archives import base_name
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.separators import WithCommas

# Endings that say of what kind a file is; dates and the like do not.
_SUFFIXES = (
    *(".csv", ".tsv", ".txt", ".dat", ".data", ".inter", ".json", ".jsonl"),
    *(".parquet", ".gz", ".zip", ".bz2", ".xz"),
)


def name_of(path: str | os.PathLike[str]) -> str:
    """What the data of a file are called.

    >>> name_of("raw/sales.2024-01.csv.gz")
    'sales.2024-01'
    """
    name = pathlib.Path(path).name
    while pathlib.Path(name).suffix.lower() in _SUFFIXES:
        name = pathlib.Path(name).stem
    return name.strip(".") or "data"


# What a compressed file raises that is damaged or ends early.
_INCOMPLETE = (
    EOFError,
    OSError,  # gzip's and bz2's own, too
    lzma.LZMAError,
    zipfile.BadZipFile,
    zlib.error,
)
# What a damaged, truncated or misquoted file raises while it is read.
DAMAGE = (
    *_INCOMPLETE,
    UnicodeDecodeError,
    csv.Error,
    pd.errors.ParserError,
)

_BLOCK = 1 << 20
# Bytes of a line at most: what is longer is no text of lines, and would be
# held in memory as a whole.
_LONGEST = 1 << 26


@dataclasses.dataclass(frozen=True)
class RawFile:
    """One raw text file and how to open it.

    Args:
        path: the file on disk; gzip is recognised by its first two bytes.
        member: its name inside the zip archive that `path` is, if it is one.
        separator: what `open` makes commas of.
        header: the names of the columns where the file does not begin with
            them.
    """

    path: pathlib.Path
    member: str | None = None
    separator: str = ","
    header: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """How messages call the file."""
        if self.member is None:
            return str(self.path)
        return f"{self.path}({self.member})"

    def open(self) -> io.BufferedReader:
        """Opens the decompressed bytes, separated by commas."""
        stream: Any = self.open_unconverted()
        if self.separator != ",":
            stream = WithCommas(stream, self.separator)
        return io.BufferedReader(stream, _BLOCK)

    def facts(self) -> dict[str, str | int]:
        """Name, size and sha256 of the file on disk, for meta.json."""
        check_file(self.path)
        try:
            with open(self.path, "rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = os.fstat(file.fileno()).st_size
        except OSError as error:
            raise _cannot_open(self.path, error) from None
        name = self.path.name
        if self.member is not None:
            name += f"({self.member})"
        return {"name": name, "bytes": size, "sha256": digest}

    def open_unconverted(self) -> IO[bytes]:
        """Opens the decompressed bytes, with separators as they are.

        Raises:
            DataError: it cannot be read; on reading, a line is too long.
        """
        return typing.cast(IO[bytes], _Lines(self._open(), self.label))

    def _open(self) -> IO[bytes]:
        check_file(self.path)
        if self.member is not None:
            stream = archives.open_member(self.path, self.member)
            if base_name(self.member).endswith(".gz"):
                return typing.cast(IO[bytes], gzip.open(stream, "rb"))
            return stream
        try:
            with open(self.path, "rb") as file:
                is_gzip = file.read(2) == b"\x1f\x8b"
            if is_gzip:
                return typing.cast(IO[bytes], gzip.open(self.path, "rb"))
            return open(self.path, "rb", buffering=0)
        except OSError as error:
            raise _cannot_open(self.path, error) from None


def check_file(path: pathlib.Path) -> None:
    """Raises DataError for a pipe or a device, which would never end."""
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a pipe or a device"
        raise DataError(
            f"Expected a file that can be read again. Received: {path}, {what}"
        )


def first_line(raw: RawFile) -> tuple[str, int]:
    """Reads the first line that is not blank, and its number."""
    try:
        with raw.open() as stream:
            for number, line in enumerate(stream, start=1):
                text = line.decode("utf-8-sig").strip()
                if text:
                    return text, number
    except DAMAGE as error:
        raise damaged(raw, error) from None
    raise DataError(f"Expected data. Received: {raw.label}, an empty file")


def first_fields(raw: RawFile) -> list[str]:
    """The comma-separated fields of the first line that is not blank."""
    line, number = first_line(raw)
    try:
        return [field.strip() for field in next(csv.reader([line]))]
    except csv.Error as error:
        raise DataError(
            f"{raw.label}, line {number}: Expected comma-separated fields. "
            f"Received: {line[:40]!r} ({_one_line(error)})"
        ) from None


def records(raw: RawFile) -> Iterator[tuple[int, list[str]]]:
    """Yields (line number, fields) of every line that is not blank.

    Slow and exact: it serves to name the line of an error that the fast
    reader has met. A quoted field may hold line ends; the number is that of
    the record's first line.

    Raises:
        DataError: a quote is not closed where its field ends.
    """
    # With the quotes of the file: of several characters none is one.
    is_as_it_is = len(raw.separator) == 1
    opened: Any = raw.open()
    if is_as_it_is:
        opened = io.BufferedReader(typing.cast(Any, raw.open_unconverted()))
    with (
        opened as stream,
        io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text,
    ):
        # A csv reader takes a quote inside a field as it is, but the one at
        # its start for an opening one: `"weird al,3` goes on to the next
        # quote, lines below. Strictly, a comma or a line's end must follow it.
        reader = separators.reader(text, raw.separator if is_as_it_is else ",")
        number = 1
        try:
            for fields in reader:
                if len(fields) > 1 or (fields and fields[0].strip()):
                    yield number, fields
                number = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                f"{raw.label}, line {number}: Expected every quote that "
                "begins a field to be closed at its end (a quote inside is "
                f"written twice). Received: {_one_line(error)}"
            ) from None


def locate(
    raw: RawFile, problem: Callable[[list[str]], str | None], *, skip: int
) -> DataError | None:
    """Finds the first line, after `skip` ones, that has a problem."""
    try:
        for number, fields in itertools.islice(records(raw), skip, None):
            found = problem(fields)
            if found is not None:
                return DataError(f"{raw.label}, line {number}: {found}")
    except DataError as error:
        return error
    except DAMAGE as error:
        return damaged(raw, error)
    return None


def damaged(raw: RawFile, error: Exception) -> DataError:
    """Says where a file that could not be read is damaged."""
    number = 0
    try:
        with io.BufferedReader(
            typing.cast(Any, raw.open_unconverted()), _BLOCK
        ) as stream:
            for number, line in enumerate(stream, start=1):
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError:
                    return DataError(
                        f"{raw.label}, line {number}: Expected UTF-8 text. "
                        f"Received: {line[:40]!r}"
                    )
    except _INCOMPLETE:
        return DataError(
            f"{raw.label}, after line {number}: Expected a complete "
            "compressed file. Received: one that is damaged or ends early"
        )
    separated = "comma-separated"
    if raw.separator != ",":
        separated = f"`{raw.separator}`-separated"
    return DataError(
        f"{raw.label}: Expected {separated} text in which every quote is "
        f"closed. Received: {_one_line(error)}"
    )


class _Lines(io.RawIOBase):
    """A byte stream whose lines are measured on the way."""

    def __init__(self, stream: IO[bytes], label: str):
        super().__init__()
        self._stream: Any = stream
        self._label = label
        self._number = 1
        self._length = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        size = self._stream.readinto(buffer)
        block = bytes(memoryview(buffer)[:size])
        last = block.rfind(b"\n")
        if last >= 0:
            self._number += block.count(b"\n")
            self._length = 0
        self._length += size - last - 1
        if self._length > _LONGEST:
            raise DataError(
                f"{self._label}, line {self._number}: Expected lines of at "
                f"most {_LONGEST >> 20} MiB. Received: a longer one"
            )
        return size

    def close(self) -> None:
        self._stream.close()
        super().close()


def _cannot_open(path: pathlib.Path, error: OSError) -> DataError:
    reason = error.strerror or type(error).__name__
    return DataError(
        f"Expected a file that can be read. Received: {path} ({reason})"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
