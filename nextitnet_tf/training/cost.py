"""What a training step costs, whatever the machine."""

from collections.abc import Mapping
from typing import Any


def flops_per_step(summary: Mapping[str, Any]) -> float:
    """Arithmetic of a training step, by the weights that take part in it.

    A weight of a block, or of a column of the softmax, is multiplied and
    added once a position, and twice more for the gradients. What attention
    does without weights is not counted; biases and norms count as if they
    were multiplied, and so do tables other than the items'. For runs of one
    model and depth, the ratio is exact.

    Args:
        summary: what run.json says.
    """
    width = summary["model_config"].get("embedding_dim", 64)
    columns = summary["data"]["num_items"] + 1
    in_blocks = summary["num_parameters"] - 2 * width * columns
    share = summary["protocol"]["sampled_fraction"] or 1.0
    positions = summary["batch_size"] * (summary["data"]["t"] - 1)
    return 6 * positions * (max(in_blocks, 0) + share * columns * width)
