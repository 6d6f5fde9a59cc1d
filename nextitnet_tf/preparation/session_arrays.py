"""Rows, users and items as they are about to be written."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.raw_ids import has_line_end


@dataclasses.dataclass(frozen=True)
class SessionArrays:
    """Prepared sessions, in memory (`preparation.sessions` says more).

    Attributes:
        rows: `(num_rows, t)` ids 0..num_items, padded with 0 on the left.
        users: `(num_rows,)` user 0..num_users - 1 of each row.
        raw_ids: raw id of items 1..num_items, all ints or all strings.
        counts: how often items 1..num_items occur in `rows`.
        meta: source, raw files, choices, counts before and after each step.
        times: `(num_rows,)` time of the latest item of each row, if known.
    """

    rows: np.ndarray
    users: np.ndarray
    raw_ids: Sequence[Any]
    counts: np.ndarray
    meta: Mapping[str, Any]
    times: np.ndarray | None = None


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


def check_arrays(
    rows: np.ndarray, users: np.ndarray, raw_ids: list, counts: np.ndarray
) -> None:
    """Checks that arrays are sessions, before they are written.

    Args:
        rows: `(num_rows, t)` ids 0..num_items, padded with 0 on the left.
        users: `(num_rows,)` user 0..num_users - 1 of each row.
        raw_ids: raw id of items 1..num_items, all ints or all strings.
        counts: how often items 1..num_items occur in `rows`.

    Raises:
        DataError: they are not.
    """
    if rows.ndim != 2 or users.shape != rows.shape[:1] or not rows.size:
        raise DataError(
            "Expected rows of shape (num_rows, t), not empty, and users of "
            f"shape (num_rows,). Received: rows.shape={rows.shape}, "
            f"users.shape={users.shape}"
        )
    if len(raw_ids) != len(counts) or not 0 <= rows.min() <= rows.max() <= len(
        raw_ids
    ):
        raise DataError(
            "Expected as many raw ids as counts, and ids 0..num_items in the "
            f"rows. Received: len(raw_ids)={len(raw_ids)}, len(counts)="
            f"{len(counts)}, rows.min()={rows.min()}, rows.max()={rows.max()}"
        )
    if len({type(raw_id) for raw_id in raw_ids}) != 1:
        raise DataError(
            "Expected raw ids that are all ints or all strings. Received: "
            "raw_ids of both types"
        )
    if users.min() < 0 or users.max() >= np.unique(users).size:
        raise DataError(
            "Expected users 0..num_users - 1, each with a row. Received: "
            f"{np.unique(users).size} users, users.min()={users.min()}, "
            f"users.max()={users.max()}"
        )
    if len(set(raw_ids)) != len(raw_ids):
        raise DataError("Expected each raw id once. Received: one twice")
    for raw_id in raw_ids:
        if isinstance(raw_id, str) and (not raw_id or has_line_end(raw_id)):
            raise DataError(
                "Expected raw ids without line ends, and none empty. "
                f"Received: {raw_id[:40]!r}"
            )
    is_item = rows != 0
    if (is_item[:, :-1] & ~is_item[:, 1:]).any() or not is_item[:, -1].all():
        raise DataError(
            "Expected padding (0) on the left alone, and an item at the end "
            "of each row. Received: rows with 0 elsewhere"
        )
    found = np.bincount(rows.ravel().astype(np.int64))[1:]
    if not np.array_equal(found, np.asarray(counts)[: len(found)]) or np.any(
        counts[len(found) :]
    ):
        raise DataError(
            "Expected counts of the items in the rows. Received: others"
        )
