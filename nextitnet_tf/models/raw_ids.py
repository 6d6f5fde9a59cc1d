"""From raw ids to a model's, and back: what stands around `top_items`."""

import logging
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Set

import numpy as np

from nextitnet_tf.vocabulary import Vocabulary


def vocabularies(model) -> tuple[Vocabulary, Vocabulary]:
    """The vocabulary of what is recommended, and that of histories.

    Raises:
        ValueError: a model without, or with one of another size.
    """
    vocabulary, of_histories = model.vocabulary, model.history_vocabulary
    if vocabulary is None or of_histories is None:
        raise ValueError(
            "`recommend` needs a model that knows its raw ids: one that was "
            "trained by `training.run`, or whose `vocabulary` was set. "
            "Received: vocabulary=None"
        )
    if len(vocabulary.raw_ids) != model.num_items + 1:
        raise ValueError(
            f"Expected a vocabulary of {model.num_items + 1} columns, as the "
            f"model has. Received: {len(vocabulary.raw_ids)} raw_ids"
        )
    return vocabulary, of_histories


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


def decode(found, num_rows, vocabulary, start=0):
    """Raw ids of what `TopItems` found.

    Args:
        found: its answer, of NumPy.
        num_rows: of its rows, those that were asked for.
        vocabulary: of what is recommended.
        start: place of the first row among all histories, for an error.

    Returns:
        One list a row, likeliest first.

    Raises:
        FloatingPointError: scores that are NaN or infinite.
    """
    scores = found["scores"][:num_rows]
    if np.isnan(scores).any():
        row = start + int(np.isnan(scores).any(axis=1).argmax())
        raise FloatingPointError(
            "Expected a model whose scores are finite numbers. Received: "
            f"NaN or infinite logits after histories[{row}]; its weights "
            "are those of a training that diverged"
        )
    return [
        [*map(vocabulary.raw_ids.__getitem__, ids)]
        for ids in recommended(found["item_ids"][:num_rows], scores)
    ]


def recommended(values, scores) -> list[list]:
    """Of each row, what stands where `TopItems` did recommend an item.

    Args:
        values: (B, k), of NumPy.
        scores: (B, k), -inf where no item was left: at the end of a row.
    """
    num_items = np.count_nonzero(scores > -np.inf, axis=1).tolist()
    return [
        row[:number]
        for row, number in zip(values.tolist(), num_items, strict=True)
    ]
