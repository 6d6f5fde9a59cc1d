"""One row a user: the last item is the test, the last but one validation."""

import dataclasses

import numpy as np

from nextitnet_tf.data.sessions import Sessions

# Of a user with fewer, nothing is left to train on.
MIN_ITEMS = 3


def rows_of_users(sessions: Sessions) -> tuple[Sessions, np.ndarray]:
    """Three rows a user: all but the last two items, all but one, all.

    The rows of a user are joined again, and of each of the three histories
    the latest t items are kept, so that a long history is not cut shorter in
    training than in the test.

    Args:
        sessions: as they were prepared.

    Returns:
        Sessions with the rows to train on, then those of validation, then
        those of the test, each in the order of the users; and (num_users,)
        whether a user has `MIN_ITEMS` items, without which there is nothing
        to evaluate.
    """
    padding_id = sessions.vocabulary.padding_id
    order = np.argsort(sessions.users, kind="stable")
    rows, users = sessions.rows[order], sessions.users[order]
    is_item = rows != padding_id
    items = rows[is_item]
    known, first = np.unique(users, return_index=True)
    lengths = np.add.reduceat(is_item.sum(axis=1), first)
    ends = np.cumsum(lengths)
    back = np.arange(-rows.shape[1], 0)

    def histories(left_out: int) -> np.ndarray:
        index = (ends - left_out)[:, None] + back
        is_known = index >= (ends - lengths)[:, None]
        found = np.where(is_known, items[np.maximum(index, 0)], padding_id)
        return found.astype("int32")

    arranged = dataclasses.replace(
        sessions,
        rows=np.concatenate([histories(2), histories(1), histories(0)]),
        users=np.tile(known, 3),
        times=None,  # of a row's latest item: known of the last one alone
    )
    return arranged, lengths >= MIN_ITEMS
