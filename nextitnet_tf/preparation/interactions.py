"""Interactions -> sessions: what each step left over."""

import os
import pathlib
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import TypeAlias

import numpy as np
import pandas as pd

from nextitnet_tf.preparation import sessions
from nextitnet_tf.preparation import times as times_of
from nextitnet_tf.preparation.choices import Choices
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
from nextitnet_tf.preparation.session_arrays import SessionArrays
from nextitnet_tf.preparation.session_arrays import by_frequency
from nextitnet_tf.preparation.tables import as_columns

# Share of the interactions below which what filters leave is worth a word.
_FEW = 0.5
# A csv file (gzip too), or columns in memory: a mapping, a pandas DataFrame,
# or a table that has `to_pandas` (polars, Arrow).
Table: TypeAlias = (
    str | os.PathLike[str] | RawFile | Mapping[str, Any] | pd.DataFrame
)


def prepare_interactions(
    table: Table,
    folder: str | os.PathLike[str],
    *,
    source: str | None = None,
    force: bool = False,
    read_from: RawFile | None = None,
    **choices: Any,
) -> pathlib.Path:
    """Prepares interactions of users with items as sessions on disk.

    Items with few users go, users with few items go, every user's history is
    sorted by time and cut into chunks of t, and each chunk becomes a row. An
    interaction that is not filtered is in exactly one row, unless it belongs
    to a remainder shorter than `min_length`.

    Args:
        table: users and items are integers if all of them are written as
            integers, and strings otherwise.
        folder: where the sessions go. If it holds them already, prepared in
            this very way, it is left as it is.
        source: what `meta.json` calls the data; by default the file's name.
        force: prepare again, whatever prepared sessions `folder` holds.
        read_from: of columns in memory, the file that they were read from.
        **choices: attributes of `Choices`.

    Returns:
        The path of the folder.

    Raises:
        DataError: an argument or the data is not as expected (file and line
            are named), nothing is left after a filter, or `folder` holds
            something else.
    """
    plan = _Plan(table, Choices(**choices), source, read_from)
    raw = plan.about["raw"]
    # What is in memory has no hash to be recognised by.
    if raw and sessions.is_prepared(
        folder, plan.about["choices"], [raw[0]["sha256"]], force=force
    ):
        return pathlib.Path(folder)
    made = plan.make()
    return sessions.write_sessions(
        folder,
        made.rows,
        made.users,
        made.raw_ids,
        made.counts,
        made.meta,
        times=made.times,
        replace=force,
    )


def make_sessions(
    table: Table, *, source: str | None = None, **choices: Any
) -> SessionArrays:
    """The same sessions, in memory.

    Args:
        table: as for `prepare_interactions`.
        source: what `meta` calls the data.
        **choices: attributes of `Choices`.

    Returns:
        What would be written.

    Raises:
        DataError: as `prepare_interactions`.
    """
    return _Plan(table, Choices.of(choices), source).make()


class _Plan:
    """A table whose columns were found, and what will be done with it.

    Attributes:
        about: source, raw files and choices: what says how it is done.
    """

    def __init__(
        self,
        table: Table,
        choices: Choices,
        source: str | None,
        read_from: RawFile | None = None,
    ):
        self._choices = choices
        self._table, names = _named(table, choices)
        file = self._table if isinstance(self._table, RawFile) else read_from
        self._label = "the table" if file is None else file.label
        self._columns = find_columns(
            names,
            self._label,
            user_column=choices.user_column,
            item_column=choices.item_column,
            timestamp_column=choices.timestamp_column,
            order_column=choices.order_column,
            time=choices.time,
            in_python=file is None,
        )
        if source is None:
            source = "memory" if file is None else file.path.name
        self.about: dict[str, Any] = {
            "source": source,
            "raw": [] if file is None else [file.facts()],
            "choices": choices.written(self._columns),
        }

    def make(self) -> SessionArrays:
        """Reads, filters, sorts, cuts and numbers the interactions."""
        # Nobody else holds what is read, so that memory is free once used.
        return _made(
            _read(self._table, self._label, self._columns),
            self._label,
            self._choices,
            self.about,
            has_times=self._columns.is_timestamp,
        )


