"""Models that go on with new items: how good on those, and on old ones."""

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.papers.rows import Row
from experiments.reporting import columns
from experiments.reporting import document
from experiments.reporting import notes
from experiments.reporting.columns import Column
from experiments.reporting.statistics import spread
from experiments.reporting.store import Store
from nextitnet_tf import comparing
from nextitnet_tf import growing
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.training import Run

COLUMNS = (
    Column("Model", lambda r: r["model"]),
    Column("New items begin as", lambda r: r["new_items"]),
    Column("Steps", lambda r: "" if r["steps"] is None else str(r["steps"])),
    Column("Seeds", lambda r: str(len(r["seeds"]))),
    Column("MRR@5, unseen before", lambda r: columns.mean_and_sd(r["unseen"])),
    Column("MRR@5, old", lambda r: columns.mean_and_sd(r["old"])),
    Column("MRR@5, all", lambda r: columns.mean_and_sd(r["all"])),
    Column("Seconds", lambda r: f"{r['seconds']:.0f}" if r["seconds"] else ""),
)


def write(
    rows: Sequence[Row],
    stores: Mapping[str, Store],
    protocols: Mapping[str, Protocol],
    output: Path,
    name: str,
    title: str,
) -> str:
    """Writes NAME.md and NAME.json of what is done.

    Args:
        rows: of all seeds; the first is of the model of before.
        stores: of the sessions, by the settings of rows: before, after, all.
        protocols: of the sessions.
        output: folder of the files.
        name: of the files.
        title: the heading.

    Returns:
        The table, as markdown.
    """
    before, after, _ = stores
    parts = stores[after].split(protocols[after])
    targets = parts.rows.rows[parts.test, -1]
    old, new = (
        next(iter(stores[part].sessions.values())).vocabulary
        for part in (before, after)
    )
    sources = growing.source_rows(old, new)
    is_new = np.array([source is None for source in sources])[targets]
    records = _records(
        [row for row in rows if row.setting != before], stores, is_new
    )
    said = [
        notes.of_data("Data", stores[after]) + ", of what comes after.",
        f"The model of before knows {old.num_items:,} items, all others "
        f"{new.num_items:,}. Of {len(targets):,} test sessions "
        f"{is_new.sum():,} end with an item that had not occurred before. "
        "Those that end with one that nobody knew yet are left out, and so are "
        "such items in histories.",
        "A model that goes on is trained on the sessions of after alone, and "
        "has the weights of the last step; MostPop counts the same sessions; "
        "the model from scratch is trained on all and has the weights that "
        "validate best.",
        *_verdict(records),
        "± is the standard deviation between seeds"
        + (
            "; no verdict without three."
            if max((len(r["seeds"]) for r in records), default=0) < 3
            else "."
        ),
    ]
    return document.write(
        output / name, title, COLUMNS, records, said, data=stores[after].meta
    )


def _records(
    rows: Sequence[Row], stores: Mapping[str, Store], is_new: np.ndarray
) -> list[dict[str, Any]]:
    """A line each, over its seeds."""
    found: dict[str, list[tuple[Row, Run]]] = {}
    for row in rows:
        run = stores[row.setting].find(row.recipe)
        of_line = found.setdefault(row.label, [])
        if run is not None and row.seed not in [r.seed for r, _ in of_line]:
            of_line.append((row, run))
    records = []
    for label, of_line in found.items():
        gains = []
        for row, run in of_line:
            ranks = stores[row.setting].ranks(run)
            if ranks is not None:
                gains.append(comparing.reciprocal_ranks(ranks))
        if not gains:
            continue
        row, run = of_line[0]
        is_going_on = row.recipe.start is not None
        records.append(
            {
                "label": label,
                "model": f"{row.family}-{row.num_blocks}, "
                + ("goes on" if is_going_on else "anew")
                if row.has_blocks
                else f"{row.family} of after",
                "new_items": row.last.new_items if is_going_on else "",
                "steps": row.last.max_steps
                if is_going_on
                else run.summary["best_step"] or None,
                "seeds": [row.seed for row, _ in of_line],
                "unseen": spread([_mean(g[is_new]) for g in gains]),
                "old": spread([_mean(g[~is_new]) for g in gains]),
                "all": spread([_mean(g) for g in gains]),
                "seconds": run.summary.get("train_seconds", 0.0),
            }
        )
    return records


def _mean(gains: np.ndarray) -> float:
    return float(gains.mean()) if len(gains) else 0.0


def _verdict(records: Sequence[dict[str, Any]]) -> list[str]:
    """What each start comes to beside a random one and beside counting."""
    going_on = [r for r in records if r["new_items"]]
    popular = [r for r in records if r["model"].endswith("of after")]
    said = []
    for steps in sorted({r["steps"] for r in going_on}):
        of_start = {r["new_items"]: r for r in going_on if r["steps"] == steps}
        base = of_start.get("random")
        if base is None or not base["unseen"]["mean"]:
            continue
        others = ", ".join(
            f"{name} {r['unseen']['mean'] / base['unseen']['mean']:.2f}"
            for name, r in of_start.items()
            if name != "random"
        )
        above = [
            name
            for name, r in of_start.items()
            if popular and r["unseen"]["mean"] > popular[0]["unseen"]["mean"]
        ]
        said.append(
            f"After {steps} steps, unseen items, as a multiple of the random "
            f"start: {others}; above the popularity of after: "
            f"{', '.join(above) or 'none'}."
        )
    return said
