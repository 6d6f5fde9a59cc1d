"""Trained models beside counting: who is above the floor, at which depth."""

import functools
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.papers import counted
from experiments.papers.rows import Row
from experiments.reporting import columns
from experiments.reporting import document
from experiments.reporting import floor as of_floor
from experiments.reporting import notes
from experiments.reporting import pictures
from experiments.reporting import records as of_records
from experiments.reporting import wording
from experiments.reporting.columns import Column
from experiments.reporting.statistics import spread
from experiments.reporting.store import Store
from nextitnet_tf import metrics
from nextitnet_tf.comparing import compare_ranks
from nextitnet_tf.comparing import discounted_gains
from nextitnet_tf.models import COUNTED
from nextitnet_tf.models.ease import MAX_ITEMS
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.training import Run
from nextitnet_tf.training.floor import best
from nextitnet_tf.training.floor import validation

_KEPT = ("mrr_at_5", "mrr_at_10", "hit_rate_at_10", "ndcg_at_10")


def over_seeds(ranking: str, metric: str) -> Callable[[Any], str]:
    """The cell of a metric, by "unseen" or "all" items."""
    return lambda record: columns.mean_and_sd(record[ranking][metric])


ABOVE = (
    "Counted models are shown with the setting that validates best among those "
    "tried; the floor is the counted model that validates best. Above the "
    "floor: the difference of MRR@5 with its 95 % range over users and seeds "
    "(paired, Student's t), and a verdict where there are three seeds."
)
COLUMNS = (
    Column("Model", lambda r: r["model"]),
    Column("Seeds", lambda r: str(len(r["seeds"]))),
    Column("Unseen MRR@5", over_seeds("unseen", "mrr_at_5")),
    Column("Above the floor", lambda r: r["above_unseen"]),
    Column("Unseen HR@10", over_seeds("unseen", "hit_rate_at_10")),
    Column("Unseen NDCG@10", over_seeds("unseen", "ndcg_at_10")),
    # A table of an earlier version has none.
    Column("Above the floor, NDCG@10", lambda r: r.get("above_in_ndcg", "")),
    Column("MRR@5", over_seeds("all", "mrr_at_5")),
    Column("Above the floor", lambda r: r["above"]),
    Column("Steps", lambda r: ", ".join(str(n) for n in r["steps"] if n)),
    Column("Parameters", lambda r: f"{r['num_parameters']:,}"),
)


def write(
    rows: Sequence[Row], store: Store, output: Path, name: str, title: str
) -> str:
    """Writes NAME.md, NAME.json and, of several depths, NAME.png.

    Args:
        rows: of the table; those not run yet are left out. Of a counted
            model with several settings, the one that validates best is
            shown, and of the counted models the best of all is the floor.
        store: of the runs.
        output: folder that gets the files.
        name: of the files.
        title: the heading.

    Returns:
        The table, as markdown.
    """
    done = find_done(rows, store)
    if not done:
        return "Nothing is done yet.\n"
    records = make_records(done, store)
    said = _notes(done, records, store)
    text = document.write(
        output / name, title, COLUMNS, records, said, data=store.meta
    )
    depths = {r["num_blocks"] for r in records if r["num_blocks"]}
    if len(depths) > 2:
        pictures.draw_depths(records, output / f"{name}.png", title)
    return text


def left_out(done: Sequence[tuple[Row, Run]], store: Store) -> list[str]:
    """What is not counted since the items are too many for it."""
    models = {row.recipe.model for row, _ in done}
    num_items = next(iter(store.sessions.values())).meta["num_items"]
    is_counted = models & set(COUNTED) and "ease" not in models
    if not (is_counted and counted.is_too_large("ease", num_items)):
        return []
    return [f"EASE is left out: it takes no more than {MAX_ITEMS:,} items."]


def find_done(rows: Sequence[Row], store: Store) -> list[tuple[Row, Run]]:
    """The rows that have been run, each with its run.

    One of an earlier version may not have kept both kinds of ranks: it is
    left out.
    """
    return [
        (row, run)
        for row in rows
        if (run := store.find_row(row)) and _has_ranks(run, store)
    ]


def make_records(
    done: Sequence[tuple[Row, Run]], store: Store
) -> list[dict[str, Any]]:
    """A record a model, over its seeds; counted models first.

    Args:
        done: rows with their runs (`find_done`).
        store: has the ranks.
    """
    of_counting = [(r, run) for r, run in done if r.recipe.model in COUNTED]
    floor = best([run for _, run in of_counting], exclude_seen=True)
    of_label: dict[str, list[tuple[Row, Run]]] = {}
    for row, run in _best_of_each_family(of_counting):
        of_label[row.label] = [(row, run)]
    for row, run in done:
        if row.recipe.model not in COUNTED:
            of_label.setdefault(row.label, []).append((row, run))
    return [
        _record(label, found, floor, store) for label, found in of_label.items()
    ]


def _has_ranks(run: Run, store: Store) -> bool:
    return all(store.ranks(run, seen) is not None for seen in (True, False))


def _best_of_each_family(
    done: Sequence[tuple[Row, Run]],
) -> list[tuple[Row, Run]]:
    """Of the settings of each counted model, the one that validates best."""
    of_family: dict[str, list[tuple[Row, Run]]] = {}
    for row, run in done:
        of_family.setdefault(row.family, []).append((row, run))
    return [
        max(found, key=lambda pair: validation(pair[1], True))
        for found in of_family.values()
    ]