def _named(
    table: Table, choices: Choices
) -> tuple[RawFile | Mapping[str, Any] | pd.DataFrame, Sequence[str]]:
    """The table, and the names of its columns."""
    if isinstance(table, (str, os.PathLike)):
        table = RawFile(pathlib.Path(table), separator=choices.separator)
    elif choices.separator != ",":
        raise DataError(
            "Expected the separator of a csv file alone; other formats have "
            f"one of their own. Received: separator={choices.separator!r}"
        )
    if isinstance(table, RawFile):
        if choices.columns is not None:
            table = with_columns(table, choices.columns)
        return table, column_names(table)
    if choices.columns is not None:
        raise DataError(
            "Expected columns of a file without a header alone. Received: "
            f"columns={choices.columns} for a table in memory"
        )
    table = as_columns(table)
    return table, tuple(table)


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
        try:
            if columns.time is not None:
                times = times_of.of_column(pd.Series(table[columns.time]))
            found = code_interactions(
                table[columns.user], table[columns.item], times
            )
        except DataError as error:
            raise DataError(f"{label}: {error}") from None
        if not len(found):
            raise DataError(f"Expected interactions. Received: {label}, empty")
    likeness = like_times(found.item_ids, len(found))
    if likeness is not None:
        print(
            f"warning: the items of {label} look like times ({likeness}); "
            "name their column with --item_column if they are in another "
            f"than {columns.item!r}",
            file=sys.stderr,
        )
    return found


def _made(
    found: Interactions,
    label: str,
    choices: Choices,
    about: dict[str, Any],
    has_times: bool,
) -> SessionArrays:
    """Filters, sorts, cuts and numbers interactions.

    Args:
        found: the interactions.
        label: what messages call them.
        choices: how.
        about: source, raw files and choices, for `meta`.
        has_times: whether times of different users can be compared.
    """
    counts = [_count("read", found)]

    def report(step: str, left: Interactions, choice: str) -> None:
        counts.append(_count(step, left))
        if not len(left):
            raise DataError(
                f"Expected interactions of {label} to be left after step "
                f"{step!r} ({choice}). Received: none of "
                f"{counts[0]['interactions']}; {_keep_all(bool(about['raw']))}"
            )

    found = filter_interactions(
        found,
        min_users_per_item=choices.min_users_per_item,
        min_items_per_user=choices.min_items_per_user,
        filter_order=choices.filter_order,
        iterate=choices.iterate,
        report=report,
    )
    found = sort_interactions(found)
    min_length = choices.min_length
    lengths, kept = cut(
        found.users,
        t=choices.t,
        cut_from=choices.cut_from,
        min_length=min_length,
    )
    found = found.take(kept)
    report("cut", found, f"{min_length=}")
    occurrences = np.bincount(found.items, minlength=len(found.item_ids))
    order, ids = by_frequency(occurrences)
    ends = np.cumsum(lengths) - 1
    _, users = np.unique(found.users[ends], return_inverse=True)
    times = found.times if has_times else None
    return SessionArrays(
        rows=pad_left(ids[found.items], lengths, choices.t),
        users=users,
        raw_ids=[found.item_ids[index] for index in order],
        counts=occurrences[order],
        meta={**about, "counts": counts},
        times=None if times is None else _seconds(times[ends]),
    )


def few_left(meta: Mapping[str, Any], as_flags: bool) -> str | None:
    """What to say where less than half of the interactions is left.

    Args:
        meta: of prepared sessions.
        as_flags: whether choices are flags of a command.

    Returns:
        How many are left of how many, why, and how to keep them; None where
        enough are, or where that is not known.
    """
    known = [
        c["interactions"] for c in meta.get("counts", []) if "interactions" in c
    ]
    if len(known) < 2 or known[-1] >= _FEW * known[0]:
        return None
    choices = meta.get("choices", {})
    return (
        f"of {known[0]:,} interactions {known[-1]:,} are left: items with "
        f"fewer than {choices.get('min_users_per_item', 0)} users go, users "
        f"with fewer than {choices.get('min_items_per_user', 0)} items, and "
        "what is left of a history with fewer than "
        f"{choices.get('min_length')} items. {_keep_all(as_flags)}"
    )


def _keep_all(as_flags: bool) -> str:
    names = {"min_users_per_item": 1, "min_items_per_user": 1, "min_length": 2}
    if as_flags:
        said = " ".join(f"--{name}={value}" for name, value in names.items())
        return f"{said} --force keep all but single ones"
    said = ", ".join(f"{name}={value}" for name, value in names.items())
    return f"{said} keep all but single ones"


def _seconds(times: np.ndarray) -> np.ndarray:
    """Times as numbers: those of the file, dates as seconds since 1970."""
    if times.dtype.kind != "M":
        return times.astype("float64")
    return times.astype("datetime64[us]").astype("int64") / 1e6


def _count(step: str, found: Interactions) -> dict[str, str | int]:
    return {
        "step": step,
        "users": int(np.count_nonzero(np.bincount(found.users))),
        "items": int(np.count_nonzero(np.bincount(found.items))),
        "interactions": len(found),
    }
