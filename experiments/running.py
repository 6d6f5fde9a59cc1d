"""Trains the rows of a table or figure that are not done."""

import sys
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.papers import counted
from experiments.papers.rows import Row
from experiments.reporting import served_as
from experiments.reporting.store import Store
from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.commands import strategies
from nextitnet_tf.protocol import NUMBERINGS


def open_store(
    folder: Path, output: Path, numberings: Sequence[str] = NUMBERINGS
) -> Store:
    """The runs on a folder of sessions, below a folder of results."""
    sessions = {ids: data.read_sessions(folder, ids) for ids in numberings}
    return Store(output / "runs", sessions)


def train(
    rows: Sequence[Row],
    store: Store,
    write: Callable[[], Any],
    needs_model: bool = False,
) -> None:
    """Trains the rows that are not done; all workers but the chief end then.

    Args:
        rows: in order.
        store: finds and gets their runs.
        write: called after each row, so that what is done can be seen.
        needs_model: whether a run that has thrown its model away is trained
            again.
    """
    strategy = strategies.chosen()
    is_chief = strategies.is_chief()
    for i, row in enumerate(rows):
        recipe = row.recipe
        announce(i, len(rows), row)
        num_items = store.sessions_of(recipe).num_items
        if counted.is_too_large(recipe.model, num_items):
            print(
                f"left out: {num_items:,} are too many items", file=sys.stderr
            )
            continue
        is_new = store.find_row(row) is None
        needed = needs_model or (is_new and bool(row.served_as))
        is_there = store.has(recipe, needed)
        strategies.meet(f"{row.label}, {is_there=}, {is_new=}", store.folder)
        if not is_there:
            training.run(
                recipe,
                store.sessions_of(recipe),
                store.folder,
                strategy=strategy,
                needs_model=needed,
            )
            store.forget(recipe)
            is_new = True
        run = store.find(recipe)
        if not (is_new and is_chief):
            continue
        if row.served_as and run:
            served_as.rank(run, row.served_as, store)
        write()
    strategies.leave_the_rest_to_the_chief()


def announce(place: int, count: int, row: Row) -> None:
    """Says on stderr which row comes next."""
    print(
        f"[{place + 1}/{count}] {row.setting}: {row.label} {row.copied} "
        f"(protocol {row.recipe.protocol.name}, seed {row.seed})",
        file=sys.stderr,
        flush=True,
    )
