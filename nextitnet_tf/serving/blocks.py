"""What files of histories and of answers have in common."""

import re
from collections.abc import Collection
from typing import Any
from typing import NamedTuple

from nextitnet_tf.preparation.columns import ALIASES
from nextitnet_tf.preparation.columns import is_header
from nextitnet_tf.preparation.columns import plain_name
from nextitnet_tf.vocabulary import RawId

_BETWEEN = re.compile(r"[,;|\t]")
_TYPE = re.compile(r":(token|float)(_seq)?$")


class Block(NamedTuple):
    """Some histories that follow each other in a file.

    Attributes:
        users: of each; None in a file without.
        histories: raw ids of each, oldest first.
    """

    users: list[Any] | None
    histories: list[list[RawId]]


class Answers(NamedTuple):
    """What the histories of a block get.

    Attributes:
        users: as in the block.
        items: raw ids of each, likeliest first.
        scores: of those.
    """

    users: list[Any] | None
    items: list[list[RawId]]
    scores: list[list[float]]


class Users:
    """What the users of a file have in common, those that are not missing.

    Args:
        are_of_one_kind: whether they must be all integers or all text.
    """

    def __init__(self, are_of_one_kind: bool):
        self._are_of_one_kind = are_of_one_kind
        self._kind: Any = None

    def check(self, user: RawId | None, place: str) -> None:
        """Raises if a user is of another kind than those before."""
        if user is None or not self._are_of_one_kind:
            return
        self._kind = self._kind or type(user)
        is_large = isinstance(user, int) and not -(2**63) <= user < 2**63
        if type(user) is not self._kind or is_large:
            raise ValueError(
                "Expected users that are all integers of 64 bits or all text, "
                "as parquet has them (jsonl takes any). Received: "
                f"{place}: {user!r}"
            )


def user_name(names: Collection[str]) -> str:
    """What the users are called, if there are any: `user`, or `user_id`."""
    if "user" in names:
        return "user"
    known = (n for n in names if plain_name(n) in ALIASES["user"])
    return next(known, "user")


def check_is_no_table(line: str, place: str, known: Collection[str]) -> None:
    """Raises if a first line names the columns of a table of interactions.

    Each of its lines would be answered, as a history of a user, an item and a
    time.

    Args:
        line: the first.
        place: where it stands, for the error.
        known: items; a line of nothing else is a history.

    Raises:
        ValueError: it names a column of users and one of items.
    """
    # RecBole has types behind names: `user_id:token`.
    names = [
        _TYPE.sub("", field.strip().strip('"'))
        for field in _BETWEEN.split(line)
    ]
    if is_header(names) and not all(name in known for name in names):
        raise ValueError(
            "Expected a history a line: its items, oldest first. Received: "
            f"{place}, {line[:60]!r}, a table with a row an interaction; "
            "nextitnet_tf.load_model(MODEL).recommend(pandas.read_csv(FILE)) "
            "answers its users"
        )
