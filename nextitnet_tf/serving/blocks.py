"""What files of histories and of answers have in common."""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any
from typing import NamedTuple

from nextitnet_tf.preparation.columns import ALIASES
from nextitnet_tf.preparation.columns import is_header
from nextitnet_tf.preparation.columns import plain_name
from nextitnet_tf.vocabulary import RawId

_BETWEEN = re.compile(r"[,;|\t]")
_TYPE = re.compile(r":(token|float)(_seq)?$")
# What a header would call histories.
_HEADS = {"history", "histories", "items", "sequence"}
_KINDS = {
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "jsonl"),
    **dict.fromkeys((".parquet", ".pq"), "parquet"),
}
# Of files that would be written, or read, as something else.
_OTHERS = (
    *(".tsv", ".gz", ".zip", ".bz2", ".xz", ".zst", ".xlsx", ".xls", ".npy"),
    *(".npz", ".pkl", ".pickle", ".arrow", ".feather", ".avro", ".orc"),
)


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


def kind_of(path: Path) -> str:
    """What the suffix of a file promises.

    Returns:
        "jsonl" (of .json and .ndjson, too), "parquet" or "text".

    Raises:
        ValueError: of files that are none of these.
    """
    suffix = path.suffix.lower()
    if suffix in _OTHERS:
        raise ValueError(
            "Expected a file of .jsonl, .parquet or lines of csv (.csv, .txt). "
            f"Received: {path}"
        )
    return _KINDS.get(suffix, "text")


def check_first_line(line: str, place: str, known: Collection[str]) -> None:
    """Raises if a first line says that the lines are no histories.

    Each of them would be answered: those of a table of interactions as a
    history of a user, an item and a time, those of JSON and a header as one of
    items that nobody knows.

    Args:
        line: the first.
        place: where it stands, for the error.
        known: items; a line of nothing else is a history.

    Raises:
        ValueError: it begins as JSON does; it names columns.
    """
    # RecBole has types behind names: `user_id:token`.
    names = [
        _TYPE.sub("", field.strip().strip('"'))
        for field in _BETWEEN.split(line)
    ]
    if all(name in known for name in names):
        return
    expected = "Expected a history a line: its items, oldest first. Received: "
    received = f"{expected}{place}, {line[:60]!r}"
    if is_header(names):
        raise ValueError(
            f"{received}, a table with a row an interaction; "
            "nextitnet_tf.load_model(MODEL).recommend(pandas.read_csv(FILE)) "
            "answers its users"
        )
    if any(name in known for name in names):
        return
    if _is_json(line):
        raise ValueError(f"{received}, JSON, which a file of .jsonl may have")
    if {*map(plain_name, names)} <= _HEADS | {*ALIASES["user"]}:
        raise ValueError(f"{received}, a header, which there must not be")


def _is_json(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict | list)
    except (ValueError, RecursionError):
        return False
