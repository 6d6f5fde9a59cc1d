"""Item ids as the releases' loaders give them."""

import numpy as np
import pandas as pd

# What the releases write where a session has no item.
PADDING_TOKEN = "<PAD>"


def number_by_first_appearance(rows):
    """Item ids as StackRec's release gives them.

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


def number_by_count(rows, tokens):
    """Item ids as CpRec's release gives them.

    Ids count up from 0 in the order of (-count, token), tokens compared as
    text. Padding is counted like any token, so that it usually is id 0.

    Args:
        rows: (num_rows, t) integers, 0 the padding token.
        tokens: of the values 1, 2, ... of the rows, by their place.

    Returns:
        (num_rows, t) int32 new ids, and the old value of each new id.

    Reference:
        The release's loader.
    """
    names = [PADDING_TOKEN, *map(str, tokens)]
    counts = np.bincount(np.asarray(rows).ravel(), minlength=len(names))
    old_ids = np.array(
        sorted(range(len(names)), key=lambda i: (-counts[i], names[i]))
    )
    new_ids = np.empty(len(names), "int32")
    new_ids[old_ids] = np.arange(len(names))
    return new_ids[rows], old_ids
