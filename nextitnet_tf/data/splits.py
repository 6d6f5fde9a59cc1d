"""Which rows are for training, validation and test."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from nextitnet_tf import release
from nextitnet_tf.data.sessions import Sessions
from nextitnet_tf.recipe import Protocol

_SPLIT_SEED = 10


@dataclass(frozen=True)
class Split:
    """Row numbers; `train` in the order it is read."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split(sessions: Sessions, protocol: Protocol, data_ratio=1.0) -> Split:
    """Which rows are for training, validation and test.

    Args:
        sessions: all of them.
        protocol: says how.
        data_ratio: fraction of the training rows.

    Returns:
        The row numbers. Neither they nor their nesting depend on a
        recipe's seed.
    """
    num_rows = len(sessions.rows)
    if protocol.split == "rows":
        nesting = protocol.nesting
        if nesting == "prefix":
            train, test = release.split(num_rows, 1)
            train = train[: int(data_ratio * len(train))]
        else:
            train, test = release.split(num_rows, data_ratio, nesting)
        parts = Split(train, test, test)
    else:
        of_users = split_users(sessions.users)
        train = of_users.train
        if protocol.nesting == "prefix":
            train = train[: int(data_ratio * len(train))]
        else:
            train = train[
                release.draw_fraction(len(train), data_ratio, protocol.nesting)
            ]
        parts = dataclasses.replace(of_users, train=train)
    for name in ("train", "validation", "test"):
        if not len(getattr(parts, name)):
            raise ValueError(
                f"Too few sessions: none is left for the {name} set. "
                f"Received: {num_rows} rows, data_ratio={data_ratio}"
            )
    return parts


def split_users(users: np.ndarray) -> Split:
    """80/10/10 of the users; the training rows in an order of their own.

    Args:
        users: (num_rows,) user of each row.
    """
    generator = np.random.default_rng(_SPLIT_SEED)
    shuffled = generator.permutation(np.unique(users))
    first, second = int(0.8 * len(shuffled)), int(0.9 * len(shuffled))
    in_train, in_validation, in_test = (
        np.flatnonzero(np.isin(users, group))
        for group in np.split(shuffled, [first, second])
    )
    return Split(generator.permutation(in_train), in_validation, in_test)
