"""Runs on disk, read once, found by what determines their numbers."""

from collections.abc import Callable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.papers.rows import Row
from experiments.reporting import served_as
from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.training import runs
from nextitnet_tf.training.runs import Run


class Store:
    """The runs of one folder, and what was computed of them.

    A run, its ranks, the split of its sessions and a comparison of two runs
    are read or computed once, however often a table is written.

    Args:
        folder: of the runs.
        sessions: they were trained on, by numbering (`Protocol.item_ids`).
    """

    def __init__(self, folder: Path, sessions: Mapping[str, data.Sessions]):
        self.folder = folder
        self.sessions = sessions
        self._runs: dict[str, Run] = {}
        self._known: dict[Any, Any] = {}

    @property
    def meta(self) -> dict[str, Any]:
        """What preparing the sessions wrote down."""
        return next(iter(self.sessions.values())).meta

    def sessions_of(self, recipe: Recipe) -> data.Sessions:
        """The sessions as a recipe numbers them."""
        return self.sessions[recipe.protocol.item_ids]

    def name(self, recipe: Recipe) -> str:
        """What the run of a recipe is called."""
        sessions = self.sessions_of(recipe)
        return runs.name_of(recipe, sessions.fingerprint_for(recipe.protocol))

    def find(self, recipe: Recipe) -> Run | None:
        """The run of a recipe's last stage, if it is done."""
        return self.read(self.name(recipe))

    def find_row(self, row: Row) -> Run | None:
        """The run of a row, if it is done; as the row serves it, if it does."""
        run = self.find(row.recipe)
        if run is None or not row.served_as:
            return run
        return served_as.find(run, row.served_as)

    def has(self, recipe: Recipe, model: bool = False) -> bool:
        """Whether the run of a recipe is done, and still has its model."""
        run = self.find(recipe)
        return run is not None and (
            not model or (run.folder / runs.MODEL).is_file()
        )

    def forget(self, recipe: Recipe) -> None:
        """Has the runs of all stages, if trained again, read again."""
        for index in range(len(recipe.stages)):
            self._runs.pop(self.name(recipe.up_to(index)), None)

    def read(self, name: str) -> Run | None:
        """A run by its name, if it is done."""
        if name not in self._runs:
            folder = self.folder / name
            if not (folder / runs.SUMMARY).is_file():
                return None
            self._runs[name] = Run.read(folder)
        return self._runs[name]

    def recipes(self) -> list[Recipe]:
        """What was trained on these sessions, by runs that are done.

        Runs of another version, whose recipes this one does not know, are
        passed over.
        """
        return [run.recipe for run in self.all_runs() if run.transfer is None]

    def all_runs(self) -> list[Run]:
        """The runs on these sessions that this version knows."""
        fingerprints = {s.fingerprint for s in self.sessions.values()}
        found = []
        for path in sorted(self.folder.glob(f"*/{runs.SUMMARY}")):
            run = self.read(path.parent.name)
            if run is None or (
                # What follows a hyphen is of the times.
                run.summary["data"]["fingerprint"].split("-")[0]
                not in fingerprints
            ):
                continue
            if _is_known(run):
                found.append(run)
        return found

    def ranks(self, run: Run, exclude_seen: bool = False) -> np.ndarray | None:
        """Ranks of a run's test, if they were kept (`Run.read_ranks`)."""
        key = (run.name, "ranks", exclude_seen)
        return self.once(key, lambda: run.read_ranks(exclude_seen))

    def split(self, protocol: Protocol) -> data.Split:
        """Which sessions are for training, validation and test."""
        key = (repr(training.identity(protocol)), "split")
        sessions = self.sessions[protocol.item_ids]
        return self.once(key, lambda: data.split(sessions, protocol))

    def users(self, run: Run) -> np.ndarray:
        """(num_sessions,) whose the sessions of a run's test are."""
        protocol = run.recipe.protocol
        parts = self.split(protocol)
        test = parts.test[: run.summary["num_sessions"]]
        return parts.rows.users[test]

    def histories(self, run: Run) -> np.ndarray:
        """(num_sessions, T) what the model of a run is tested with."""
        parts = self.split(run.recipe.protocol)
        return parts.rows.rows[parts.test, :-1]

    def once(self, key: Any, compute: Callable[[], Any]) -> Any:
        """What is computed under a key, the first time alone."""
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]


def _is_known(run: Run) -> bool:
    """Whether this version can rebuild what was trained."""
    try:
        training.identity(run.recipe)
        if run.transfer is not None:
            training.identity(run.transfer.fine_tuning)
    except (KeyError, TypeError, ValueError):
        return False
    return True
