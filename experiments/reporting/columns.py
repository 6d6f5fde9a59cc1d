"""Columns of a table, and the one writer of markdown tables."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# What would be html, or would end a cell. A lone `>` is neither.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", "|": "\\|", "\n": " "})


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: its heading.
        cell: what a record shows in it; "" for nothing.
        is_markdown: whether `cell` gives markdown of ours, in which only
            pipes are escaped. Anything else is text.
    """

    title: str
    cell: Callable[[Any], str]
    is_markdown: bool = False

    def shown(self, record: Any) -> str:
        """The escaped cell of a record."""
        text = self.cell(record)
        if self.is_markdown:
            return text.replace("|", "\\|").replace("\n", " ")
        return escape(text)


def table(
    columns: Sequence[Column], records: Iterable[Any], keep_empty: bool = False
) -> list[str]:
    """The lines of a markdown table.

    Args:
        columns: from left to right.
        records: a line each.
        keep_empty: whether a column that no record fills is shown, too. One
            without a title always is.

    Returns:
        Heading, rule and a line a record.
    """
    records = list(records)
    filled = [
        (column.title, [column.shown(record) for record in records])
        for column in columns
    ]
    shown = [
        (title, cells)
        for title, cells in filled
        if keep_empty or not title or any(cells)
    ]
    return [
        _line(escape(title) for title, _ in shown),
        _line("---" for _ in shown),
        *(_line(cells[i] for _, cells in shown) for i in range(len(records))),
    ]


def escape(text: str) -> str:
    """Text that markdown and html show as it is."""
    return text.translate(_ESCAPES)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def number(value: float | None, form: str = ".4f") -> str:
    """A number, or nothing."""
    return "" if value is None else f"{value:{form}}"


def mean_and_sd(found: Mapping[str, float | None]) -> str:
    """The mean over seeds, and the deviation between them if it is known."""
    sd = "" if found["sd"] is None else f" ± {found['sd']:.4f}"
    return f"{number(found['mean'])}{sd}"


def factor(value: float | None) -> str:
    """How many times, "-" for never."""
    return f"{value:.2f}x" if value else "-"
