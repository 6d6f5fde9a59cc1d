"""The floor: what counting gives, and whether a trained model is above it."""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence

import numpy as np

from experiments.papers.rows import Row
from experiments.reporting import wording
from experiments.reporting.statistics import NEEDED_SEEDS
from experiments.reporting.statistics import verdict
from experiments.reporting.store import Store
from nextitnet_tf.comparing import compare_ranks
from nextitnet_tf.comparing import reciprocal_ranks
from nextitnet_tf.models import COUNTED
from nextitnet_tf.models import MODELS
from nextitnet_tf.protocol import Protocol
from nextitnet_tf.training import Run
from nextitnet_tf.training.floor import best

# Of a comparison: the mean, and where its range begins and ends.
ENDS = ("difference", "low", "high")


def compare(
    runs: Sequence[Run],
    floor: Run,
    store: Store,
    exclude_seen: bool,
    score: Callable[[np.ndarray], np.ndarray] = reciprocal_ranks,
) -> dict[str, float] | None:
    """How far the seeds of a model are above the floor.

    Args:
        runs: one a seed.
        floor: counted; it has no seed.
        store: has the ranks of all of them.
        exclude_seen: whether items of the history are left out of the
            ranking.
        score: what each session adds to the metric; default to MRR@5.

    Returns:
        `difference`, `low`, `high` (`comparing.compare_ranks`), or None
        where ranks were not kept, or are of other sessions.
    """
    of_floor = store.ranks(floor, exclude_seen)
    kept = (store.ranks(run, exclude_seen) for run in runs)
    ranks = [one for one in kept if one is not None]
    if of_floor is None or len(ranks) < len(runs):
        return None
    if any(len(one) != len(of_floor) for one in ranks):
        return None
    names = tuple(run.name for run in (*runs, floor))
    return store.once(
        (*names, "floor", exclude_seen, score.__name__),
        lambda: compare_ranks(
            ranks, [of_floor] * len(runs), store.users(floor), score
        ),
    )


def side(found: Mapping[str, float], num_seeds: int) -> str:
    """Which side of the floor a comparison's range is on.

    Of few seeds the range does not hold the variance between them, and the
    words say so.
    """
    few = (
        "" if num_seeds >= NEEDED_SEEDS else f" ({verdict(0, 0, 0, num_seeds)})"
    )
    if found["low"] > 0:
        return f"above it{few}"
    return f"{'below' if found['high'] < 0 else 'not told apart from'} it{few}"


def said(found: Mapping[str, float] | None, num_seeds: int) -> str:
    """A comparison in words: the difference, its range and the verdict."""
    if found is None:
        return ""
    difference, low, high = (found[name] for name in ENDS)
    told = verdict(difference, low, high, num_seeds)
    names = {"holds": "above", "does not hold": "below"}
    return f"{wording.shown(difference, low, high)}: {names.get(told, told)}"


def notes(done: Sequence[tuple[Row, Run]], store: Store) -> list[str]:
    """What the floors of a table are, and which lines are above theirs.

    Args:
        done: rows and their runs, counted ones among them: a line is compared
            with what is counted under its protocol, on as much data.
        store: has the ranks.

    Returns:
        A sentence a protocol and ranking, as far as ranks were kept.
    """
    of_protocol: dict[Protocol, list[tuple[Row, Run]]] = {}
    for row, run in done:
        of_protocol.setdefault(row.recipe.protocol, []).append((row, run))
    return [
        note
        for found in of_protocol.values()
        for exclude_seen in (False, True)
        if (note := _note(found, store, exclude_seen))
    ]


def _note(
    done: Sequence[tuple[Row, Run]], store: Store, exclude_seen: bool
) -> str:
    """Of one protocol."""
    counted: dict[float, list[Run]] = {}
    lines: dict[tuple[str, str, str, float], list[tuple[Row, Run]]] = {}
    for row, run in done:
        if row.recipe.model in COUNTED:
            counted.setdefault(row.data_ratio, []).append(run)
        else:
            key = row.setting, row.label, row.copied, row.data_ratio
            lines.setdefault(key, []).append((row, run))
    floors = {
        ratio: floor
        for ratio, runs in sorted(counted.items(), reverse=True)
        if (floor := best(runs, exclude_seen))
    }
    sides: dict[str, list[str]] = {}
    for (_, label, copied, ratio), of_line in lines.items():
        floor = floors.get(ratio)
        runs = [run for _, run in of_line]
        found = floor and compare(runs, floor, store, exclude_seen)
        if found:
            name = f"{label} ({copied})" if copied else label
            sides.setdefault(side(found, len(runs)), []).append(name)
    if not sides:
        return ""
    told = [
        f"{len(names)} {name}"
        + f" ({', '.join(names)})" * name.startswith("above")
        for name, names in sorted(sides.items())
    ]
    protocol = wording.protocol(done[0][1].summary)
    ranking = "without seen items" if exclude_seen else "of all items"
    shown = [
        _shown(run, store, exclude_seen)
        + f" on {ratio:.0%} of the data" * (ratio < 1)
        for ratio, run in floors.items()
    ]
    return (
        f"Floor, protocol {protocol}, ranking {ranking}: the best of counting "
        f"is {', '.join(shown)}. Each line is compared with that of as much "
        f"data: {'; '.join(told)} (by 95 % over users and seeds, paired, "
        "where ranks were kept)."
    )


def _shown(run: Run, store: Store, exclude_seen: bool) -> str:
    """A counted model and its MRR@5."""
    ranks = store.ranks(run, exclude_seen)
    assert ranks is not None  # it has kept how it validates, and those
    name = MODELS[run.recipe.model].__name__
    return f"{name} {reciprocal_ranks(ranks).mean():.4f}"
