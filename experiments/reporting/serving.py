"""How large a trained model is on disk, and how long its answers take."""

import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.papers.rows import Row
from experiments.reporting import clock
from experiments.reporting import served_as
from experiments.reporting.store import Store
from nextitnet_tf import atomic_files
from nextitnet_tf.models import COUNTED
from nextitnet_tf.models import SkipRec
from nextitnet_tf.models.recommending import TopItems
from nextitnet_tf.training import Run

FILE_NAME = "serving.json"
BATCH_SIZES = (1, 32, 256)
_K = 10
_REPETITIONS = 7
_LEAST_SECONDS = 0.2
NOTE = (
    f"Answers: milliseconds of the {_K} likeliest items of "
    f"{', '.join(map(str, BATCH_SIZES[:-1]))} and {BATCH_SIZES[-1]} histories "
    "of the test at a time, seen items left out, the whole model and its "
    f"policy; medians of {_REPETITIONS}, each of the same process, one line "
    "after the other. Blocks run: the share that a policy lets run, of the "
    "test's histories."
)
FROZEN_NOTE = (
    "Frozen: the same answers of `model.freeze()`, which XLA compiles."
)


def measure(rows: Sequence[Row], store: Store, path: Path) -> None:
    """Measures the models that are still there, all in one go.

    Args:
        rows: done or not.
        store: has their runs.
        path: of the file; what it knows of other models is kept. Nothing is
            measured if it knows all of these.
    """
    known = clock.read(path)
    of_label: dict[str, tuple[Row, Run]] = {}
    for row in rows:  # one seed speaks for all
        run = store.find_row(row)
        if row.recipe.model not in COUNTED and run and run.has_model:
            of_label.setdefault(row.label, (row, run))
    found = {run.name: (row, run) for row, run in of_label.values()}
    if not set(found) - set(known):
        return
    for name, (row, run) in found.items():
        model = served_as.load(run, row.served_as, store.histories(run))
        histories = store.histories(run)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.keras"
            model.save(file)
            size = file.stat().st_size
        known[name] = {
            "file_bytes": size,
            **_milliseconds(model, histories),
            "load_average_before": os.getloadavg()[0],
        }
        if isinstance(model, SkipRec):
            kept = served_as.kept_blocks(model, histories)
            known[name]["blocks_run"] = float(kept.mean())
        atomic_files.write_json(path, known)
        print(
            f"{row.label}: {size / 1e6:.2f} MB, "
            + " / ".join(
                f"{ms:.1f}" for ms in known[name]["milliseconds"].values()
            )
            + " ms",
            flush=True,
        )


def _milliseconds(model, histories: np.ndarray) -> dict[str, dict]:
    """By how the model answers, and how many histories at a time."""
    finders = {"milliseconds": TopItems(model, _K, exclude_seen=True)}
    if not getattr(model, "is_noisy", False):
        frozen = model.freeze().finder(model, _K, exclude_seen=True)
        finders["frozen_milliseconds"] = frozen
    return {
        how: {
            str(batch_size): 1000 * _seconds(finder, histories, batch_size)
            for batch_size in BATCH_SIZES
        }
        for how, finder in finders.items()
    }


def _seconds(finder, histories: np.ndarray, batch_size: int) -> float:
    """Of one batch, compiled before."""
    batch = np.resize(histories, (batch_size, histories.shape[1]))
    found: list[float] = []
    began = time.perf_counter()
    finder.predict_on_batch(batch)
    while len(found) < _REPETITIONS or time.perf_counter() - began < (
        _LEAST_SECONDS
    ):
        at = time.perf_counter()
        finder.predict_on_batch(batch)
        found.append(time.perf_counter() - at)
    return statistics.median(found)
