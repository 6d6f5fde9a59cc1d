"""Runs whose model is changed after training, and ranked as it then is.

| way | what is changed |
|---|---|
| int8, int4 | items are stored in so many bits |
| random blocks | a history runs as many blocks as the policy lets run, any |
| the same blocks | all histories run those that the policy runs most |
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.papers.rows import RANDOM_BLOCKS
from experiments.papers.rows import SAME_BLOCKS
from nextitnet_tf import training
from nextitnet_tf.fewer_blocks import with_blocks
from nextitnet_tf.models import SkipRec
from nextitnet_tf.training import Run
from nextitnet_tf.training import ranks

# The layers that are quantized: the item embedding and the item softmax.
_ITEM_LAYERS = "^item_"
# Of the test's histories so many say which blocks a policy runs.
_HISTORIES = 4096


@dataclass(frozen=True)
class ServedRun(Run):
    """A run, with the ranks that its changed model gives.

    Attributes:
        way: how it is changed.
    """

    way: str = ""

    @property
    def name(self) -> str:
        return f"{self.folder.name}-{_slug(self.way)}"

    def read_ranks(self, exclude_seen: bool = False) -> np.ndarray | None:
        path = _path(self, self.way)
        if not path.is_file():
            return None
        return ranks.load(path, exclude_seen)


def find(run: Run, way: str) -> ServedRun | None:
    """What is known of a run that is changed so, if it was ranked."""
    if not _path(run, way).is_file():
        return None
    return ServedRun(run.folder, run.summary, way)


def load(run: Run, way: str, histories: np.ndarray):
    """The model of a run, changed if there is a way.

    Args:
        run: its model is there.
        way: how, or "".
        histories: `(num_sessions, T)` that the model is tested with.
    """
    model = run.load_model()
    if not way:
        return model
    change = _WAYS.get(way, _in_fewer_bits)
    changed = change(model, way, histories[:_HISTORIES])
    changed.vocabulary = model.vocabulary
    return changed


def rank(run: Run, way: str, store: Any) -> None:
    """Ranks the test of a run by its changed model, and keeps the ranks.

    Args:
        run: its model is there.
        way: how it is changed.
        store: of its run and sessions.
    """
    recipe = run.recipe
    sessions = store.sessions_of(recipe)
    test = store.split(recipe.protocol).test
    model = load(run, way, store.histories(run))
    found = training.rank(model, sessions, test, recipe)
    ranks.save(_path(run, way), found)


def kept_blocks(model, histories: np.ndarray) -> np.ndarray:
    """`(num_sessions, L)` 1 where a policy runs a block."""
    parts = [
        np.asarray(model.keep(histories[start : start + 256]))
        for start in range(0, len(histories), 256)
    ]
    return np.concatenate(parts)


def _in_fewer_bits(model, way: str, histories: np.ndarray):
    model.quantize(way, filters=_ITEM_LAYERS)
    return model


def _with_random_blocks(model, way: str, histories: np.ndarray):
    """The same backbone, and a policy that draws at the learned rate."""
    rate = float(kept_blocks(model, histories).mean())
    # A policy that runs all or nothing has no chance in it.
    rate = min(max(rate, 1e-6), 1 - 1e-6)
    return SkipRec(model.backbone, policy="random", keep_rate=rate)


def _with_same_blocks(model, way: str, histories: np.ndarray):
    """The same backbone, of the blocks that are run most."""
    shares = kept_blocks(model, histories).mean(axis=0)  # (L,)
    count = max(1, round(float(shares.sum())))
    most = np.sort(np.argsort(-shares, kind="stable")[:count])
    return with_blocks(model.backbone, most.tolist())


_WAYS: dict[str, Callable] = {
    RANDOM_BLOCKS: _with_random_blocks,
    SAME_BLOCKS: _with_same_blocks,
}


def _path(run: Run, way: str) -> Path:
    return run.folder / f"ranks-{_slug(way)}.npz"


def _slug(way: str) -> str:
    return way.replace(" ", "_")
