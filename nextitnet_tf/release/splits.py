"""Which rows the release trains and tests on."""

import random

import numpy as np

_SEED = 10
_NESTINGS = ("release", "repaired")


def split(num_rows, data_ratio, nesting="release", test_share=0.2, seed=_SEED):
    """Rows to train and to test on, in the release's order.

    A seeded permutation; the last 20 % are the test set, a sample of the
    rest is the training set of this ratio. SkipRec's release has the last
    10 % and another seed.

    The fractions 0.2, 0.4, 0.6 and 0.8 are meant to be nested. In the
    release 0.6 is not: 0.6 - 0.2 - 0.2 falls short of 0.2 in floating point,
    so where the number of training rows is a multiple of 5 its first draw is
    one row shorter and all later draws differ. `nesting="repaired"` draws
    the sizes of the 0.2 chain everywhere.

    Args:
        num_rows: rows in all.
        data_ratio: fraction of the training rows, in (0, 1].
        nesting: "release", or "repaired" for subsets that do nest.
        test_share: of all rows.
        seed: of the permutation.

    Returns:
        Two int64 arrays of row numbers, train and test.

    Raises:
        ValueError: a ratio out of range, an unknown nesting.

    Reference:
        The release's trainers; Python's and NumPy's generators with seed 10.
    """
    order = np.random.RandomState(seed).permutation(num_rows)
    num_test = int(test_share * num_rows)
    train, test = order[: num_rows - num_test], order[num_rows - num_test :]
    return train[draw_fraction(len(train), data_ratio, nesting)], test


# How the release writes the size of the first of its four draws. Evaluated
# in floating point, 0.6 - 0.2 - 0.2 is not 0.2.
_FIRST_SHARE = {
    0.2: 0.2,
    0.4: 0.4 - 0.2,
    0.6: 0.6 - 0.2 - 0.2,
    0.8: 0.8 - 0.2 - 0.2 - 0.2,
}


def draw_fraction(num_train, data_ratio, nesting="release"):
    """The release's draw of a fraction of the training rows.

    Args:
        num_train: rows to draw from.
        data_ratio: fraction, in (0, 1].
        nesting: as for `split`.

    Returns:
        A list of positions among them, oldest fifth first.

    Raises:
        ValueError: a ratio out of range, an unknown nesting.
    """
    if not 0 < data_ratio <= 1:
        raise ValueError(
            f"`data_ratio` must be in (0, 1]. Received: data_ratio={data_ratio}"
        )
    if nesting not in _NESTINGS:
        raise ValueError(
            f"`nesting` must be one of {_NESTINGS}. "
            f"Received: nesting={nesting!r}"
        )
    if data_ratio == 1:
        return list(range(num_train))
    generator = random.Random(_SEED)
    if data_ratio not in _FIRST_SHARE:
        return generator.sample(range(num_train), int(data_ratio * num_train))
    share = 0.2 if nesting == "repaired" else _FIRST_SHARE[data_ratio]
    remainder = set(range(num_train))
    drawn = generator.sample(list(remainder), int(share * num_train))
    chosen = list(drawn)
    # Each further fifth: a quarter, a third, a half of what is left. The
    # order of list(set) is part of the release's result: do not sort.
    for parts in (4, 3, 2)[: round(data_ratio * 5) - 1]:
        remainder = remainder - set(drawn)
        size = int((1.0 / parts) * float(len(remainder)))
        drawn = generator.sample(list(remainder), size)
        chosen += drawn
    return chosen
