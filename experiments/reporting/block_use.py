"""Which blocks a policy runs: on average, by user, and for whom more."""

from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.papers.rows import Row
from experiments.reporting import document
from experiments.reporting import notes
from experiments.reporting import pictures
from experiments.reporting import served_as
from experiments.reporting.columns import Column
from experiments.reporting.store import Store
from nextitnet_tf.models import SkipRec
from nextitnet_tf.training.runs import Run

# Users in the picture.
_SHOWN = 40


def _shares(record: Mapping[str, Any]) -> str:
    return " ".join(f"{share:.0%}" for share in record["shares"])


_COLUMNS = (
    Column("Model", lambda r: r["model"]),
    Column("Seed", lambda r: str(r["seed"])),
    Column("Blocks run", lambda r: f"{r['mean']:.1%}"),
    Column("By user, least", lambda r: f"{r['least']:.0%}"),
    Column("By user, most", lambda r: f"{r['most']:.0%}"),
    Column("Different choices", lambda r: f"{r['different']:,}"),
    Column("With length", lambda r: _correlation(r["with_length"])),
    Column("With popularity", lambda r: _correlation(r["with_popularity"])),
    Column("Share of users, block by block", _shares),
)


def write(
    rows: Sequence[Row], store: Store, output: Path, name: str, title: str
) -> str:
    """Writes NAME.md, NAME.json and NAME.png of policies that are done.

    Args:
        rows: of the figure; those without a policy are passed over.
        store: of their runs; a model that was thrown away is passed over.
        output: folder that gets the files.
        name: of the files.
        title: the heading.

    Returns:
        The table, as markdown.
    """
    records: list[dict[str, Any]] = []
    shown: dict[str, np.ndarray] = {}
    for row in rows:
        run = store.find_row(row)
        if run is None or not run.has_model:
            continue
        model = run.load_model()
        if not isinstance(model, SkipRec):
            continue
        histories = np.asarray(store.histories(run))
        kept = served_as.kept_blocks(model, histories)  # (num_sessions, L)
        shown.setdefault(row.label, kept[:_SHOWN])
        records.append(_record(row, run, kept, histories, store))
    if not records:
        return "Nothing is done yet.\n"
    pictures.draw_block_use(records, shown, output / f"{name}.png", title)
    return document.write(
        output / name,
        title,
        _COLUMNS,
        records,
        [
            notes.of_data("Data", store) + ".",
            f"{records[0]['num_sessions']:,} test sessions. Blocks run: the "
            "share of all blocks, the mean over sessions; by user: of the "
            "session that runs fewest, and most. Different choices: sets of "
            "blocks that some session runs.",
            "With length, with popularity: rank correlation of the number of "
            "blocks a session runs with the length of its history, and with "
            "the mean number of its items' occurrences; - where one of the two "
            "is the same for all.",
        ],
        data=store.meta,
    )


def _record(
    row: Row, run: Run, kept: np.ndarray, histories: np.ndarray, store: Store
) -> dict[str, Any]:
    vocabulary = store.sessions_of(row.recipe).vocabulary
    is_item = histories != vocabulary.padding_id
    length = is_item.sum(axis=1)
    counts = np.asarray(vocabulary.counts)[histories] * is_item
    count = kept.sum(axis=1)
    return {
        "model": row.label,
        "seed": row.seed,
        "run": run.name,
        "num_sessions": len(kept),
        "shares": kept.mean(axis=0).round(4).tolist(),
        "mean": float(kept.mean()),
        "least": float(kept.mean(axis=1).min()),
        "most": float(kept.mean(axis=1).max()),
        "different": len(np.unique(kept, axis=0)),
        "with_length": _rank_correlation(count, length),
        "with_popularity": _rank_correlation(
            count, counts.sum(axis=1) / np.maximum(length, 1)
        ),
    }


def _rank_correlation(first: np.ndarray, second: np.ndarray) -> float | None:
    """Spearman's, of tied values their mean rank."""
    ranks = [_mean_ranks(values) for values in (first, second)]
    if any(np.ptp(of) == 0 for of in ranks):
        return None
    return float(np.corrcoef(ranks)[0, 1])


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(
        values, return_inverse=True, return_counts=True
    )
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def _correlation(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"
