"""Models beside the values that others have published."""

import statistics
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.papers.rows import Row
from experiments.reporting import columns
from experiments.reporting import document
from experiments.reporting import notes as of_notes
from experiments.reporting.columns import Column
from experiments.reporting.store import Store
from nextitnet_tf import metrics
from nextitnet_tf.protocol import Protocol

_METRICS = {"HR@10": "hit_rate_at_10", "NDCG@10": "ndcg_at_10"}
COLUMNS = (
    Column("Model", lambda r: r["model"]),
    Column("Seeds", lambda r: str(len(r["seeds"])) if "seeds" in r else ""),
    Column("HR@10", lambda r: _cell(r, "hit_rate_at_10")),
    Column("NDCG@10", lambda r: _cell(r, "ndcg_at_10")),
    Column("MRR@10", lambda r: _cell(r, "mrr_at_10")),
    Column("Steps", lambda r: ", ".join(map(str, r.get("steps", ())))),
    Column("Parameters", lambda r: f"{r['size']:,}" if "size" in r else ""),
)


def write(
    rows: Sequence[Row],
    store: Store,
    output: Path,
    name: str,
    title: str,
    published: Mapping[str, Sequence[float | None]],
) -> str:
    """Writes NAME.md and NAME.json of what is done.

    Args:
        rows: of the table; those not run yet are left out.
        store: of the runs.
        output: folder that gets the files.
        name: of the files.
        title: the heading.
        published: HR@10 and NDCG@10 by who reports what.

    Returns:
        The table, as markdown.
    """
    records = [
        {
            "model": f"{who} (published)",
            **dict(zip(_METRICS.values(), map(_one, values), strict=True)),
        }
        for who, values in published.items()
    ]
    of_model: dict[str, list[Row]] = {}
    for row in rows:
        if store.find(row.recipe) is not None:
            of_model.setdefault(row.label, []).append(row)
    records += [
        _record(label, of_label, store) for label, of_label in of_model.items()
    ]
    if not of_model:
        return "Nothing is done yet.\n"
    protocol = next(iter(of_model.values()))[0].recipe.protocol
    notes = _notes(store, protocol)
    return document.write(output / name, title, COLUMNS, records, notes)


def _one(value: float | None) -> dict[str, Any]:
    return {"mean": value, "sd": None}


def _record(label: str, rows: Sequence[Row], store: Store) -> dict[str, Any]:
    """A model over its seeds, ranked without what a user has seen."""
    runs = [store.find(row.recipe) for row in rows]
    done = [run for run in runs if run is not None]
    found = [
        metrics.from_ranks(store.ranks(run, exclude_seen=True)) for run in done
    ]
    spread = {
        metric: {
            "mean": statistics.mean(of_seed[metric] for of_seed in found),
            "sd": statistics.stdev(of_seed[metric] for of_seed in found)
            if len(found) > 1
            else None,
        }
        for metric in found[0]
    }
    return {
        "model": label,
        "seeds": [row.seed for row in rows],
        **spread,
        "steps": [run.summary["best_step"] for run in done if run.summary],
        "size": done[0].summary["num_parameters"],
        "num_sessions": done[0].summary["num_sessions"],
    }


def _notes(store: Store, protocol: Protocol) -> list[str]:
    parts = store.split(protocol)
    rows = parts.rows.rows
    trained = np.unique(rows[parts.train])
    targets = rows[parts.test, -1]
    cold = int((~np.isin(targets, trained)).sum())
    again = int((rows[parts.test, :-1] == targets[:, None]).any(axis=1).sum())
    meta = store.sessions[protocol.item_ids].meta
    return [
        f"Data: {meta.get('source')}, {meta['num_users']:,} users, "
        f"{meta['num_items']:,} items, histories of at most "
        f"{meta['t'] - 1}.",
        f"Protocol {protocol.name}: each user's last item is the test, the "
        "last but one stops training, all others are trained on; it is ranked "
        "among all items that are not in the history. "
        f"{len(targets):,} users are evaluated.",
        *of_notes.leaks([protocol]),
        f"Of these targets {cold:,} are in no training history (cold), "
        f"{again:,} in the user's own; they count like all others.",
        "Means over seeds, with the standard deviation between seeds after "
        "±. Steps: to the best evaluation, by MRR@5 of the validation. "
        "Published values are others' own, with their own preparation.",
    ]


def _cell(record: Mapping[str, Any], metric: str) -> str:
    return columns.mean_and_sd(record[metric]) if metric in record else ""
