"""A folder of prepared sessions, read without trusting it.

The format is described in `preparation/sessions.py`, which writes it.
Everything that can be checked here is, because a wrong row trains without an
error and a wrong raw id is recommended without one.
"""

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np

RawId = int | str

FORMAT_VERSION = 1
USERS = "users.npy"
ITEMS = "items.csv"
TIMES = "times.npy"
META = "meta.json"
COLUMNS = ["id", "raw_id", "count"]

_AGAIN = "prepare the data again (nextitnet-tf prepare ... --force)"
_SESSIONS = re.compile(r"sessions-\d+\.npy")
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_COUNT = re.compile(r"0|[1-9][0-9]{0,17}")
_ROWS_AT_ONCE = 1 << 16


class SessionFolder(NamedTuple):
    """What a folder of prepared sessions holds.

    Attributes:
        rows: (num_rows, t) int32 ids 0..num_items, memory-mapped where the
            folder has them in one file.
        users: (num_rows,) int32 user of each row.
        raw_ids: of items 1, 2, ...
        counts: how often items 1, 2, ... occur in the rows.
        meta: what meta.json says.
        times: (num_rows,) float64 time of each row's latest item, in the raw
            data's unit; None where those have no timestamps.
    """

    rows: np.ndarray
    users: np.ndarray
    raw_ids: list[RawId]
    counts: list[int]
    meta: dict[str, Any]
    times: np.ndarray | None


def read_session_folder(folder: Path) -> SessionFolder:
    """Reads a folder of prepared sessions and checks all of it.

    Checksums are checked where meta.json has them; folders that were prepared
    before it did are read, too, if everything else is right.

    Raises:
        ValueError: a file is missing, damaged or says what another one
            denies. The message names the file.
    """
    files = sorted(
        path for path in folder.glob("*") if _SESSIONS.fullmatch(path.name)
    )
    if not files or not (folder / META).is_file():
        raise ValueError(
            "Expected a folder of prepared sessions (sessions-*.npy, "
            f"{USERS}, {ITEMS}, {META}). Received: folder={str(folder)!r}"
        )
    meta = _read_meta(folder / META)
    _check_files(folder, files, meta)
    # Memory-mapped: what is read stays in the system's cache, not in ours.
    parts = [_load(path, ndim=2) for path in files]
    for path, part in zip(files, parts, strict=True):
        if part.shape[1] != meta["t"]:
            raise _error(
                path,
                f"rows of t={meta['t']} items, as {META} says",
                f"shape={part.shape}",
            )
    num_rows = sum(len(part) for part in parts)
    if num_rows != meta["num_rows"]:
        raise _error(
            folder / META,
            f"num_rows={num_rows}, the rows of all sessions-*.npy",
            f"num_rows={meta['num_rows']}",
        )
    raw_ids, counts = _read_items(folder / ITEMS, meta)
    found = np.zeros(len(raw_ids) + 1, np.int64)
    for path, part in zip(files, parts, strict=True):
        found += _count_items(path, part, len(raw_ids))
    for number, (count, occurrences) in enumerate(
        zip(counts, found[1:].tolist(), strict=True), start=1
    ):
        if count != occurrences:
            raise _error(
                f"{folder / ITEMS}, item {number}",
                f"count={occurrences}, as often as the rows have it",
                f"{count=}",
            )
    return SessionFolder(
        parts[0] if len(parts) == 1 else np.concatenate(parts),
        _read_users(folder / USERS, meta),
        raw_ids,
        counts,
        meta,
        _read_times(folder / TIMES, meta),
    )


def _error(where: Path | str, expected: str, received: str) -> ValueError:
    return ValueError(
        f"Expected {expected}, in {where}. Received: {received}; {_AGAIN}"
    )


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _error(path, "JSON", type(error).__name__) from None
    if not isinstance(meta, dict):
        raise _error(path, "a JSON object", repr(meta)[:40])
    for name, at_least in (
        ("format_version", 1),
        ("t", 2),
        ("num_rows", 1),
        ("num_users", 1),
        ("num_items", 1),
    ):
        value = meta.get(name)
        if type(value) is not int or value < at_least:
            raise _error(
                path, f"{name}, an integer >= {at_least}", f"{name}={value!r}"
            )
    if meta["format_version"] != FORMAT_VERSION:
        raise _error(
            path,
            f"format_version={FORMAT_VERSION}",
            f"format_version={meta['format_version']}",
        )
    kind = meta.get("item_id_type")
    if kind not in ("int", "str"):
        raise _error(
            path, "item_id_type 'int' or 'str'", f"item_id_type={kind!r}"
        )
    return meta


def _check_files(folder: Path, files: list[Path], meta: dict) -> None:
    """Names, sizes and checksums, where meta.json has them."""
    if "files" not in meta:
        return
    listed = meta["files"]
    if not isinstance(listed, dict):
        raise _error(folder / META, "an object of files", repr(listed)[:40])
    for name, about in listed.items():
        if not isinstance(about, dict) or not {"bytes", "sha256"} <= set(about):
            raise _error(
                folder / META,
                f"bytes and sha256 of {name}",
                repr(about)[:40],
            )
    names = {path.name for path in files} | {USERS, ITEMS}
    if (folder / TIMES).exists():
        names.add(TIMES)
    for name in sorted(names ^ set(listed)):
        raise _error(
            folder / META,
            "the names of all files but its own",
            f"{name}, which is "
            + ("listed but missing" if name in listed else "not listed"),
        )
    for name, about in sorted(listed.items()):
        try:
            with open(folder / name, "rb") as file:
                size = file.seek(0, 2)
                file.seek(0)
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise _error(
                folder / name, "a file that can be read", str(error.strerror)
            ) from None
        if size != about["bytes"]:
            raise _error(
                folder / name, f"{about['bytes']} bytes", f"{size} bytes"
            )
        if sha256 != about["sha256"]:
            raise _error(
                folder / name,
                f"sha256={str(about['sha256'])[:16]}..., as {META} says",
                f"sha256={sha256[:16]}...: the file was changed or damaged",
            )


