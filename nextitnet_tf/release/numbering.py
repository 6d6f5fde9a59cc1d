"""Item ids as the releases' loaders give them."""

import numpy as np
import pandas as pd

# What CpRec's and SkipRec's releases have where a session has no item.
PADDING_TOKEN, ZERO_TOKEN = "<PAD>", "0"


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


def number_by_count(rows, tokens, after_unknown=False):
    """Item ids as CpRec's release gives them, and SkipRec's.

    Ids count up from 0 in the order of (-count, token), tokens compared as
    text. Padding is counted like any token, so that it usually is id 0.

    SkipRec's count up from 1: id 0 is `<UNK>`, which never occurs. Tokens of
    equal count are there in the order of a dict of Python 2, which no other
    program has; they are in that of their text here.

    Args:
        rows: (num_rows, t) integers, 0 the padding token.
        tokens: of the values 1, 2, ... of the rows, by their place.
        after_unknown: whether ids are SkipRec's.

    Returns:
        (num_rows, t) int32 new ids, and the old value of each new id (-1 for
        `<UNK>`).

    Reference:
        The releases' loaders.
    """
    padding = ZERO_TOKEN if after_unknown else PADDING_TOKEN
    names = [padding, *map(str, tokens)]
    counts = np.bincount(np.asarray(rows).ravel(), minlength=len(names))
    order = sorted(range(len(names)), key=lambda i: (-counts[i], names[i]))
    if after_unknown:  # of what is in the file
        order = [-1, *(i for i in order if counts[i])]
    old_ids = np.array(order)
    new_ids = np.zeros(len(names), "int32")
    new_ids[old_ids[after_unknown:]] = np.arange(after_unknown, len(old_ids))
    return new_ids[rows], old_ids
