"""Item ids in order of first appearance."""

import numpy as np
import pandas as pd


def number_by_first_appearance(rows):
    """Item ids as the release's loader gives them.

    Ids count up from 1 in the order in which tokens first appear, row by
    row, left to right. Padding, written out as a token, is one of them. Id 0
    is `<UNK>`, which never occurs.

    Args:
        rows: (num_rows, t) non-negative integers, 0 the padding token.

    Returns:
        (num_rows, t) int32 new ids, and the old value of each new id
        (position 0, `<UNK>`, holds -1).

    Reference:
        The release's loader, a contrib VocabularyProcessor.
    """
    rows = np.asarray(rows)
    # Hashes, in the order of what it finds: no sorting, no table of all ids.
    codes, old_ids = pd.factorize(np.ascontiguousarray(rows).ravel())
    new_ids = codes.astype("int32").reshape(rows.shape)
    new_ids += 1
    return new_ids, np.concatenate([[-1], old_ids])
