"""How often items are in a session together."""

from collections.abc import Collection

import numpy as np


def co_occurrences(
    rows: np.ndarray, item_ids: Collection[int], padding_id: int
) -> dict[int, dict[int, int]]:
    """In how many sessions each other item is with a given one.

    Args:
        rows: (num_rows, t) sessions.
        item_ids: the items that are asked for.
        padding_id: which is no item.

    Returns:
        Of each of the items that occurs beside others: {other id: number of
        sessions}.
    """
    asked = np.zeros(int(rows.max(initial=0)) + 1, bool)
    asked[[i for i in item_ids if i < len(asked)]] = True
    found: dict[int, dict[int, int]] = {}
    for row in rows[asked[rows].any(axis=1)]:
        items = np.unique(row[row != padding_id])
        for item in items[asked[items]].tolist():
            beside = found.setdefault(item, {})
            for other in items.tolist():
                if other != item:
                    beside[other] = beside.get(other, 0) + 1
    return found