def _load(path: Path, ndim: int, dtype: str = "<i4") -> np.ndarray:
    """A little-endian array in C order, memory-mapped."""
    kind = {"<i4": "int32", "<f8": "float64"}[dtype]
    expected = f"a whole .npy file of little-endian {kind}, {ndim}-D, C order"
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # damaged headers raise errors of any kind
        raise _error(path, expected, _one_line(error)) from None
    if not isinstance(array, np.memmap):
        raise _error(path, expected, type(array).__name__)
    if array.dtype.str != dtype or array.ndim != ndim:
        raise _error(
            path, expected, f"dtype={array.dtype.str}, shape={array.shape}"
        )
    if not array.flags.c_contiguous:
        raise _error(path, expected, "an array in Fortran order")
    size = path.stat().st_size
    if size != array.offset + array.nbytes:
        raise _error(
            path, f"{array.offset + array.nbytes} bytes", f"{size} bytes"
        )
    return array


def _count_items(path: Path, rows: np.ndarray, num_items: int) -> np.ndarray:
    """How often each id occurs; checks range and padding on the way."""
    counts = np.zeros(num_items + 1, np.int64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = np.asarray(rows[start : start + _ROWS_AT_ONCE])
        is_wrong = (some < 0) | (some > num_items)
        if is_wrong.any():
            row, column = np.argwhere(is_wrong)[0]
            raise _error(
                f"{path}, row {start + row}",
                f"item ids 0..{num_items}",
                f"id={some[row, column]}",
            )
        is_item = some != 0
        is_wrong = is_item[:, :-1] & ~is_item[:, 1:]
        is_wrong[:, -1] |= ~is_item[:, -1]
        if is_wrong.any():
            row = int(np.argmax(is_wrong.any(axis=1)))
            raise _error(
                f"{path}, row {start + row}",
                "padding (0) on the left alone, and an item at the end",
                f"{_shown(some[row])}",
            )
        counts += np.bincount(some.ravel(), minlength=num_items + 1)
    return counts


def _read_users(path: Path, meta: dict) -> np.ndarray:
    users = np.array(_load(path, ndim=1))
    if len(users) != meta["num_rows"]:
        raise _error(
            path,
            f"a user for each of num_rows={meta['num_rows']} rows",
            f"shape={users.shape}",
        )
    num_users = meta["num_users"]
    is_wrong = (users < 0) | (users >= num_users)
    if is_wrong.any():
        row = int(np.argmax(is_wrong))
        raise _error(
            f"{path}, row {row}",
            f"users 0..{num_users - 1}, as {META} has num_users={num_users}",
            f"user={users[row]}",
        )
    return users


def _read_times(path: Path, meta: dict) -> np.ndarray | None:
    if not path.exists():
        return None
    times = np.array(_load(path, ndim=1, dtype="<f8"))
    if len(times) != meta["num_rows"] or not np.isfinite(times).all():
        raise _error(
            path,
            f"a finite time for each of num_rows={meta['num_rows']} rows",
            f"shape={times.shape}",
        )
    return times


def _read_items(path: Path, meta: dict) -> tuple[list[RawId], list[int]]:
    """Raw ids and counts of items 1, 2, ..."""
    raw_ids: list[RawId] = []
    counts: list[int] = []
    is_integer = meta["item_id_type"] == "int"
    try:
        with open(path, newline="", encoding="utf-8") as file:
            lines = csv.reader(file, strict=True)
            header = next(lines, None)
            if header != COLUMNS:
                raise _error(path, f"columns {','.join(COLUMNS)}", f"{header}")
            for fields in lines:
                where = f"{path}, line {lines.line_num}"
                if len(fields) != len(COLUMNS):
                    raise _error(where, "3 fields", f"{len(fields)}")
                number, raw, count = fields
                if number != str(len(raw_ids) + 1):
                    raise _error(
                        where,
                        f"id {len(raw_ids) + 1}: ids 1, 2, ... in order",
                        f"id={number[:40]!r}",
                    )
                if not _is_raw_id(raw, is_integer):
                    raise _error(
                        where,
                        f"a raw id of type {meta['item_id_type']}",
                        f"raw_id={raw[:40]!r}",
                    )
                if not _COUNT.fullmatch(count):
                    raise _error(where, "a count", f"count={count[:40]!r}")
                raw_ids.append(int(raw) if is_integer else raw)
                counts.append(int(count))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _error(path, "comma-separated UTF-8", _one_line(error)) from None
    if len(raw_ids) != meta["num_items"]:
        raise _error(
            path,
            f"num_items={meta['num_items']} items, as {META} says",
            f"{len(raw_ids)} items",
        )
    if len(set(raw_ids)) != len(raw_ids):
        seen: set[RawId] = set()
        for raw_id in raw_ids:
            if raw_id in seen:
                raise _error(path, "each raw id once", f"{raw_id!r} twice")
            seen.add(raw_id)
    return raw_ids, counts


def _is_raw_id(raw: str, is_integer: bool) -> bool:
    """Whether it is a raw id of its type; none has line ends inside."""
    if is_integer:
        return _INTEGER.fullmatch(raw) is not None and len(raw) < 40
    return raw != "" and "\n" not in raw and "\r" not in raw


def _shown(row: np.ndarray) -> str:
    items = ", ".join(str(item) for item in row[-8:].tolist())
    return f"[{'..., ' if len(row) > 8 else ''}{items}]"


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:120]
