"""Sessions on disk: the folder that every prepared data set is.

| file | content |
|---|---|
| `sessions-00000.npy`, ... | little-endian int32, C order, rows x t |
| `users.npy` | little-endian int32, row -> user 0..num_users - 1 |
| `times.npy` | little-endian float64, row -> time of its latest item; only \
where the raw data have timestamps, in their unit |
| `items.csv` | `id,raw_id,count`: ids 1, 2, ... num_items in order |
| `meta.json` | what follows, and source, raw files, choices, counts |

`meta.json` has `format_version` (1), `t`, `num_rows`, `num_users`,
`num_items`, `item_id_type` ("int" or "str", of all raw ids) and `files`: for
each other file of the folder its size and checksum, `{"items.csv": {"bytes":
123, "sha256": "..."}, ...}`. Folders prepared before `files` was written lack
it, and are as good.

A row holds item ids 1..num_items, padded with 0 on the left, its latest item
at column t - 1. Ids fall with frequency; ties follow the raw id. Rows are in
the order of raw user ids and, within a user, from oldest to latest. Raw ids
differ, and have no line ends inside. The count of an item is how often the
rows have it.

The library reads these folders without this package, and checks all of it
(`nextitnet_tf.data.read_sessions`).
"""

import json
import os
import pathlib
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from nextitnet_tf.preparation import raw_folders
from nextitnet_tf.preparation import session_blocks
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.replacing import check_replaceable
from nextitnet_tf.preparation.replacing import replacing
from nextitnet_tf.preparation.session_arrays import check_arrays
from nextitnet_tf.preparation.session_blocks import FORMAT_VERSION
from nextitnet_tf.preparation.session_blocks import ROWS_PER_FILE
from nextitnet_tf.preparation.session_blocks import TIMES

PathLike = str | os.PathLike[str]

_NUMBERS = ("format_version", "t", "num_rows", "num_users", "num_items")
_AGAIN = "prepare it again with --force"
_OF_FILES = "sha256 of the raw files"


