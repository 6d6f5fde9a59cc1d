"""What `make train` says of the size of a model."""

from nextitnet_tf import training
from nextitnet_tf.stored_size import stored_sizes


def in_short(run: training.Run) -> str:
    """How much a model stores, part by part, and how much it would in full.

    Args:
        run: finished, with its model.
    """
    sizes = stored_sizes(run.load_model())
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
