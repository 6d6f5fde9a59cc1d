"""How interactions become sessions: every choice, with what is usual."""

import dataclasses
import difflib
import numbers
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from nextitnet_tf.preparation.columns import ALIASES
from nextitnet_tf.preparation.columns import Columns
from nextitnet_tf.preparation.columns import plain_name
from nextitnet_tf.preparation.errors import DataError

_NUMBERS = ("t", "min_users_per_item", "min_items_per_user", "min_length")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choices:
    """How interactions of users with items become sessions.

    Attributes:
        t: length of a row, in items.
        min_users_per_item: an item with fewer distinct users goes; 0 or 1
            keeps all.
        min_items_per_user: a user with fewer interactions goes; 0 or 1 keeps
            all.
        filter_order: which of "items" and "users" is filtered first.
        iterate: filter until nothing goes any more, instead of once.
        cut_from: "end" makes the oldest chunk of a user the short one, so
            that every other ends where the model predicts; "start" the
            latest.
        min_length: shortest chunk that is kept, in items.
        user_column: name of a column; by default well-known names are tried.
        item_column: likewise.
        timestamp_column: likewise; of numbers, or of dates (ISO 8601).
        order_column: likewise. It wins over timestamps that are not named,
            which are then not read and may be empty.
        time: "auto", or "file" where the order of the lines is that of time.
        columns: names of all columns of a file without a header, in order; by
            default the file's first line.
        separator: what stands between the fields of a file.

    Raises:
        DataError: a choice that is none.
    """

    t: int = 20
    min_users_per_item: int = 10
    min_items_per_user: int = 5
    filter_order: Sequence[str] = ("items", "users")
    iterate: bool = False
    cut_from: str = "end"
    min_length: int = 5
    user_column: str | None = None
    item_column: str | None = None
    timestamp_column: str | None = None
    order_column: str | None = None
    time: str = "auto"
    columns: Sequence[str] | None = None
    separator: str = ","

    def __post_init__(self):
        for name in _NUMBERS:
            value = getattr(self, name)
            is_whole = isinstance(value, numbers.Integral)
            if isinstance(value, bool) or not is_whole:
                raise DataError(
                    f"Expected a whole number. Received: {name}={value!r}"
                )
            object.__setattr__(self, name, int(value))  # of NumPy, too
        if self.t < 2:
            raise DataError(f"Expected t >= 2. Received: t={self.t}")
        if not 1 <= self.min_length <= self.t:
            raise DataError(
                f"Expected 1 <= min_length <= t={self.t}. Received: "
                f"min_length={self.min_length}"
            )
        if self.min_users_per_item < 0 or self.min_items_per_user < 0:
            raise DataError(
                "Expected thresholds >= 0. Received: "
                f"min_users_per_item={self.min_users_per_item}, "
                f"min_items_per_user={self.min_items_per_user}"
            )
        if sorted(self.filter_order) != ["items", "users"]:
            raise DataError(
                "Expected filter_order ('items', 'users') or ('users', "
                f"'items'). Received: filter_order={tuple(self.filter_order)}"
            )
        if self.cut_from not in ("end", "start"):
            raise DataError(
                "Expected cut_from 'end' or 'start'. Received: "
                f"cut_from={self.cut_from!r}"
            )
        if not self.separator or {*self.separator} & {'"', "\n", "\r"}:
            raise DataError(
                "Expected a separator of fields, such as ',' or ';'. "
                f"Received: separator={self.separator!r}"
            )

    @classmethod
    def of(cls, named: Mapping[str, Any]) -> "Choices":
        """The choices of these names.

        Raises:
            DataError: there is no choice of a name, or not of such a value.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        for name in named:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                meant = f". Did you mean {close[0]}?" if close else ""
                raise DataError(
                    f"Expected choices among {', '.join(known)}. Received: "
                    f"{name}={named[name]!r}{meant}"
                )
        return cls(**named)

    def written(self, columns: Columns) -> dict[str, Any]:
        """What `meta.json` says, by which prepared sessions are told apart.

        Args:
            columns: that were found.
        """
        return {
            "format": "interactions",
            "t": self.t,
            "min_users_per_item": self.min_users_per_item,
            "users_of_an_item": "distinct users",
            "min_items_per_user": self.min_items_per_user,
            "items_of_a_user": "interactions, repeated ones too",
            "filter_order": list(self.filter_order),
            "iterate": self.iterate,
            "cut_from": self.cut_from,
            "min_length": self.min_length,
            "user_column": columns.user,
            "item_column": columns.item,
            "time_column": columns.time,
            **({} if self.columns is None else {"columns": list(self.columns)}),
            **_time_is(columns),
            # Unsaid in folders that were prepared before there was a choice.
            **({} if self.separator == "," else {"separator": self.separator}),
        }


def _time_is(columns: Columns) -> dict[str, str]:
    """Whether times are an order, where their column's name says otherwise."""
    if columns.time is None:
        return {}
    is_order = plain_name(columns.time) in ALIASES["order"]
    if columns.is_timestamp != is_order:
        return {}
    return {"time_is": "timestamp" if is_order else "order"}
