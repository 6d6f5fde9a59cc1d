"""How alike the outputs of a model's blocks are, measured and drawn."""

import functools
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.papers.rows import Row
from experiments.reporting import pictures
from experiments.reporting import written
from experiments.reporting.store import Store
from nextitnet_tf import atomic_files
from nextitnet_tf.comparing import block_similarity
from nextitnet_tf.training.runs import MODEL
from nextitnet_tf.training.runs import Run

# Test sessions that cosines are averaged over, as in the paper.
NUM_SESSIONS = 100


def write(
    rows: Sequence[Row], store: Store, folder: Path, name: str, title: str
) -> str:
    """Writes NAME-MODEL-BLOCKS.json and .png of what is done.

    A run that has thrown its model away keeps what was measured of it before.

    Args:
        rows: of the figure; the seeds of a model and depth share a picture.
        store: of their runs, and of the sessions.
        folder: gets the files.
        name: of the figure.
        title: its heading; model and depth go before its brackets.

    Returns:
        A line a picture and seed: the cosines of neighbouring blocks.
    """
    alike: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        alike.setdefault((row.recipe.model, row.num_blocks), []).append(row)
    lines: list[str] = []
    for (model, depth), of_model in alike.items():
        path = folder / f"{name}-{model}-{depth}.json"
        measured = _measure(of_model, store, path)
        if not measured:
            continue
        record = {
            "title": title.replace(" (", f": {model}, {depth} blocks (", 1),
            "model": model,
            "num_blocks": depth,
            "protocol": of_model[0].recipe.protocol.name,
            "data": store.meta,
            "num_sessions": min(NUM_SESSIONS, len(_test(of_model[0], store))),
            **measured,
        }
        atomic_files.write_json(path, record)
        _draw(record, path.with_suffix(".png"))
        lines += _told(record, path.with_suffix(".png"))
    return "\n".join(lines) or "Nothing is done yet."


def _measure(rows: Sequence[Row], store: Store, path: Path) -> dict[str, list]:
    """The seeds that are done, their runs, and the cosines of each."""
    kept = {}
    if path.is_file():
        before = written.read(path)
        with written.naming(path):
            kept = dict(zip(before["runs"], before["similarity"], strict=True))
    measured: dict[str, list] = {"seeds": [], "runs": [], "similarity": []}
    for row in sorted(rows, key=lambda row: row.seed):
        run = store.find(row.recipe)
        name = store.name(row.recipe)
        if run is not None and (run.folder / MODEL).is_file():
            cosines = store.once(
                (name, "similarity"),
                functools.partial(_of_run, run, row, store),
            )
            kept[name] = cosines.round(6).tolist()
        if name in kept:
            measured["seeds"].append(row.seed)
            measured["runs"].append(name)
            measured["similarity"].append(kept[name])
    return measured if measured["runs"] else {}


def _of_run(run: Run, row: Row, store: Store) -> np.ndarray:
    """Cosines of a run's model on its test sessions."""
    return block_similarity(run.load_model(), _draw_sessions(row, store))


def _test(row: Row, store: Store) -> np.ndarray:
    """Numbers of the test sessions."""
    return store.split(row.recipe.protocol).test


def _draw_sessions(row: Row, store: Store) -> np.ndarray:
    """(B, T) histories of test sessions drawn at random."""
    test = _test(row, store)
    generator = np.random.default_rng(row.seed)
    count = min(NUM_SESSIONS, len(test))
    drawn = np.sort(generator.choice(test, count, replace=False))
    sessions = store.split(row.recipe.protocol).rows
    return np.asarray(sessions.rows[drawn, :-1])


def _draw(record: Mapping[str, Any], path: Path) -> None:
    seeds = record["seeds"]
    pictures.draw_similarity(
        np.mean(record["similarity"], axis=0).tolist(),
        path,
        f"{record['model']}, {record['num_blocks']} blocks, protocol "
        f"{record['protocol']}, seed{'s' * (len(seeds) > 1)} "
        f"{', '.join(map(str, seeds))}, {record['num_sessions']} sessions",
    )


def _told(record: Mapping[str, Any], path: Path) -> Iterator[str]:
    for seed, cosines in zip(
        record["seeds"], record["similarity"], strict=True
    ):
        neighbours = ", ".join(
            f"{row[i + 1]:.2f}" for i, row in enumerate(cosines[:-1])
        )
        yield (
            f"neighbouring blocks of {record['model']}-{record['num_blocks']}, "
            f"seed {seed}: {neighbours} ({record['num_sessions']} sessions); "
            f"{path}"
        )
