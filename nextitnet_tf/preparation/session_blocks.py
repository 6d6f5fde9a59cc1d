"""Writes a folder of sessions block by block, so that no block is the whole."""

import contextlib
import csv
import hashlib
import json
import os
import pathlib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import IO
from typing import Any
from typing import NamedTuple

import numpy as np

from nextitnet_tf.preparation.errors import DataError

FORMAT_VERSION = 1
ROWS_PER_FILE = 4_000_000
TIMES = "times.npy"


class Block(NamedTuple):
    """Consecutive rows of a folder of sessions.

    Attributes:
        rows: `(num_rows, t)` ids 0..num_items, padded with 0 on the left.
        users: `(num_rows,)` user 0..num_users - 1 of each row.
        times: `(num_rows,)` time of each row's latest item, if known.
    """

    rows: np.ndarray
    users: np.ndarray
    times: np.ndarray | None = None


def write(
    folder: pathlib.Path,
    blocks: Iterable[Block],
    shape: tuple[int, int],
    raw_ids: Sequence[Any],
    counts: Sequence[int],
    meta: Mapping[str, Any],
    *,
    has_times: bool,
    rows_per_file: int = ROWS_PER_FILE,
) -> None:
    """Writes all files of a folder of sessions.

    Args:
        folder: an empty one (`replacing`).
        blocks: all rows, in order.
        shape: of all rows together.
        raw_ids: raw id of items 1..num_items.
        counts: how often items 1..num_items occur in the rows.
        meta: what else is known of the data.
        has_times: whether blocks have times.
        rows_per_file: rows in each `sessions-*.npy`.

    Raises:
        DataError: the blocks have not as many rows as `shape` says.
    """
    num_rows, t = shape
    done, last_user = 0, -1
    with contextlib.ExitStack() as stack:

        def begin(name: str, dtype: str, *of: int) -> Callable:
            file = stack.enter_context(open(folder / name, "wb"))
            return _growing(file, dtype, of)

        shards = [
            begin(
                f"sessions-{start // rows_per_file:05d}.npy",
                *("<i4", min(rows_per_file, num_rows - start), t),
            )
            for start in range(0, num_rows, rows_per_file)
        ]
        append_users = begin("users.npy", "<i4", num_rows)
        append_times = begin(TIMES, "<f8", num_rows) if has_times else None
        for block in blocks:
            rows = block.rows
            while len(rows):
                if done == num_rows:
                    raise _other(num_rows, "more")
                some = rows[: rows_per_file - done % rows_per_file]
                shards[done // rows_per_file](some)
                done, rows = done + len(some), rows[len(some) :]
            append_users(block.users)
            if append_times:
                append_times(block.times)
            last_user = max(last_user, int(block.users.max(initial=-1)))
    if done != num_rows:
        raise _other(num_rows, f"{done}")
    with open(folder / "items.csv", "w", encoding="utf-8", newline="") as items:
        writer = csv.writer(items, lineterminator="\n")
        writer.writerow(("id", "raw_id", "count"))
        numbers = range(1, len(raw_ids) + 1)
        writer.writerows(zip(numbers, raw_ids, counts, strict=True))
    about = {
        **meta,
        "format_version": FORMAT_VERSION,
        "t": int(t),
        "num_rows": int(num_rows),
        "num_users": last_user + 1,
        "num_items": len(raw_ids),
        "item_id_type": "int" if isinstance(raw_ids[0], int) else "str",
        "files": {
            path.name: size_and_sha256(path)
            for path in sorted(folder.iterdir())
        },
    }
    (folder / "meta.json").write_text(
        json.dumps(about, indent=1, sort_keys=True, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )


def size_and_sha256(file: pathlib.Path) -> dict[str, Any]:
    """What meta.json says of a file."""
    with open(file, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return {"bytes": os.fstat(stream.fileno()).st_size, "sha256": digest}


def _growing(file: IO[bytes], dtype: str, shape: tuple[int, ...]) -> Callable:
    """Begins an .npy file of this shape; the function appends to it.

    What `np.save` writes; that one says nothing of a disk that is full.
    """
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)

    def append(part: np.ndarray) -> None:
        file.write(np.ascontiguousarray(part, dtype=dtype).data)

    return append


def _other(num_rows: int, found: str) -> DataError:
    return DataError(f"Expected {num_rows} rows. Received: {found}")
