"""Histories of raw ids, as the ids and arrays that models read."""

import logging
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Set

import numpy as np


def encode(histories, vocabulary) -> list[list[int]]:
    """Model ids of each history; unknown items are counted and left out."""
    if isinstance(histories, str | bytes | Mapping | Set):
        raise ValueError(
            "Expected a sequence of histories, each a sequence of raw ids. "
            f"Received: histories={histories!r}"
        )
    encoded, num_unknown = [], 0
    for i, history in enumerate(histories):
        # A string would be read letter by letter, a set has no order.
        no_sequence = isinstance(history, str | bytes | Mapping | Set)
        if no_sequence or not isinstance(history, Iterable):
            raise ValueError(
                "Expected each history to be a sequence of raw ids, oldest "
                f"first. Received: histories[{i}]={history!r}"
            )
        ids, unknown = vocabulary.encode(history)
        encoded.append(ids)
        num_unknown += unknown
    if num_unknown:
        logging.getLogger(__name__).warning(
            "unknown item ids skipped: %d", num_unknown
        )
    return encoded


def padded(histories, vocabulary) -> np.ndarray:
    """(B, S) int32 ids of histories, padded on the left.

    B and S are powers of 2 times 1 and `history_length`, so that a backend
    that compiles for each shape does so a few times only.
    """
    longest = max(len(history) for history in histories)
    width = vocabulary.history_length
    while width < longest:
        width *= 2
    num_rows = 1 << (len(histories) - 1).bit_length()
    item_ids = np.full((num_rows, width), vocabulary.padding_id, "int32")
    for row, history in zip(item_ids, histories, strict=False):
        row[width - len(history) :] = history
    return item_ids
