"""Runs whose items are stored in fewer bits, after training."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.training import Run
from nextitnet_tf.training import ranks

# The layers that are quantized: the item embedding and the item softmax.
ITEM_LAYERS = "^item_"


@dataclass(frozen=True)
class QuantizedRun(Run):
    """A run, with the ranks that its quantized model gives.

    Attributes:
        mode: "int8" or "int4".
    """

    mode: str = ""

    @property
    def name(self) -> str:
        return f"{self.folder.name}-{self.mode}"

    def read_ranks(self, exclude_seen: bool = False) -> np.ndarray | None:
        path = _path(self, self.mode)
        if not path.is_file():
            return None
        return ranks.load(path, exclude_seen)


def find(run: Run, mode: str) -> QuantizedRun | None:
    """What is known of a run in fewer bits, if it was ranked."""
    if not _path(run, mode).is_file():
        return None
    return QuantizedRun(run.folder, run.summary, mode)


def load(run: Run, mode: str = ""):
    """The model of a run, quantized if there is a mode."""
    model = run.load_model()
    if mode:
        model.quantize(mode, filters=ITEM_LAYERS)
    return model


def rank(run: Run, mode: str, sessions: data.Sessions) -> None:
    """Ranks the test of a run by its quantized model, and keeps the ranks.

    Args:
        run: its model is there.
        mode: "int8" or "int4".
        sessions: as the run numbers them.
    """
    protocol = run.recipe.protocol
    test = data.split(sessions, protocol).test
    found = training.rank(load(run, mode), sessions, test, run.recipe)
    ranks.save(_path(run, mode), found)


def _path(run: Run, mode: str) -> Path:
    return run.folder / f"ranks-{mode}.npz"
