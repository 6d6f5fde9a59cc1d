"""What a model answers to users: of sequences of raw ids, or of a table."""

from collections.abc import Mapping

import numpy as np

from nextitnet_tf.models import raw_ids
from nextitnet_tf.models import recommending


def recommend(
    model,
    histories,
    k=10,
    exclude_seen=True,
    batch_size=256,
    explain=False,
    with_scores=False,
    make_finder=None,
    **columns,
):
    """Raw ids after raw ids: see `ServedModel.recommend`.

    Args:
        model: with a vocabulary.
        histories: as there, like all others.
        k: how many items.
        exclude_seen: leave out the items of the history itself.
        batch_size: users scored at a time, at most.
        explain: also tell which blocks ran.
        with_scores: pairs of items and scores.
        make_finder: what is asked for a `TopItems`, by default
            `recommending.finder`.
        **columns: of a table.
    """
    users = None
    unknown = {*columns} - {"user", "item", "time"}
    if unknown:
        raise TypeError(
            "Expected `user`, `item` and `time` as names of columns. "
            f"Received: {', '.join(sorted(unknown))}"
        )
    if hasattr(histories, "columns") or isinstance(histories, Mapping):
        from nextitnet_tf.preparation import events  # needs pandas

        users, histories = events.histories_of(histories, **columns)
    elif columns:
        raise ValueError(
            "Expected a table where columns are named. Received: histories of "
            f"type {type(histories).__name__}, {', '.join(columns)}"
        )
    encoded = raw_ids.encode(histories, raw_ids.vocabularies(model)[1])
    found = _recommend(
        *(model, encoded, k, exclude_seen, batch_size, explain, with_scores),
        make_finder or recommending.finder,
    )
    if users is None:
        return found
    answers = dict(zip(users, found[0] if explain else found, strict=True))
    return (answers, found[1]) if explain else answers


def _recommend(
    model,
    encoded,
    k,
    exclude_seen,
    batch_size,
    explain,
    with_scores,
    make_finder,
):
    """Answers to histories in ids of the model."""
    vocabulary, of_histories = raw_ids.vocabularies(model)
    if explain:
        recommending.check_chooses(model)
    recommending.check_at_least_1(batch_size, "batch_size")
    find = make_finder(model, k, exclude_seen, explain)
    batch_size = min(
        batch_size, recommending.largest_batch(len(vocabulary.raw_ids))
    )
    find.look_at_weights(len(encoded))
    answers, choices = [], []
    for start in range(0, len(encoded), batch_size):
        batch = encoded[start : start + batch_size]
        found = find.predict_on_batch(raw_ids.padded(batch, of_histories))
        items = raw_ids.decode(found, len(batch), vocabulary, start)
        if with_scores:
            scores = found["scores"][: len(batch)]
            scores = raw_ids.recommended(scores, scores)
            items = [
                [*zip(*of_row, strict=True)]
                for of_row in zip(items, scores, strict=True)
            ]
        answers += items
        if explain:
            choices.append(found["keep"][: len(batch)])
    if not explain:
        return answers
    num_blocks = len(model.backbone.blocks)
    return answers, np.concatenate(
        [np.zeros((0, num_blocks), "int32"), *choices]
    )
