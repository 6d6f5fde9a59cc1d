"""Goes on with a model on later sessions: the kind "new_items"."""

import dataclasses
from collections.abc import Mapping
from types import ModuleType

import numpy as np

from experiments import running
from experiments import target_flags
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.reporting import new_items_table
from experiments.reporting.store import Store
from nextitnet_tf import data
from nextitnet_tf.commands import flags
from nextitnet_tf.commands import strategies
from nextitnet_tf.data import temporal
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.recipe import Start
from nextitnet_tf.training import runs

# Of each of the sessions the latest part of what comes before their test: it
# validates.
_VALIDATION = 0.05


def run(target: ModuleType, choices: Choices) -> str:
    """Trains what is not done, and writes it down.

    Args:
        target: its module.
        choices: what is asked of it, but for protocol and seed.

    Returns:
        The table, as markdown.

    Raises:
        ValueError: a protocol that does not split by time.
    """
    protocol = flags.protocol()
    if (protocol.split, protocol.item_ids) != ("temporal", "frequency"):
        raise ValueError(
            "What comes later is told by the time: expected "
            "split='temporal', item_ids='frequency'. Received: "
            f"split={protocol.split!r}, item_ids={protocol.item_ids!r}"
        )
    target.rows(choices)  # what cannot be made is refused before reading
    strategies.of_one_process(f"target {target.NAME}")
    folder, output = flags.sessions_folder(), flags.output_folder()
    sessions = data.read_sessions(folder, protocol.item_ids)
    parts = _parts(target, sessions, protocol)
    stores = {
        name: Store(output / "runs", {protocol.item_ids: found})
        for name, (found, _) in parts.items()
    }
    protocols = {name: own for name, (_, own) in parts.items()}
    rows = [
        row
        for seed in target_flags.seeds()
        for row in _rows(
            target, dataclasses.replace(choices, seed=seed), protocols, stores
        )
    ]

    def write() -> str:
        return new_items_table.write(
            rows, stores, protocols, output, target.NAME, target.TITLE
        )

    if not target_flags.TABLE_ONLY.value:
        for name, store in stores.items():
            asked = [row for row in rows if row.setting == name]
            # The others begin from the model of the first.
            is_needed = name == target.BEFORE and not all(
                stores[row.setting].has(row.recipe)
                for row in rows
                if row.recipe.start
            )
            running.train(asked, store, write, is_needed)
    return write()


def _rows(
    target: ModuleType,
    choices: Choices,
    protocols: Mapping[str, Protocol],
    stores: Mapping[str, Store],
) -> list[Row]:
    """The lines of a seed, which begin from the model of that seed."""
    first = target.rows(choices, protocols)[0]
    store = stores[target.BEFORE]
    name = store.name(first.recipe)
    start = Start(name, str(store.folder / name / runs.MODEL))
    return target.rows(choices, protocols, start)


def _parts(
    target: ModuleType, sessions: data.Sessions, protocol: Protocol
) -> dict[str, tuple[data.Sessions, Protocol]]:
    """The sessions of before, of after, and all, and how each is split.

    Those of before are tested on those of after; the others on what follows,
    on the same rows.
    """
    if sessions.times is None:  # says what to do
        temporal.rows_by_time(None, "", "")
    assert sessions.times is not None
    first, second = (
        temporal.time_of(text, sessions.times)
        for text in (protocol.train_until, protocol.validate_until)
    )
    end = second + (second - first)
    found = {
        target.BEFORE: (data.as_of(sessions, first, until=second), first),
        target.AFTER: (data.as_of(sessions, second, first, end), second),
        target.ALL: (data.as_of(sessions, second, until=end), second),
    }
    # What was new validates all that may have seen it.
    later = found[target.AFTER][0].times
    until = {
        target.BEFORE: _share(found[target.BEFORE][0].times, first),
        target.AFTER: _share(later, second),
        target.ALL: _share(later, second),
    }
    return {
        name: (
            of_part,
            dataclasses.replace(
                protocol,
                train_until=str(until[name]),
                validate_until=str(float(last)),
            ),
        )
        for name, (of_part, last) in found.items()
    }


def _share(times: np.ndarray | None, end: float) -> float:
    """When all but the latest rows before a time were over."""
    assert times is not None
    return float(np.quantile(times[times < end], 1 - _VALIDATION))