def write_sessions(
    folder: PathLike,
    rows: np.ndarray,
    users: np.ndarray,
    raw_ids: Sequence[Any] | np.ndarray,
    counts: np.ndarray,
    meta: Mapping[str, Any],
    *,
    times: np.ndarray | None = None,
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
        users: `(num_rows,)` user 0..num_users - 1 of each row.
        raw_ids: raw id of items 1..num_items, all ints or all strings.
        counts: how often items 1..num_items occur in `rows`.
        meta: what else is known of the data (source, raw files, choices,
            counts before and after each filter). `format_version`, `t`,
            `num_rows`, `num_users`, `num_items`, `item_id_type` and `files`
            are added.
        times: `(num_rows,)` time of the latest item of each row, if known.
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
    check_arrays(rows, users, raw_ids, counts)
    if times is not None and (
        times.shape != users.shape or not np.isfinite(times).all()
    ):
        raise DataError(
            "Expected a finite time for each row. Received: times of shape "
            f"{times.shape} for rows of shape {rows.shape}"
        )
    with replacing(folder, replace) as partial:
        session_blocks.write(
            partial,
            [session_blocks.Block(rows, users, times)],
            rows.shape,
            raw_ids,
            np.asarray(counts).tolist(),
            meta,
            has_times=times is not None,
            rows_per_file=rows_per_file,
        )
    return folder


def read_meta(folder: PathLike) -> dict[str, Any]:
    """Reads `meta.json` of a prepared folder.

    Raises:
        DataError: `folder` is not one that `write_sessions` has written.
    """
    folder = pathlib.Path(folder)
    path = folder / "meta.json"
    expected = "Expected a folder of prepared sessions ("
    expected += "`nextitnet-tf prepare` writes one)"
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        found = "has no meta.json" if folder.is_dir() else "does not exist"
        raise DataError(f"{expected}. Received: {folder}, which {found}") from (
            None
        )
    except (ValueError, OSError, RecursionError) as error:
        raise DataError(
            f"{expected}. Received: {folder}, whose meta.json cannot be read "
            f"({type(error).__name__}); {_AGAIN}"
        ) from None
    for name in _NUMBERS:
        if not isinstance(meta, dict) or type(meta.get(name)) is not int:
            raise DataError(
                f"{expected}. Received: {path} without a whole number "
                f"{name}; {_AGAIN}"
            )
    if meta["format_version"] != FORMAT_VERSION:
        raise DataError(
            f"Expected sessions of format_version={FORMAT_VERSION} in "
            f"{folder}. Received: format_version={meta['format_version']}; "
            f"{_AGAIN}"
        )
    return meta


def check_folder(folder: PathLike, t: int | None = None) -> dict[str, Any]:
    """Checks that a folder holds all its sessions and, if given, has this t.

    Sizes and checksums are checked where `meta.json` has them. What the rows
    say is checked by whoever reads them.

    Returns:
        Its `meta.json`.

    Raises:
        DataError: it is no prepared folder, a file is missing, changed or of
            another shape than `meta.json` says, or its rows have another
            length.
    """
    folder = pathlib.Path(folder)
    meta = read_meta(folder)
    if t is not None and meta["t"] != t:
        raise DataError(
            f"Expected t={t} in {folder}. Received: t={meta['t']}; {_AGAIN} "
            "or name another folder"
        )
    files = sorted(folder.glob("sessions-*.npy"))
    shapes = [_shape(file) for file in files]
    num_rows = sum(shape[0] for shape in shapes if shape)
    complete = (
        num_rows == meta["num_rows"]
        and all(shape[1:] == (meta["t"],) for shape in shapes)
        and _shape(folder / "users.npy") == (num_rows,)
        and (folder / "items.csv").is_file()
    )
    if not complete:
        raise DataError(
            f"Expected {meta['num_rows']} sessions of t={meta['t']}, their "
            f"users.npy and items.csv in {folder}. Received: {num_rows} "
            f"sessions, or a missing file; {_AGAIN}"
        )
    if "files" in meta:
        _check_checksums(folder, files, meta["files"])
    return meta


def _check_checksums(
    folder: pathlib.Path, files: list[pathlib.Path], listed: Any
) -> None:
    files = [*files, folder / "users.npy", folder / "items.csv"]
    if (folder / TIMES).is_file():
        files.append(folder / TIMES)
    if not isinstance(listed, dict):
        listed = {}
    for name in sorted(set(listed) ^ {file.name for file in files}):
        raise DataError(
            f"Expected the files that {folder / 'meta.json'} lists. "
            f"Received: {name}, "
            + ("which is missing" if name in listed else "which is not listed")
            + f"; {_AGAIN}"
        )
    for file in files:
        found = session_blocks.size_and_sha256(file)
        if found != listed[file.name]:
            raise DataError(
                f"Expected {file} with the size and sha256 that meta.json "
                f"has of it. Received: {found['bytes']} bytes, sha256="
                f"{found['sha256'][:16]}...: it was changed or damaged; "
                f"{_AGAIN}"
            )


def is_of(folder: PathLike, raw: PathLike) -> bool:
    """Whether `folder` holds sessions of these raw data, however prepared."""
    if not (pathlib.Path(folder) / "meta.json").is_file():
        return False
    known = read_meta(folder).get("raw", [])
    found = raw_folders.digests(raw, [file.get("name") for file in known])
    return found not in (None, []) and found == [f.get("sha256") for f in known]


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
    check_replaceable(folder, replace=True)
    if force or not folder.exists() or not any(folder.iterdir()):
        return False
    there = read_meta(folder)
    wanted = {**choices, _OF_FILES: list(sha256)}
    try:
        of_files = [file["sha256"] for file in there.get("raw", [])]
        found = {**there.get("choices", {}), _OF_FILES: of_files}
    except (TypeError, KeyError):
        raise DataError(
            "Expected choices and the sha256 of raw files in "
            f"{folder / 'meta.json'}. Received: something else; {_AGAIN}"
        ) from None
    # Tuples and lists are the same thing once they went through json.
    wanted = json.loads(json.dumps(wanted))
    differing = sorted(
        n for n in wanted | found if wanted.get(n) != found.get(n)
    )
    name = differing[0] if differing else ""
    if name == _OF_FILES:
        raise DataError(
            f"Expected the file that {folder} was prepared of. Received: "
            f"another; name its data (say --dataset={folder.name}-2), or "
            f"{_AGAIN}"
        )
    if differing:
        raise DataError(
            f"Expected {name}={_shown(found.get(name))} because {folder} was "
            f"prepared with it. Received: {name}={_shown(wanted.get(name))}; "
            f"{_AGAIN} or name another folder (--sessions; --dataset)"
        )
    check_folder(folder)
    return True


def _plain_id(raw_id: Any) -> int | str:
    return raw_id if isinstance(raw_id, str) else int(raw_id)


def _shape(file: pathlib.Path) -> tuple[int, ...]:
    """Shape of an int32 array on disk; () if the file holds something else."""
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception:  # damaged headers raise errors of any kind
        return ()
    is_ours = isinstance(array, np.ndarray) and array.dtype.str == "<i4"
    return array.shape if is_ours else ()


def _shown(value: Any) -> str:
    return "(nothing)" if value is None else json.dumps(value)
