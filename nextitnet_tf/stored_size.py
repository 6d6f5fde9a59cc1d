"""How many weights a model stores, part by part, and how many in full."""

import dataclasses
import math
import re

import keras


@dataclasses.dataclass(frozen=True)
class StoredSize:
    """The weights of a part of a model.

    Attributes:
        part: "embedding", "blocks", "softmax" or "other".
        num_weights: stored, each once.
        in_full: the same without compression.
        num_bytes: of what is stored.
    """

    part: str
    num_weights: int
    in_full: int
    num_bytes: int


def stored_sizes(model) -> list[StoredSize]:
    """What each part of a recommender takes.

    A weight that two parts share is counted in the first of them; what a
    kernel that is shared between blocks would take in each of them counts in
    full.

    Args:
        model: a built `SequentialRecommender`; of a fine-tuned one what lies
            beyond its source is "other", and so is the policy of a `SkipRec`.

    Returns:
        The parts that have weights.
    """
    everything = model.weights
    model = getattr(model, "source", getattr(model, "backbone", model))
    compression = getattr(model, "compression", None)
    num_columns = model.num_items + 1
    in_full = {}
    if compression and compression.embedding_ranks:
        in_full["embedding"] = num_columns * model.item_embedding.embedding_dim
    if compression and compression.softmax_ranks:
        in_full["softmax"] = num_columns * (model.embedding_dim + 1)
    parts = {
        "embedding": _weights(model, "item_embedding"),
        "blocks": [w for block in model.blocks for w in block.weights],
        "softmax": _weights(model, "item_softmax"),
        "other": everything,
    }
    if model.sharing != "none":
        in_full["blocks"] = _count(parts["blocks"]) + sum(
            _count(layer.find_owner().weights)
            for block in model.blocks
            for part in block.kernel_parts()
            for layer in part
            if layer.find_owner() is not layer
        )
    found: list[StoredSize] = []
    seen: set[int] = set()
    for part, weights in parts.items():
        own = {id(w): w for w in weights if id(w) not in seen}
        seen |= own.keys()
        if own:
            count = _count(own.values())
            found.append(
                StoredSize(
                    part,
                    count,
                    in_full.get(part, count),
                    sum(_count([w]) * _num_bytes(w) for w in own.values()),
                )
            )
    return found


def _weights(model, name) -> list:
    return list(getattr(getattr(model, name, None), "weights", ()))


def _count(weights) -> int:
    return sum(math.prod(w.shape) for w in weights)


def _num_bytes(weight) -> int:
    """Of a number of a weight, by the bits in its type's name: float32."""
    bits = re.search(r"\d+", keras.backend.standardize_dtype(weight.dtype))
    return int(bits.group()) // 8 if bits else 1  # of a truth value
