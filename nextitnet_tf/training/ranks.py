"""Ranks of a test, on disk."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nextitnet_tf import atomic_files

# Where the item that did follow was ranked, and where among the items that are
# not in its history.
FILE = "ranks.npz"
# From there on a rank is not told from those below.
LAST = 255


def save(path: Path, ranks: Mapping[str, np.ndarray]) -> None:
    """Writes ranks by name, clipped at `LAST`, compressed."""
    clipped = {
        name: np.minimum(of_name, LAST).astype("uint8")
        for name, of_name in ranks.items()
    }
    # A file, not a path: NumPy would add its own ending to the latter.
    with atomic_files.replacing(path) as partial, open(partial, "wb") as file:
        np.savez_compressed(file, **clipped)


def load(path: Path, exclude_seen: bool) -> np.ndarray | None:
    """What `save` has written, of one of both rankings; None if it has none."""
    with np.load(path, allow_pickle=False) as kept:
        name = "unseen_ranks" if exclude_seen else "ranks"
        return kept[name] if name in kept.files else None