def _record(
    label: str,
    done: Sequence[tuple[Row, Run]],
    floor: Run | None,
    store: Store,
) -> dict[str, Any]:
    """A model over its seeds."""
    first, run = done[0]
    runs = [run for _, run in done]
    found = {
        name: [
            metrics.from_ranks(store.ranks(run, exclude_seen)) for run in runs
        ]
        for name, exclude_seen in (("unseen", True), ("all", False))
    }
    is_floor = first.recipe.model in COUNTED
    told = {
        name: {}
        if is_floor or floor is None
        else of_floor.compare(runs, floor, store, exclude_seen) or {}
        for name, exclude_seen in (("unseen", True), ("all", False))
    }
    in_ndcg = None
    if told["unseen"] and floor is not None:
        in_ndcg = of_floor.compare(runs, floor, store, True, discounted_gains)
    return {
        "model": label,
        "recommender": first.recipe.model,
        "family": first.family,
        "num_blocks": first.num_blocks if first.has_blocks else None,
        "is_counted": is_floor,
        "is_floor": floor is not None and run.folder == floor.folder,
        "seeds": [row.seed for row, _ in done],
        **{
            name: {
                metric: spread([of_seed[metric] for of_seed in of_name])
                for metric in _KEPT
            }
            for name, of_name in found.items()
        },
        "above_unseen": of_floor.said(told["unseen"] or None, len(runs)),
        "above": of_floor.said(told["all"] or None, len(runs)),
        "above_in_ndcg": of_floor.said(in_ndcg, len(runs)),
        "over_floor": told,
        "steps": [run.summary["best_step"] for run in runs],
        "num_parameters": run.summary["num_parameters"],
        "num_sessions": run.summary["num_sessions"],
    }


def _notes(
    done: Sequence[tuple[Row, Run]],
    records: Sequence[Mapping[str, Any]],
    store: Store,
) -> list[str]:
    """What a reader must know, beginning with what the table shows."""
    first, _ = done[0]
    names = dict.fromkeys(wording.protocol(run.summary) for _, run in done)
    return [
        *in_short(records),
        *_by_depth(done, store),
        notes.of_data("Data", store) + ".",
        f"Protocol {' and '.join(names)}; "
        f"{records[0]['num_sessions']:,} test sessions. Training stops by the "
        f"validation's {_MONITORS[first.recipe.protocol.stop_on_unseen]}; what "
        f"is counted is chosen by its {_MONITORS[True]}.",
        *notes.leaks(row.recipe.protocol for row, _ in done),
        "Unseen: the items of the history are left out of the ranking, as "
        "`recommend` answers; it is what decides here. Beside it all items "
        "are ranked.",
        f"{ABOVE} MRR@5 is what decides; the difference of NDCG@10 is found in "
        "the same way.",
        *left_out(done, store),
        *_best_possible(first.recipe.protocol, store),
        "± is the standard deviation between seeds. Steps: to the best "
        "evaluation of each seed.",
    ]


def _best_possible(protocol: Protocol, store: Store) -> list[str]:
    """What nobody can beat, where the law of the data is known."""
    best = of_records.ceiling(protocol, store)
    if not best:
        return []
    return [
        "Who knows the law of these data has MRR@5 "
        f"{best['mrr_at_5']:.4f} of all items: nobody has more, but by chance."
    ]


def _by_depth(done: Sequence[tuple[Row, Run]], store: Store) -> Iterator[str]:
    """What each depth of a family is beyond its shallowest, seed by seed."""
    unseen = functools.partial(store.ranks, exclude_seen=True)
    of_family: dict[str, dict[int, dict[int, Run]]] = {}
    for row, run in done:
        if row.recipe.model not in COUNTED and row.has_blocks:
            of_depth = of_family.setdefault(row.family, {})
            of_depth.setdefault(row.num_blocks, {})[row.seed] = run
    for family, of_depth in of_family.items():
        (least, shallow), *deeper = sorted(of_depth.items())
        told = []
        for depth, runs in deeper:
            # Of seeds of which both sides have kept these ranks.
            pairs = {
                seed: (mine, other)
                for seed in sorted(runs.keys() & shallow.keys())
                if (mine := unseen(runs[seed])) is not None
                and (other := unseen(shallow[seed])) is not None
            }
            if not pairs:
                continue
            ours, theirs = zip(*pairs.values(), strict=True)
            seeds = [*pairs]
            found = compare_ranks(ours, theirs, store.users(runs[seeds[0]]))
            words = of_floor.said(found, len(seeds))
            told.append(f"{depth} blocks {words}")
        if told:
            yield (
                f"{BEYOND}{least} block{'s' * (least > 1)}, {family} (MRR@5 "
                f"without seen items, as above): {'; '.join(told)}."
            )


# What a note on depth begins with.
BEYOND = "Beyond "
_MONITORS = {True: "MRR@5 without seen items", False: "MRR@5 of all items"}


def in_short(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Which models are above the floor, in a sentence."""
    floor = next((r for r in records if r["is_floor"]), None)
    trained = [r for r in records if not r["is_counted"]]
    if floor is None:
        return ["Nothing is counted yet: there is no floor."]
    if not trained:
        return []
    sides: dict[str, list[str]] = {}
    for record in trained:
        found = record["over_floor"]["unseen"]
        if found:
            side = of_floor.side(found, len(record["seeds"]))
            sides.setdefault(side, []).append(record["model"])
    told = [f"{', '.join(names)} {side}" for side, names in sides.items()]
    return [
        f"In short: the floor is {floor['model']} with MRR@5 "
        f"{floor['unseen']['mrr_at_5']['mean']:.4f}; {'; '.join(told)} (by "
        "the 95 % range of the ranking without seen items)."
    ]
