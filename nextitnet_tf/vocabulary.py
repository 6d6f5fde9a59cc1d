"""Raw item ids and the ids a model knows them by."""

import csv
import json
import numbers
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from typing import ClassVar

RawId = int | str
_ITEMS, _ABOUT = "items.csv", "vocabulary.json"
# What a file may claim: columns that are no items, and items of a history.
_MOST_OTHERS, _LONGEST = 1000, 1_000_000


@dataclass(frozen=True)
class Vocabulary:
    """What a trained model must remember to answer in raw ids.

    Raw ids are all integers or all text. Integers of NumPy become Python's,
    so that a saved and loaded vocabulary answers in the same type.

    Attributes:
        raw_ids: by model id; None where a column is no item (padding, the
            release's `<UNK>`).
        counts: by model id, occurrences in the data.
        padding_id: the id that fills up short histories, on the left; its
            column is no item.
        history_length: T, latest items the model was trained to look at.
        FILES: names of the files that `save` writes.

    Raises:
        ValueError: a raw id that is neither int nor str, raw ids that cannot
            be told apart, lengths that differ, a number that is no integer
            or out of range.
    """

    FILES: ClassVar[tuple[str, ...]] = (_ITEMS, _ABOUT)

    raw_ids: Sequence[RawId | None]
    counts: Sequence[int]
    padding_id: int
    history_length: int

    def __post_init__(self) -> None:
        raw_ids = [
            None if raw is None else as_raw_id(raw, f"raw_ids[{i}]")
            for i, raw in enumerate(self.raw_ids)
        ]
        counts = [
            _as_integer(count, f"counts[{i}]", least=0)
            for i, count in enumerate(self.counts)
        ]
        if len(raw_ids) != len(counts):
            raise ValueError(
                "Expected a count for each raw id. Received: "
                f"{len(raw_ids)} raw_ids, {len(counts)} counts"
            )
        _check_distinct(raw_ids)
        padding_id = _as_integer(self.padding_id, "padding_id", least=0)
        if padding_id >= len(raw_ids) or raw_ids[padding_id] is not None:
            raise ValueError(
                "`padding_id` must be a column that is no item (None in "
                f"`raw_ids`). Received: padding_id={padding_id}, "
                f"{len(raw_ids)} columns"
            )
        length = _as_integer(self.history_length, "history_length", least=1)
        # The class is frozen; this is the one place that may set.
        object.__setattr__(self, "raw_ids", raw_ids)
        object.__setattr__(self, "counts", counts)
        object.__setattr__(self, "padding_id", padding_id)
        object.__setattr__(self, "history_length", length)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Model id of each raw id, which is looked up as text."""
        return {
            str(raw): i for i, raw in enumerate(self.raw_ids) if raw is not None
        }

    @cached_property
    def not_items(self) -> list[int]:
        """Columns that can never be recommended."""
        return [i for i, raw in enumerate(self.raw_ids) if raw is None]

    @property
    def num_items(self) -> int:
        """Items that can be recommended."""
        return len(self.raw_ids) - len(self.not_items)

    def encode(self, history: Iterable[RawId]) -> tuple[list[int], int]:
        """Model ids of a history.

        Args:
            history: raw ids, oldest first; integers and their text are the
                same, as is text with and without white space at its ends,
                which preparation cuts off.

        Returns:
            The ids of those known, in order, and how many are unknown.

        Raises:
            ValueError: a raw id that is neither int nor str.
        """
        known = []
        for raw in history:
            name = str(as_raw_id(raw, "an item of a history"))
            found = self.ids.get(name)
            known.append(self.ids.get(name.strip()) if found is None else found)
        ids = [i for i in known if i is not None]
        return ids, len(known) - len(ids)

    def with_items_of(self, other: "Vocabulary") -> "Vocabulary":
        """The same, and behind its columns the items that another has more.

        Their count here is 0. So whoever goes on with other data forgets
        nothing.

        >>> new = Vocabulary([None, "b", "c"], [0, 2, 1], 0, history_length=5)
        >>> old = Vocabulary([None, "a", "b"], [0, 9, 4], 0, history_length=5)
        >>> new.with_items_of(old).raw_ids
        [None, 'b', 'c', 'a']

        Ids that are text in one of them are text in all of it.

        Args:
            other: of other data.
        """
        more: list[RawId | None] = [
            raw
            for raw in other.raw_ids
            if raw is not None and str(raw) not in self.ids
        ]
        raw_ids = [*self.raw_ids, *more]
        if any(isinstance(raw, str) for raw in raw_ids):
            raw_ids = [None if raw is None else str(raw) for raw in raw_ids]
        return Vocabulary(
            raw_ids,
            [*self.counts, *[0] * len(more)],
            self.padding_id,
            self.history_length,
        )

    def save(self, folder: str | Path) -> None:
        """Writes items.csv and vocabulary.json into an existing folder."""
        folder = Path(folder)
        with open(folder / _ITEMS, "w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f)
            writer.writerow(["id", "raw_id", "count"])
            for i, (raw, count) in enumerate(
                zip(self.raw_ids, self.counts, strict=True)
            ):
                if raw is not None:
                    writer.writerow([i, raw, count])
        (folder / _ABOUT).write_text(
            json.dumps(
                {
                    "num_columns": len(self.raw_ids),
                    "num_items": self.num_items,
                    "integer_ids": not any(
                        isinstance(raw, str) for raw in self.raw_ids
                    ),
                    "padding_id": self.padding_id,
                    "history_length": self.history_length,
                }
            ),
            encoding="utf-8",
        )

    @classmethod
    def is_saved(cls, folder: str | Path | None) -> bool:
        """Whether `save` has written here, all of it or a part."""
        if folder is None:
            return False
        return any((Path(folder) / name).is_file() for name in cls.FILES)

    @classmethod
    def load(cls, folder: str | Path) -> "Vocabulary":
        """Reads what `save` wrote.

        Raises:
            ValueError: one of the two files is missing or damaged.
        """
        path = Path(folder) / _ABOUT
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            if about["history_length"] > _LONGEST:
                raise ValueError(f"history_length={about['history_length']:,}")
            path = Path(folder) / _ITEMS
            # Each item takes a line of the file, which is a byte at least.
            if about["num_columns"] > _MOST_OTHERS + path.stat().st_size:
                raise ValueError(f"num_columns={about['num_columns']:,}")
            raw_ids: list[RawId | None] = [None] * about["num_columns"]
            counts = [0] * about["num_columns"]
            last = -1
            with open(path, newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    i, raw = int(row["id"]), row["raw_id"]
                    if i <= last:
                        raise ValueError(f"id {i} follows id {last}")
                    last = i
                    raw_ids[i] = int(raw) if about["integer_ids"] else raw
                    counts[i] = int(row["count"])
            num_items = len(raw_ids) - raw_ids.count(None)
            # Files of earlier versions do not say how many there are.
            if num_items != about.get("num_items", num_items):
                raise ValueError(f"it has {num_items} items")
            return cls(
                raw_ids, counts, about["padding_id"], about["history_length"]
            )
        except (OSError, ValueError, TypeError, LookupError, csv.Error) as e:
            raise ValueError(
                "Expected the two files of a vocabulary, "
                f"{_ITEMS} and {_ABOUT}. Received: {path}, which is missing "
                f"or damaged ({type(e).__name__}: {e})"
            ) from e


def as_raw_id(raw: Any, name: str) -> RawId:
    """A raw id as Python's int or str.

    Args:
        raw: what is to be one.
        name: what it is called in an error.

    Raises:
        ValueError: it is neither an integer nor text.
    """
    if type(raw) is int or type(raw) is str:
        return raw
    if isinstance(raw, str):  # NumPy's, too
        return str.__str__(raw)
    return _as_integer(raw, name, what="an int or a str")


def _as_integer(
    value: Any, name: str, least: int | None = None, what: str = "an integer"
) -> int:
    # NumPy registers its integers as Integral; bool is one, and no number.
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(
            f"Expected {what}. Received: {name}={value!r} "
            f"({type(value).__name__})"
        )
    if least is not None and value < least:
        raise ValueError(
            f"`{name}` must be at least {least}. Received: {name}={value}"
        )
    return int(value)


def _check_distinct(raw_ids: list[RawId | None]) -> None:
    """Refuses raw ids that are not told apart on the way through a file."""
    seen: dict[str, int] = {}
    types: dict[type, RawId] = {}
    for i, raw in enumerate(raw_ids):
        if raw is None:
            continue
        types.setdefault(type(raw), raw)
        before = seen.setdefault(str(raw), i)
        if before != i:
            raise ValueError(
                "Expected raw ids whose text differs. Received: "
                f"raw_ids[{before}]={raw_ids[before]!r}, raw_ids[{i}]={raw!r}"
            )
    if len(types) > 1:
        raise ValueError(
            "Expected raw ids that are all int or all str. Received: "
            + " and ".join(repr(raw) for raw in types.values())
        )
    try:
        "".join(seen).encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"Expected raw ids that UTF-8 can write. Received: {error}"
        ) from error
