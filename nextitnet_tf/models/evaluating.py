"""How a model ranks what did follow, on sessions of any numbering."""

import logging

import numpy as np

from nextitnet_tf import metrics
from nextitnet_tf.models import raw_ids


def evaluate_sessions(
    model, sessions, exclude_seen: bool, batch_size: int
) -> dict[str, float]:
    """See `ServedModel.evaluate_sessions`.

    Args:
        model: with a vocabulary.
        sessions: with `rows`, `users` and `vocabulary`.
        exclude_seen: whether items of the history are left out.
        batch_size: sessions scored at a time.

    Raises:
        ValueError: a model whose vocabulary or users are not those.
        TypeError: a table.
    """
    if not hasattr(sessions, "vocabulary"):
        raise TypeError(
            "Expected sessions: data.Sessions.from_interactions makes them of "
            f"a table. Received: a {type(sessions).__name__}"
        )
    rows, targets = _in_ids_of(model, sessions)
    users = _users(model, sessions)
    is_known = targets >= 0
    # What cannot be ranked is below any cutoff.
    ranks = np.full(len(rows), np.iinfo(np.int32).max, np.int32)
    for start in range(0, len(rows), batch_size):
        part = slice(start, start + batch_size)
        size = len(rows[part])
        # One shape for all: what a backend compiles, it compiles once.
        numbers = np.resize(np.arange(start, start + size), batch_size)
        inputs = rows[numbers]
        logits = model.predict_on_batch(
            (inputs, users[numbers]) if model.needs_users else inputs
        )
        if not np.isfinite(logits[:size]).all():
            raise FloatingPointError(
                "Expected a model whose scores are finite numbers. Received: "
                "NaN or infinite logits"
            )
        found = metrics.rank_among(
            logits,
            np.maximum(targets[numbers], 0),
            (model.vocabulary.padding_id,),
            inputs if exclude_seen else None,
        )
        ranks[part][is_known[part]] = np.array(found)[:size][is_known[part]]
    if not is_known.all():
        logging.getLogger(__name__).warning(
            "%d of %d sessions end with an item that the model does not know; "
            "they count as missed",
            (~is_known).sum(),
            len(rows),
        )
    return {**metrics.from_ranks(ranks), "num_sessions": len(ranks)}


def _in_ids_of(model, sessions) -> tuple[np.ndarray, np.ndarray]:
    """Histories and targets, numbered as the model does.

    Returns:
        (num_rows, history_length) and (num_rows,) int32; a target that the
        model does not know is -1, such an item of a history is left out.
    """
    known, of_histories = raw_ids.vocabularies(model)
    if known is not of_histories:
        raise ValueError(
            "Expected a model that recommends what its histories are made of. "
            f"Received: a {type(model).__name__}"
        )
    # Padding has no raw id, and is no item.
    theirs = sessions.vocabulary.raw_ids
    ids = np.array(
        [-1 if raw is None else known.ids.get(str(raw), -1) for raw in theirs],
        np.int32,
    )
    found = ids[sessions.rows]
    histories = np.full(
        (len(found), known.history_length), known.padding_id, np.int32
    )
    is_item = found[:, :-1] >= 0
    # A stable sort by "is an item" moves the gaps to the left.
    order = np.argsort(is_item, axis=1, kind="stable")
    left = np.take_along_axis(found[:, :-1], order, axis=1)
    width = min(left.shape[1], known.history_length)
    left = left[:, left.shape[1] - width :]
    histories[:, known.history_length - width :] = np.where(
        left >= 0, left, known.padding_id
    )
    return histories, found[:, -1]


def _users(model, sessions) -> np.ndarray:
    """The users, of a model that needs them."""
    if model.needs_users and (
        list(model.vocabulary.raw_ids) != list(sessions.vocabulary.raw_ids)
        or sessions.num_users > model.num_users
    ):
        raise ValueError(
            "Expected sessions of the users that the model was trained on. "
            f"Received: others, for a {type(model).__name__}"
        )
    return sessions.users
