"""Interactions -> sessions: filter, sort by time, cut into chunks of t."""

import os
import pathlib
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from datasets import sessions
from datasets.errors import DataError
from datasets.interactions_csv import Interactions
from datasets.interactions_csv import code_interactions
from datasets.interactions_csv import column_names
from datasets.interactions_csv import find_columns
from datasets.interactions_csv import read_interactions
from datasets.raw_files import RawFile


def prepare_interactions(
    table: str | os.PathLike[str] | RawFile | Mapping[str, Any] | pd.DataFrame,
    folder: str | os.PathLike[str],
    *,
    t: int = 20,
    min_users_per_item: int = 10,
    min_items_per_user: int = 5,
    filter_order: Sequence[str] = ("items", "users"),
    iterate: bool = False,
    cut_from: str = "end",
    min_length: int = 5,
    user_column: str | None = None,
    item_column: str | None = None,
    timestamp_column: str | None = None,
    order_column: str | None = None,
    time: str = "auto",
    source: str | None = None,
    force: bool = False,
) -> pathlib.Path:
    """Prepares interactions of users with items as sessions on disk.

    Items with few users go, users with few items go, every user's history is
    sorted by time and cut into chunks of t, and each chunk becomes a row. An
    interaction that is not filtered is in exactly one row, unless it belongs
    to a remainder shorter than `min_length`.

    Args:
        table: a csv file (gzip too), or columns in memory. Users and items
            are integers if all of them are written as integers, and strings
            otherwise.
        folder: where the sessions go. If it holds them already, prepared in
            this very way, it is left as it is.
        t: length of a row, in items.
        min_users_per_item: an item with fewer distinct users goes; 0 or 1
            keeps all.
        min_items_per_user: a user with fewer interactions goes; 0 or 1 keeps
            all.
        filter_order: which of "items" and "users" is filtered first.
        iterate: filter until nothing goes any more, instead of once.
        cut_from: "end" makes the oldest chunk of a user the short one, so
            that every other ends where the model predicts; "start" the
            latest.
        min_length: shortest chunk that is kept, in items.
        user_column: name of a column; by default well-known names are tried.
        item_column: likewise.
        timestamp_column: likewise; any numbers.
        order_column: likewise; any numbers. It wins over timestamps, which
            are then not read and may be empty.
        time: "auto", or "file" where the order of the lines is that of time.
        source: what `meta.json` calls the data; by default the file's name.
        force: prepare again, whatever prepared sessions `folder` holds.

    Returns:
        The path of the folder.

    Raises:
        DataError: an argument or the data is not as expected (file and line
            are named), nothing is left after a filter, or `folder` holds
            something else.
    """
    _check_choices(
        t,
        min_users_per_item,
        min_items_per_user,
        filter_order,
        cut_from,
        min_length,
    )
    names: Sequence[str]
    if isinstance(table, (str, os.PathLike)):
        table = RawFile(pathlib.Path(table))
    if isinstance(table, RawFile):
        label = table.label
        names = column_names(table)
        raw = [table.facts()]
        source = source or table.path.name
    else:
        label = "the table"
        names = tuple(table)
        raw = []
        source = source or "memory"
    columns = find_columns(
        names,
        label,
        user_column=user_column,
        item_column=item_column,
        timestamp_column=timestamp_column,
        order_column=order_column,
        time=time,
    )
    choices = {
        "format": "interactions",
        "t": t,
        "min_users_per_item": min_users_per_item,
        "users_of_an_item": "distinct users",
        "min_items_per_user": min_items_per_user,
        "items_of_a_user": "interactions, repeated ones too",
        "filter_order": list(filter_order),
        "iterate": iterate,
        "cut_from": cut_from,
        "min_length": min_length,
        "user_column": columns.user,
        "item_column": columns.item,
        "time_column": columns.time,
    }
    # What is in memory has no hash to be recognised by.
    if raw:
        sha256 = [str(file["sha256"]) for file in raw]
        if sessions.is_prepared(folder, choices, sha256, force=force):
            return pathlib.Path(folder)
    if isinstance(table, RawFile):
        found = read_interactions(table, columns)
    else:
        found = code_interactions(
            table[columns.user],
            table[columns.item],
            None if columns.time is None else np.asarray(table[columns.time]),
        )
    del table
    counts = [_count("read", found)]

    def report(step: str, left: Interactions, choice: str) -> None:
        counts.append(_count(step, left))
        if not len(left):
            raise DataError(
                f"Expected interactions of {label} to be left after step "
                f"{step!r} ({choice}). Received: none of "
                f"{counts[0]['interactions']}"
            )

    found = filter_interactions(
        found,
        min_users_per_item=min_users_per_item,
        min_items_per_user=min_items_per_user,
        filter_order=filter_order,
        iterate=iterate,
        report=report,
    )
    found = sort_interactions(found)
    lengths, kept = cut(
        found.users, t=t, cut_from=cut_from, min_length=min_length
    )
    found = found.take(kept)
    report("cut", found, f"min_length={min_length}")

    occurrences = np.bincount(found.items, minlength=len(found.item_ids))
    order, ids = sessions.by_frequency(occurrences)
    rows = pad_left(ids[found.items], lengths, t)
    ends = np.cumsum(lengths) - 1
    _, users = np.unique(found.users[ends], return_inverse=True)
    return sessions.write_sessions(
        folder,
        rows,
        users,
        [found.item_ids[index] for index in order],
        occurrences[order],
        {"source": source, "raw": raw, "choices": choices, "counts": counts},
        replace=force,
    )


