"""What `make train` says of the size of a model, and of what runs."""

import numpy as np

from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.models import SkipRec
from nextitnet_tf.stored_size import stored_sizes

_ROWS = 256


def in_short(run: training.Run, sessions: data.Sessions) -> str:
    """A line on what a model stores, and one on the blocks that it runs.

    Args:
        run: finished, with its model.
        sessions: that it was trained on.
    """
    model = run.load_model()
    lines = [_size(model)]
    if isinstance(model, SkipRec):
        lines.append(_blocks(model, run, sessions))
    return "\n".join(lines)


def _blocks(model: SkipRec, run: training.Run, sessions: data.Sessions) -> str:
    """The share of the blocks that runs for the histories of the test."""
    parts = data.split(sessions, run.recipe.protocol)
    histories = parts.rows.rows[parts.test, :-1]
    keep = np.concatenate(
        [
            np.array(model.keep(histories[start : start + _ROWS]))
            for start in range(0, len(histories), _ROWS)
        ]
    )
    counts = keep.sum(axis=1)
    return (
        f"blocks: {keep.mean():.0%} of {keep.shape[1]} run, from "
        f"{counts.min():.0f} to {counts.max():.0f} for a history; by block "
        + ", ".join(f"{share:.0%}" for share in keep.mean(axis=0))
    )


def _size(model) -> str:
    """How much a model stores, part by part, and how much it would in full."""
    sizes = stored_sizes(model)
    stored, full = (
        sum(getattr(size, name) for size in sizes)
        for name in ("num_weights", "in_full")
    )
    parts = ", ".join(f"{size.part} {size.num_weights:,}" for size in sizes)
    megabytes = sum(size.num_bytes for size in sizes) / 1e6
    said = f"stored: {stored:,} weights, {megabytes:.1f} MB ({parts})"
    if full > stored:
        said += f", {full / stored:.1f} times fewer than in full"
    if full < stored:  # projections outweigh the tables of few items
        said += f", {stored / full:.1f} times as many as in full"
    return said
