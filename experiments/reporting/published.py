"""Models beside the values that others have published."""

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.papers.rows import Row
from experiments.reporting import against_counting
from experiments.reporting import document
from experiments.reporting import notes as of_notes
from experiments.reporting.columns import Column
from experiments.reporting.store import Store
from nextitnet_tf.protocol import Protocol

_METRICS = ("hit_rate_at_10", "ndcg_at_10")
# Of a model that others report, only those two are known.
_UNKNOWN: Mapping[str, Any] = {
    "seeds": (),
    "unseen": {"mrr_at_10": {"mean": None, "sd": None}},
    "above_unseen": "",
    "steps": (),
    "num_parameters": None,
}
COLUMNS = (
    Column("Model", lambda r: r["model"]),
    Column("Seeds", lambda r: str(len(r["seeds"]) or "")),
    Column("HR@10", against_counting.over_seeds("unseen", "hit_rate_at_10")),
    Column("NDCG@10", against_counting.over_seeds("unseen", "ndcg_at_10")),
    Column("MRR@10", against_counting.over_seeds("unseen", "mrr_at_10")),
    Column("Above the floor", lambda r: r["above_unseen"]),
    Column("Steps", lambda r: ", ".join(str(n) for n in r["steps"] if n)),
    Column(
        "Parameters",
        lambda r: f"{r['num_parameters']:,}" if r["num_parameters"] else "",
    ),
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
    done = against_counting.find_done(rows, store)
    if not done:
        return "Nothing is done yet.\n"
    records = against_counting.make_records(done, store)
    notes = [
        *against_counting.in_short(records),
        *against_counting.left_out(done, store),
        *_notes(store, done[0][0].recipe.protocol),
    ]
    known = [_of_others(who, values) for who, values in published.items()]
    return document.write(
        output / name, title, COLUMNS, [*known, *records], notes
    )


def _of_others(who: str, values: Sequence[float | None]) -> dict[str, Any]:
    """A model as others report it."""
    found = {
        metric: {"mean": value, "sd": None}
        for metric, value in zip(_METRICS, values, strict=True)
    }
    return {
        **_UNKNOWN,
        "model": f"{who} (published)",
        "unseen": {**_UNKNOWN["unseen"], **found},
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
        against_counting.ABOVE,
        "Means over seeds, with the standard deviation between seeds after "
        "±. Steps: to the best evaluation, by MRR@5 of the validation. "
        "Published values are others' own, with their own preparation.",
    ]