def filter_interactions(
    found: Interactions,
    *,
    min_users_per_item: int,
    min_items_per_user: int,
    filter_order: Sequence[str],
    iterate: bool,
    report: Callable[[str, Interactions, str], None],
) -> Interactions:
    """Drops items with few distinct users, and users with few interactions.

    Args:
        found: interactions, in any order; it is kept.
        min_users_per_item: fewest distinct users of an item that stays.
        min_items_per_user: fewest interactions of a user who stays.
        filter_order: "items" and "users", the first one first.
        iterate: repeat both until neither drops anything.
        report: called after each step with its name, what is left and the
            threshold.

    Returns:
        What is left. Unless iterated, the first threshold need not hold any
        more once the second has been applied.
    """
    changed = True
    while changed:
        before = len(found)
        for step in filter_order:
            if step == "items":
                choice = f"min_users_per_item={min_users_per_item}"
                if min_users_per_item > 1:
                    enough = _distinct_users(found) >= min_users_per_item
                    found = _take_where(found, enough[found.items])
            else:
                choice = f"min_items_per_user={min_items_per_user}"
                if min_items_per_user > 1:
                    enough = np.bincount(found.users) >= min_items_per_user
                    found = _take_where(found, enough[found.users])
            report(step, found, choice)
        changed = iterate and len(found) < before
    return found


def sort_interactions(found: Interactions) -> Interactions:
    """Sorts by user, then time; equal times keep their order."""
    users, times = found.users, found.times
    if times is None:
        return found.take(np.argsort(users, kind="stable"))
    if times.dtype.kind == "i":
        earliest = int(times.min())
        span = int(times.max()) - earliest + 1
        if len(found.user_ids) * span < 2**63:
            # One key of 64 bits sorts several times faster than two do.
            keys = times.astype(np.int64) - earliest
            keys += users.astype(np.int64) * span
            return found.take(np.argsort(keys, kind="stable"))
    return found.take(np.lexsort((times, users)))


def cut(
    users: np.ndarray, *, t: int, cut_from: str, min_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts each user's history into chunks of t items.

    Args:
        users: `(num_interactions,)` user of each, ascending, oldest first.
        t: length of a chunk.
        cut_from: "end" leaves the oldest chunk of a user the short one,
            "start" the latest.
        min_length: a chunk shorter than this is dropped.

    Returns:
        `(lengths, kept)`: the length of each kept chunk, in order, and a mask
        of the interactions in them.
    """
    bounds = np.flatnonzero(np.diff(users, prepend=-1, append=-1))
    histories = np.diff(bounds)  # length of each user's history
    num_chunks = -(-histories // t)
    last = np.cumsum(num_chunks) - 1
    lengths = np.full(int(num_chunks.sum()), t)
    short = last if cut_from == "start" else last - num_chunks + 1
    lengths[short] = histories - (num_chunks - 1) * t
    enough = lengths >= min_length
    return lengths[enough], np.repeat(enough, lengths)


def pad_left(ids: np.ndarray, lengths: np.ndarray, t: int) -> np.ndarray:
    """Lays consecutive chunks into rows of t, padded with 0 on the left.

    Args:
        ids: `(lengths.sum(),)` items of all chunks, one chunk after another.
        lengths: `(num_rows,)` items in each chunk, at most t.
        t: length of a row.

    Returns:
        `(num_rows, t)` int32, the last item of each chunk at column t - 1.
    """
    rows = np.zeros((len(lengths), t), np.int32)
    # A mask is filled in row order, which is the order of `ids`.
    rows[np.arange(t) >= t - lengths[:, None]] = ids
    return rows


def _check_choices(
    t: int,
    min_users_per_item: int,
    min_items_per_user: int,
    filter_order: Sequence[str],
    cut_from: str,
    min_length: int,
) -> None:
    if t < 2:
        raise DataError(f"Expected t >= 2. Received: {t=}")
    if not 1 <= min_length <= t:
        raise DataError(
            f"Expected 1 <= min_length <= t={t}. Received: {min_length=}"
        )
    if min_users_per_item < 0 or min_items_per_user < 0:
        raise DataError(
            "Expected thresholds >= 0. Received: "
            f"{min_users_per_item=}, {min_items_per_user=}"
        )
    if sorted(filter_order) != ["items", "users"]:
        raise DataError(
            "Expected filter_order ('items', 'users') or ('users', 'items'). "
            f"Received: filter_order={tuple(filter_order)}"
        )
    if cut_from not in ("end", "start"):
        raise DataError(
            f"Expected cut_from 'end' or 'start'. Received: {cut_from=}"
        )


def _distinct_users(found: Interactions) -> np.ndarray:
    """Number of distinct users of every item."""
    num_users = len(found.user_ids)
    pairs = found.items.astype(np.int64) * num_users + found.users
    pairs.sort()
    first = np.ones(len(pairs), bool)
    np.not_equal(pairs[1:], pairs[:-1], out=first[1:])
    return np.bincount(pairs[first] // num_users)


def _take_where(found: Interactions, mask: np.ndarray) -> Interactions:
    return found if mask.all() else found.take(mask)


def _count(step: str, found: Interactions) -> dict[str, str | int]:
    return {
        "step": step,
        "users": int(np.count_nonzero(np.bincount(found.users))),
        "items": int(np.count_nonzero(np.bincount(found.items))),
        "interactions": len(found),
    }
