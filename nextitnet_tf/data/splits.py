"""Which rows are for training, validation and test."""

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nextitnet_tf import release
from nextitnet_tf.data import leave_one_out
from nextitnet_tf.data import temporal
from nextitnet_tf.data.sessions import Sessions
from nextitnet_tf.protocol import PROTOCOLS
from nextitnet_tf.protocol import Protocol

_SPLIT_SEED = 10


@dataclass(frozen=True)
class Split:
    """Row numbers; `train` in the order it is read.

    Attributes:
        train: rows to train on.
        validation: rows that early stopping looks at.
        test: rows that are reported.
        sessions: whose rows they are, where they are rows of sessions: those
            that were split, or others made of them (`leave_one_out`).
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    sessions: Sessions | None = None

    @property
    def rows(self) -> Sessions:
        """The sessions whose rows these are.

        Raises:
            ValueError: they are no rows of sessions.
        """
        if self.sessions is None:
            raise ValueError("Expected a split of sessions. Received: of pairs")
        return self.sessions

    @property
    def first_time_of_evaluation(self) -> float | None:
        """When the first row was over that is not trained on, if known."""
        times = self.rows.times
        if times is None:
            return None
        return float(min(times[self.validation].min(), times[self.test].min()))

    @property
    def last_time_of_training(self) -> float | None:
        """When the latest of the training rows was over, if that is known."""
        times = self.rows.times
        return None if times is None else float(times[self.train].max())


def part(
    sessions: Sessions,
    name: str = "test",
    protocol: Protocol = PROTOCOLS["clean"],
) -> Sessions:
    """The sessions of one part of a split.

    Args:
        sessions: all of them.
        name: "train", "validation" or "test".
        protocol: says how they are split.

    Returns:
        Those, numbered as before.

    Raises:
        ValueError: there is no such part; too few sessions.
    """
    if name not in ("train", "validation", "test"):
        raise ValueError(
            "Expected a part 'train', 'validation' or 'test'. Received: "
            f"{name=}"
        )
    found = split(sessions, protocol)
    numbers, whole = np.sort(getattr(found, name)), found.rows
    times = whole.times
    return dataclasses.replace(
        whole,
        rows=whole.rows[numbers],
        users=whole.users[numbers],
        times=None if times is None else times[numbers],
    )


def split(sessions: Sessions, protocol: Protocol, data_ratio=1.0) -> Split:
    """Which rows are for training, validation and test.

    Args:
        sessions: all of them.
        protocol: says how.
        data_ratio: fraction of the training rows.

    Returns:
        The row numbers, and whose they are. Neither they nor their nesting
        depend on a recipe's seed.

    Raises:
        ValueError: too few sessions.
    """
    num_rows = len(sessions.rows)
    if protocol.split == "leave_one_out":
        parts = _leave_one_out(sessions, data_ratio)
    elif protocol.split == "temporal":
        train, validation, test = temporal.rows_by_time(
            sessions.times, protocol.train_until, protocol.validate_until
        )
        order = np.random.default_rng(_SPLIT_SEED).permutation(train)
        train = order[: int(data_ratio * len(order))]
        parts = Split(train, validation, test, sessions)
    elif protocol.split == "rows":
        train, test = release.split(
            num_rows,
            1,
            test_share=protocol.test_share,
            seed=protocol.split_seed,
        )
        validation = test
        if protocol.validation_share:
            first = len(train) - int(protocol.validation_share * num_rows)
            train, validation = train[:first], train[first:]
        train = _fraction(train, data_ratio, protocol)
        parts = Split(train, validation, test, sessions)
    elif protocol.split == "users":
        of_users = split_users(sessions.users)
        train = _fraction(of_users.train, data_ratio, protocol)
        parts = dataclasses.replace(of_users, train=train, sessions=sessions)
    else:
        raise ValueError(
            "Expected a split that is known here. "
            f"Received: protocol.split={protocol.split!r}"
        )
    for name in ("train", "validation", "test"):
        if not len(getattr(parts, name)):
            raise ValueError(
                f"Too few sessions: none is left for the {name} set. "
                f"Received: {num_rows} rows, data_ratio={data_ratio}"
            )
    check_disjoint(parts, protocol)
    return parts


def check_disjoint(parts: Split, protocol: Protocol) -> None:
    """What no metric may be reported without: nobody is tested on training.

    Args:
        parts: of sessions.
        protocol: by which they were split; `release` validates on its test.

    Raises:
        RuntimeError: rows, or users where they are what is split, on two
            sides. This is an error of the library's, not of the data.
    """
    sides = {"train": parts.train, "test": parts.test}
    if protocol.split != "rows" or protocol.validation_share:
        sides["validation"] = parts.validation
    for name, rows in sides.items():
        if rows.min() < 0 or rows.max() >= len(parts.rows.rows):
            raise RuntimeError(
                f"Expected rows 0 to {len(parts.rows.rows) - 1}. Received: "
                f"{name} from {rows.min()} to {rows.max()}"
            )
    kinds = {"rows": sides}
    if protocol.split == "users":
        kinds["users"] = {
            name: parts.rows.users[rows] for name, rows in sides.items()
        }
    for kind, of_sides in kinds.items():
        check_apart(kind, of_sides)


def check_apart(kind: str, sides: Mapping[str, np.ndarray]) -> None:
    """Raises if two sides have something in common.

    Args:
        kind: of what must not be on two sides.
        sides: numbers, by name of the side.

    Raises:
        RuntimeError: some are: this is an error of the library's.
    """
    for (one, its), (other, others) in itertools.combinations(sides.items(), 2):
        shared = np.intersect1d(its, others)
        if len(shared):
            raise RuntimeError(
                f"Expected {one} and {other} without {kind} in common. "
                f"Received: {len(shared)} of them, such as {shared[0]}"
            )


def _fraction(train, data_ratio: float, protocol: Protocol) -> np.ndarray:
    """Of the rows to train on, as the protocol nests fractions."""
    if protocol.nesting == "prefix":
        return train[: int(data_ratio * len(train))]
    drawn = release.draw_fraction(len(train), data_ratio, protocol.nesting)
    return train[drawn]


def _leave_one_out(sessions: Sessions, data_ratio: float) -> Split:
    """Of each user all but the last two items, the last but one, the last."""
    arranged, is_long = leave_one_out.rows_of_users(sessions)
    count = len(is_long)
    train = np.random.default_rng(_SPLIT_SEED).permutation(
        np.flatnonzero(
            (arranged.rows[:count, -2:] != sessions.vocabulary.padding_id).all(
                axis=1
            )
        )
    )
    evaluated = np.flatnonzero(is_long)
    return Split(
        train[: int(data_ratio * len(train))],
        count + evaluated,
        2 * count + evaluated,
        arranged,
    )


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
