"""Sessions as whoever stands at a time knows them."""

import dataclasses
import math

import numpy as np

from nextitnet_tf.data.sessions import Sessions
from nextitnet_tf.vocabulary import Vocabulary


def as_of(
    sessions: Sessions,
    known_until: float,
    since: float = -math.inf,
    until: float = math.inf,
) -> Sessions:
    """The sessions of a period, in the items that were known at a time.

    Items are numbered by how often they had occurred by then (ties as
    before). What was not known is left out of histories; a session that ends
    with it, or of which nothing else is left, is left out.

    Args:
        sessions: with times, numbered by frequency.
        known_until: items are those of the rows that were over before.
        since: rows that were over before are left out.
        until: rows that were over then or later are left out.

    Returns:
        Sessions of another vocabulary, in the order of the rows.

    Raises:
        ValueError: sessions without times, or of another numbering; no row
            was over before `known_until`.
    """
    times, known = sessions.times, sessions.vocabulary
    if times is None or known.padding_id != 0 or len(known.not_items) > 1:
        raise ValueError(
            "Expected sessions with the time of each row, whose padding is 0. "
            f"Received: padding_id={known.padding_id}, times "
            f"{'unknown' if times is None else 'known'}"
        )
    counts = np.bincount(
        sessions.rows[times < known_until].ravel(), minlength=len(known.raw_ids)
    )
    counts[0] = 0
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    if not len(order):
        raise ValueError(
            "Expected sessions that were over before that time. "
            f"Received: known_until={known_until}, the earliest is of "
            f"{times.min()}"
        )
    new_ids = np.zeros(len(known.raw_ids), "int32")
    new_ids[order] = np.arange(1, len(order) + 1)
    chosen = (times >= since) & (times < until)
    rows = new_ids[sessions.rows]
    chosen &= (rows[:, -1] > 0) & ((rows > 0).sum(axis=1) > 1)
    rows = rows[chosen]
    # Stable: what is left keeps its order, paddings go to the left.
    left = np.argsort(rows > 0, axis=1, kind="stable")
    return dataclasses.replace(
        sessions,
        rows=np.take_along_axis(rows, left, axis=1),
        users=sessions.users[chosen],
        vocabulary=Vocabulary(
            [None, *(known.raw_ids[i] for i in order)],
            [0, *counts[order]],
            padding_id=0,
            history_length=known.history_length,
        ),
        times=times[chosen],
    )
