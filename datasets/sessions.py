"""Sessions on disk: the folder that every prepared data set is.

| file | content |
|---|---|
| `sessions-00000.npy`, ... | little-endian int32, C order, rows x t |
| `users.npy` | little-endian int32, row -> user number |
| `items.csv` | `id,raw_id,count`, in id order |
| `meta.json` | source, sha256 of the raw files, choices, counts, t |

A row holds item ids 1..num_items, padded with 0 on the left, its latest item
at column t - 1. Ids fall with frequency; ties follow the raw id. Rows are in
the order of raw user ids and, within a user, from oldest to latest.
"""

import contextlib
import csv
import json
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from datasets.errors import DataError

FORMAT_VERSION = 1
ROWS_PER_FILE = 4_000_000

PathLike = str | os.PathLike[str]


def write_sessions(
    folder: PathLike,
    rows: np.ndarray,
    users: np.ndarray,
    raw_ids: Sequence[Any] | np.ndarray,
    counts: np.ndarray,
    meta: Mapping[str, Any],
    *,
    replace: bool = False,
    rows_per_file: int = ROWS_PER_FILE,
) -> pathlib.Path:
    """Writes a folder of sessions that appears complete or not at all.

    Everything goes to a temporary folder beside `folder` which is renamed at
    the end; an error or Ctrl-C removes it. Equal arguments give equal bytes.

    Args:
        folder: where the sessions go. It may exist if it is empty or, with
            `replace`, if it is a prepared folder.
        rows: `(num_rows, t)` ids 0..num_items, padded with 0 on the left.
        users: `(num_rows,)` user number of each row.
        raw_ids: raw id of items 1..num_items, all ints or all strings.
        counts: how often items 1..num_items occur in `rows`.
        meta: what else is known of the data (source, raw files, choices,
            counts before and after each filter). `format_version`, `t`,
            `num_rows`, `num_users`, `num_items` and `item_id_type` are added.
        replace: whether a prepared folder of that name gives way.
        rows_per_file: rows in each `sessions-*.npy`.

    Returns:
        The path of the folder.

    Raises:
        DataError: `folder` exists and may not be replaced, or the arrays do
            not fit together.
    """
    folder = pathlib.Path(folder)
    raw_ids = [_plain_id(raw_id) for raw_id in raw_ids]
    _check_arrays(rows, users, raw_ids, counts)
    meta = {
        **meta,
        "format_version": FORMAT_VERSION,
        "t": int(rows.shape[1]),
        "num_rows": int(rows.shape[0]),
        "num_users": int(np.unique(users).size),
        "num_items": len(raw_ids),
        "item_id_type": "int" if isinstance(raw_ids[0], int) else "str",
    }
    with _replacing(folder, replace) as partial:
        for start in range(0, len(rows), rows_per_file):
            _save_int32(
                partial / f"sessions-{start // rows_per_file:05d}.npy",
                rows[start : start + rows_per_file],
            )
        _save_int32(partial / "users.npy", users)
        with open(
            partial / "items.csv", "w", encoding="utf-8", newline=""
        ) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("id", "raw_id", "count"))
            writer.writerows(
                zip(
                    range(1, len(raw_ids) + 1),
                    raw_ids,
                    np.asarray(counts).tolist(),
                    strict=True,
                )
            )
        (partial / "meta.json").write_text(
            json.dumps(meta, indent=1, sort_keys=True, ensure_ascii=False)
            + "\n",
            encoding="utf-8",
        )
    return folder


def read_meta(folder: PathLike) -> dict[str, Any]:
    """Reads `meta.json` of a prepared folder.

    Raises:
        DataError: `folder` is not one that `write_sessions` has written.
    """
    folder = pathlib.Path(folder)
    expected = "Expected a folder of prepared sessions (python -m "
    expected += "datasets.prepare writes one)"
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        version = meta["format_version"]
    except FileNotFoundError:
        found = "has no meta.json" if folder.is_dir() else "does not exist"
        raise DataError(f"{expected}. Received: {folder}, which {found}") from (
            None
        )
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(
            f"{expected}. Received: {folder}, whose meta.json cannot be read "
            f"({type(error).__name__})"
        ) from None
    if version != FORMAT_VERSION:
        raise DataError(
            f"Expected sessions of format_version={FORMAT_VERSION} in "
            f"{folder}. Received: format_version={version}; prepare it again "
            "with --force"
        )
    return meta


def check_folder(folder: PathLike, t: int | None = None) -> dict[str, Any]:
    """Checks that a folder holds all its sessions and, if given, has this t.

    Returns:
        Its `meta.json`.

    Raises:
        DataError: it is no prepared folder, a file is missing or of another
            shape than `meta.json` says, or its rows have another length.
    """
    folder = pathlib.Path(folder)
    meta = read_meta(folder)
    if t is not None and meta["t"] != t:
        raise DataError(
            f"Expected t={t} in {folder}. Received: t={meta['t']}; prepare it "
            "again with --force or name another folder"
        )
    shapes = [_shape(file) for file in sorted(folder.glob("sessions-*.npy"))]
    num_rows = sum(shape[0] for shape in shapes)
    widths = {shape[1] for shape in shapes}
    complete = (
        num_rows == meta["num_rows"]
        and widths == {meta["t"]}
        and _shape(folder / "users.npy") == (num_rows,)
        and (folder / "items.csv").is_file()
    )
    if not complete:
        raise DataError(
            f"Expected {meta['num_rows']} sessions of t={meta['t']}, their "
            f"users.npy and items.csv in {folder}. Received: {num_rows} "
            "sessions, or a missing file; prepare it again with --force"
        )
    return meta


