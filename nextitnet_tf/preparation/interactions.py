"""Interactions -> sessions on disk: every choice, and what it left over."""

import os
import pathlib
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nextitnet_tf.preparation import sessions
from nextitnet_tf.preparation.columns import Columns
from nextitnet_tf.preparation.columns import column_names
from nextitnet_tf.preparation.columns import find_columns
from nextitnet_tf.preparation.columns import like_times
from nextitnet_tf.preparation.columns import with_columns
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.histories import cut
from nextitnet_tf.preparation.histories import filter_interactions
from nextitnet_tf.preparation.histories import pad_left
from nextitnet_tf.preparation.histories import sort_interactions
from nextitnet_tf.preparation.interactions_csv import Interactions
from nextitnet_tf.preparation.interactions_csv import code_interactions
from nextitnet_tf.preparation.interactions_csv import read_interactions
from nextitnet_tf.preparation.raw_files import RawFile
from nextitnet_tf.preparation.session_arrays import by_frequency


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
    columns: Sequence[str] | None = None,
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
        columns: names of all columns of a file without a header, in order; by
            default the file's first line.
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
    table, label, names = _named(table, columns)
    found_columns = find_columns(
        names,
        label,
        user_column=user_column,
        item_column=item_column,
        timestamp_column=timestamp_column,
        order_column=order_column,
        time=time,
    )
    choices: dict[str, Any] = {
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
        "user_column": found_columns.user,
        "item_column": found_columns.item,
        "time_column": found_columns.time,
    }
    if columns is not None:
        choices["columns"] = list(columns)
    raw = []
    # What is in memory has no hash to be recognised by.
    if isinstance(table, RawFile):
        raw = [table.facts()]
        sha256 = [str(file["sha256"]) for file in raw]
        if sessions.is_prepared(folder, choices, sha256, force=force):
            return pathlib.Path(folder)
        source = source or table.path.name
    about = {"source": source or "memory", "raw": raw, "choices": choices}
    # Nobody else holds what is read, so that memory is free once it is used.
    return _write(
        folder,
        _read(table, label, found_columns),
        label,
        about,
        force,
        has_times=found_columns.is_timestamp,
    )


def _named(
    table: str | os.PathLike[str] | RawFile | Mapping[str, Any] | pd.DataFrame,
    columns: Sequence[str] | None,
) -> tuple[RawFile | Mapping[str, Any] | pd.DataFrame, str, Sequence[str]]:
    """The table, what messages call it, and the names of its columns."""
    if isinstance(table, (str, os.PathLike)):
        table = RawFile(pathlib.Path(table))
    if isinstance(table, RawFile):
        if columns is not None:
            table = with_columns(table, columns)
        return table, table.label, column_names(table)
    if columns is not None:
        raise DataError(
            "Expected columns of a file without a header alone. Received: "
            f"{columns=} for a table in memory"
        )
    return table, "the table", tuple(table)


def _read(
    table: RawFile | Mapping[str, Any] | pd.DataFrame,
    label: str,
    columns: Columns,
) -> Interactions:
    """Reads a table; warns where its items look like times."""
    if isinstance(table, RawFile):
        found = read_interactions(table, columns)
    else:
        times = None
        if columns.time is not None:
            times = np.asarray(table[columns.time])
        found = code_interactions(
            table[columns.user], table[columns.item], times
        )
    likeness = like_times(found.item_ids, len(found))
    if likeness is not None:
        print(
            f"warning: the items of {label} look like times ({likeness}); "
            "name their column with --item_column if they are in another "
            f"than {columns.item!r}",
            file=sys.stderr,
        )
    return found


def _write(
    folder: str | os.PathLike[str],
    found: Interactions,
    label: str,
    about: dict[str, Any],
    force: bool,
    has_times: bool,
) -> pathlib.Path:
    """Filters, sorts, cuts, numbers and writes interactions.

    Args:
        folder: where the sessions go.
        found: the interactions.
        label: what messages call them.
        about: source, raw files and choices, which say how.
        force: whether a prepared folder gives way.
        has_times: whether times of different users can be compared.
    """
    choices = about["choices"]
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
        min_users_per_item=choices["min_users_per_item"],
        min_items_per_user=choices["min_items_per_user"],
        filter_order=choices["filter_order"],
        iterate=choices["iterate"],
        report=report,
    )
    found = sort_interactions(found)
    t, min_length = choices["t"], choices["min_length"]
    lengths, kept = cut(
        found.users, t=t, cut_from=choices["cut_from"], min_length=min_length
    )
    found = found.take(kept)
    report("cut", found, f"{min_length=}")
    occurrences = np.bincount(found.items, minlength=len(found.item_ids))
    order, ids = by_frequency(occurrences)
    ends = np.cumsum(lengths) - 1
    _, users = np.unique(found.users[ends], return_inverse=True)
    return sessions.write_sessions(
        folder,
        pad_left(ids[found.items], lengths, t),
        users,
        [found.item_ids[index] for index in order],
        occurrences[order],
        {**about, "counts": counts},
        times=_seconds(found.times[ends])
        if has_times and found.times is not None
        else None,
        replace=force,
    )


def _seconds(times: np.ndarray) -> np.ndarray:
    """Times as numbers: those of the file, dates as seconds since 1970."""
    if times.dtype.kind != "M":
        return times.astype("float64")
    return times.astype("datetime64[us]").astype("int64") / 1e6


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


def _count(step: str, found: Interactions) -> dict[str, str | int]:
    return {
        "step": step,
        "users": int(np.count_nonzero(np.bincount(found.users))),
        "items": int(np.count_nonzero(np.bincount(found.items))),
        "interactions": len(found),
    }
