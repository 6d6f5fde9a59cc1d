"""The floor: what counting gives, and whether a trained model is above it."""

from collections.abc import Mapping
from collections.abc import Sequence

from experiments.papers.rows import Row
from experiments.reporting import wording
from experiments.reporting.statistics import verdict
from experiments.reporting.store import Store
from nextitnet_tf.comparing import compare_ranks
from nextitnet_tf.comparing import reciprocal_ranks
from nextitnet_tf.models import COUNTED
from nextitnet_tf.training import Run

# Of a comparison: the mean, and where its range begins and ends.
ENDS = ("difference", "low", "high")


def best(runs: Sequence[Run]) -> Run | None:
    """The counted run that validates best, if there is any."""
    # MostPop of earlier versions has kept none, and is no floor.
    known = [run for run in runs if "best_validation" in run.summary]
    return max(
        known, key=lambda run: run.summary["best_validation"], default=None
    )


def compare(
    runs: Sequence[Run], floor: Run, store: Store, exclude_seen: bool
) -> dict[str, float] | None:
    """How far the seeds of a model are above the floor, in MRR@5.

    Args:
        runs: one a seed.
        floor: counted; it has no seed.
        store: has the ranks of all of them.
        exclude_seen: whether items of the history are left out of the
            ranking.

    Returns:
        `difference`, `low`, `high` (`statistics.compare_ranks`), or None
        where ranks were not kept, or are of other sessions.
    """
    of_floor = store.ranks(floor, exclude_seen)
    kept = (store.ranks(run, exclude_seen) for run in runs)
    ranks = [one for one in kept if one is not None]
    if of_floor is None or len(ranks) < len(runs):
        return None
    if any(len(one) != len(of_floor) for one in ranks):
        return None
    names = tuple(run.folder.name for run in (*runs, floor))
    return store.once(
        (*names, "floor", exclude_seen),
        lambda: compare_ranks(
            ranks, [of_floor] * len(runs), store.users(floor)
        ),
    )


def side(found: Mapping[str, float]) -> str:
    """Which side of the floor a comparison's range is on."""
    if found["low"] > 0:
        return "above it"
    return "below it" if found["high"] < 0 else "not told apart from it"


def said(found: Mapping[str, float] | None, num_seeds: int) -> str:
    """A comparison in words: the difference, its range and the verdict."""
    if found is None:
        return ""
    difference, low, high = (found[name] for name in ENDS)
    told = verdict(difference, low, high, num_seeds)
    names = {"holds": "above", "does not hold": "below"}
    return f"{wording.shown(difference, low, high)}: {names.get(told, told)}"


def notes(done: Sequence[tuple[Row, Run]], store: Store) -> list[str]:
    """What the floor of a table is, and which lines are above it.

    Args:
        done: rows and their runs, counted ones among them.
        store: has the ranks.

    Returns:
        A sentence a protocol and ranking, as far as ranks were kept.
    """
    of_protocol: dict[str, list[tuple[Row, Run]]] = {}
    for row, run in done:
        name = row.recipe.protocol.name
        of_protocol.setdefault(name, []).append((row, run))
    return [
        note
        for name, found in of_protocol.items()
        for exclude_seen in (False, True)
        if (note := _note(name, found, store, exclude_seen))
    ]


def _note(
    protocol: str,
    done: Sequence[tuple[Row, Run]],
    store: Store,
    exclude_seen: bool,
) -> str:
    floor = best([run for row, run in done if row.recipe.model in COUNTED])
    lines: dict[tuple[str, str, str], list[Run]] = {}
    family = ""
    for row, run in done:
        if floor is not None and run.folder == floor.folder:
            family = row.family
        if row.recipe.model not in COUNTED:
            key = row.setting, row.label, row.copied
            lines.setdefault(key, []).append(run)
    if floor is None:
        return ""
    sides: dict[str, list[str]] = {"above it": []}
    for (_, label, copied), runs in lines.items():
        found = compare(runs, floor, store, exclude_seen)
        if found is not None:
            name = f"{label} ({copied})" if copied else label
            sides.setdefault(side(found), []).append(name)
    told = [
        f"{len(names)} {name}"
        + f" ({', '.join(names)})" * (name == "above it" and bool(names))
        for name, names in sides.items()
    ]
    if not any(sides.values()):
        return ""
    ranks = store.ranks(floor, exclude_seen)
    assert ranks is not None  # something was compared with them
    value = float(reciprocal_ranks(ranks).mean())
    ranking = "without seen items" if exclude_seen else "of all items"
    return (
        f"Floor, protocol {protocol}, ranking {ranking}: {family}, which is "
        f"counted, has {value:.4f}. Of the trained lines {'; '.join(told)} "
        "(by 95 % of a paired bootstrap over users and seeds, where ranks "
        "were kept)."
    )