def is_prepared(
    folder: PathLike,
    choices: Mapping[str, Any],
    sha256: Sequence[str],
    *,
    force: bool = False,
) -> bool:
    """Whether `folder` already holds these raw files, prepared this way.

    Args:
        folder: a folder that may exist.
        choices: what `meta.json` would say under "choices".
        sha256: of every raw file, in order.
        force: answer False where a prepared folder stands in the way.

    Raises:
        DataError: the folder holds something else, so that using it would be
            wrong and overwriting it was not asked for.
    """
    folder = pathlib.Path(folder)
    _check_replaceable(folder, replace=True)
    if force or not folder.exists() or not any(folder.iterdir()):
        return False
    there = read_meta(folder)
    wanted = {**choices, "sha256 of the raw files": list(sha256)}
    found = {
        **there.get("choices", {}),
        "sha256 of the raw files": [
            file["sha256"] for file in there.get("raw", [])
        ],
    }
    # Tuples and lists are the same thing once they went through json.
    wanted = json.loads(json.dumps(wanted))
    differing = sorted(
        name
        for name in wanted.keys() | found.keys()
        if wanted.get(name) != found.get(name)
    )
    if differing:
        name = differing[0]
        raise DataError(
            f"Expected {name}={_shown(found.get(name))} because {folder} was "
            f"prepared with it. Received: {name}={_shown(wanted.get(name))}; "
            "prepare it again with --force or name another folder"
        )
    check_folder(folder)
    return True


def by_frequency(occurrences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers items 1..num_items by falling frequency, absent ones 0.

    Ties follow the index, so hand in `occurrences` in the order of raw ids.

    Args:
        occurrences: `(num_raw,)` how often each raw item occurs.

    Returns:
        `(order, ids)`: the raw index of items 1..num_items, and the id of
        every raw index (0 for one that does not occur).
    """
    order = np.argsort(-occurrences, kind="stable")
    order = order[: np.count_nonzero(occurrences)]
    ids = np.zeros(len(occurrences), np.int32)
    ids[order] = np.arange(1, len(order) + 1, dtype=np.int32)
    return order, ids


@contextlib.contextmanager
def _replacing(folder: pathlib.Path, replace: bool) -> Iterator[pathlib.Path]:
    """Yields an empty folder that becomes `folder` if nothing goes wrong."""
    _check_replaceable(folder, replace)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = pathlib.Path(
        tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent)
    )
    old = partial.with_name(partial.name + ".old")
    try:
        new = partial / "new"
        new.mkdir()  # with the permissions of the umask, unlike mkdtemp's
        yield new
        if folder.exists():
            os.rename(folder, old)
        os.rename(new, folder)
    except BaseException:  # KeyboardInterrupt, too, must leave nothing behind
        if old.exists() and not folder.exists():
            os.rename(old, folder)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _check_replaceable(folder: pathlib.Path, replace: bool) -> None:
    if not folder.exists():
        return
    if folder.is_dir():
        if not any(folder.iterdir()):
            return
        if _is_ours(folder):
            if replace:
                return
            raise DataError(
                "Expected a folder that does not exist yet (or --force). "
                f"Received: {folder}, a prepared folder"
            )
    # Never delete what this package did not write, whatever was asked for.
    raise DataError(
        "Expected a new folder, an empty one or a prepared one. Received: "
        f"{folder}, which holds something else"
    )


def _is_ours(folder: pathlib.Path) -> bool:
    """Whether `meta.json`, or else every file, is one of this format."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if {"format_version", "num_rows", "num_items"} <= set(meta):
            return True
    except (OSError, ValueError, TypeError):
        pass
    pattern = re.compile(r"meta\.json|users\.npy|items\.csv|sessions-\d+\.npy")
    return all(pattern.fullmatch(file.name) for file in folder.iterdir())


def _check_arrays(
    rows: np.ndarray, users: np.ndarray, raw_ids: list, counts: np.ndarray
) -> None:
    if rows.ndim != 2 or users.shape != rows.shape[:1] or not rows.size:
        raise DataError(
            "Expected rows of shape (num_rows, t), not empty, and users of "
            f"shape (num_rows,). Received: rows.shape={rows.shape}, "
            f"users.shape={users.shape}"
        )
    if len(raw_ids) != len(counts) or rows.max() > len(raw_ids):
        raise DataError(
            "Expected as many raw ids as counts, and no larger id in the "
            f"rows. Received: len(raw_ids)={len(raw_ids)}, len(counts)="
            f"{len(counts)}, rows.max()={rows.max()}"
        )
    if len({type(raw_id) for raw_id in raw_ids}) != 1:
        raise DataError(
            "Expected raw ids that are all ints or all strings. Received: "
            "raw_ids of both types"
        )


def _plain_id(raw_id: Any) -> int | str:
    return raw_id if isinstance(raw_id, str) else int(raw_id)


def _save_int32(file: pathlib.Path, array: np.ndarray) -> None:
    np.save(file, np.ascontiguousarray(array, dtype="<i4"), allow_pickle=False)


def _shape(file: pathlib.Path) -> tuple[int, ...]:
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False).shape
    except (OSError, ValueError, EOFError):
        return (0, 0)


def _shown(value: Any) -> str:
    return "(nothing)" if value is None else json.dumps(value)
