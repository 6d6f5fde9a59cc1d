"""Histories of users: filtered, sorted by time, cut into rows of t."""

from collections.abc import Callable
from collections.abc import Sequence

import numpy as np

from nextitnet_tf.preparation import memory
from nextitnet_tf.preparation.interactions_csv import Interactions


def filter_interactions(
    found: Interactions,
    *,
    min_users_per_item: int,
    min_items_per_user: int,
    filter_order: Sequence[str],
    iterate: bool,
    report: Callable[[str, Interactions, str], None],
) -> Interactions:
    """Drops items with few distinct users, and users with few interactions.

    Args:
        found: interactions, in any order; it is kept.
        min_users_per_item: fewest distinct users of an item that stays.
        min_items_per_user: fewest interactions of a user who stays.
        filter_order: "items" and "users", the first one first.
        iterate: repeat both until neither drops anything.
        report: called after each step with its name, what is left and the
            threshold.

    Returns:
        What is left. Unless iterated, the first threshold need not hold any
        more once the second has been applied.
    """
    changed = True
    while changed:
        before = len(found)
        for step in filter_order:
            if step == "items":
                choice = f"min_users_per_item={min_users_per_item}"
                if min_users_per_item > 1:
                    enough = _distinct_users(found) >= min_users_per_item
                    found = _take_where(found, enough[found.items])
            else:
                choice = f"min_items_per_user={min_items_per_user}"
                if min_items_per_user > 1:
                    enough = np.bincount(found.users) >= min_items_per_user
                    found = _take_where(found, enough[found.users])
            report(step, found, choice)
        changed = iterate and len(found) < before
    return found


def sort_interactions(found: Interactions) -> Interactions:
    """Sorts by user, then time; equal times keep their order."""
    users, times = found.users, found.times
    if times is None:
        return found.take(np.argsort(users, kind="stable"))
    if times.dtype.kind == "i":
        earliest = int(times.min())
        span = int(times.max()) - earliest + 1
        if len(found.user_ids) * span < 2**63:
            # One key of 64 bits sorts several times faster than two do.
            keys = times.astype(np.int64) - earliest
            keys += users.astype(np.int64) * span
            return found.take(np.argsort(keys, kind="stable"))
    return found.take(np.lexsort((times, users)))


def cut(
    users: np.ndarray, *, t: int, cut_from: str, min_length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cuts each user's history into chunks of t items.

    Args:
        users: `(num_interactions,)` user of each, ascending, oldest first.
        t: length of a chunk.
        cut_from: "end" leaves the oldest chunk of a user the short one,
            "start" the latest.
        min_length: a chunk shorter than this is dropped.

    Returns:
        `(lengths, kept)`: the length of each kept chunk, in order, and a mask
        of the interactions in them.
    """
    bounds = np.flatnonzero(np.diff(users, prepend=-1, append=-1))
    histories = np.diff(bounds)  # length of each user's history
    num_chunks = -(-histories // t)
    last = np.cumsum(num_chunks) - 1
    lengths = np.full(int(num_chunks.sum()), t)
    short = last if cut_from == "start" else last - num_chunks + 1
    lengths[short] = histories - (num_chunks - 1) * t
    enough = lengths >= min_length
    return lengths[enough], np.repeat(enough, lengths)


def pad_left(ids: np.ndarray, lengths: np.ndarray, t: int) -> np.ndarray:
    """Lays consecutive chunks into rows of t, padded with 0 on the left.

    Args:
        ids: `(lengths.sum(),)` items of all chunks, one chunk after another.
        lengths: `(num_rows,)` items in each chunk, at most t.
        t: length of a row.

    Returns:
        `(num_rows, t)` int32, the last item of each chunk at column t - 1.

    Raises:
        DataError: so many rows of t do not fit into memory.
    """
    memory.check_rows(len(lengths), t)
    rows = np.zeros((len(lengths), t), np.int32)
    # A mask is filled in row order, which is the order of `ids`.
    rows[np.arange(t) >= t - lengths[:, None]] = ids
    return rows


def _distinct_users(found: Interactions) -> np.ndarray:
    """Number of distinct users of every item."""
    num_users = len(found.user_ids)
    pairs = found.items.astype(np.int64) * num_users + found.users
    pairs.sort()
    first = np.ones(len(pairs), bool)
    np.not_equal(pairs[1:], pairs[:-1], out=first[1:])
    return np.bincount(pairs[first] // num_users)


def _take_where(found: Interactions, mask: np.ndarray) -> Interactions:
    return found if mask.all() else found.take(mask)
