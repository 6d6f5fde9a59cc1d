"""A table with its notes, on disk: NAME.md for people, NAME.json for code."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.reporting import columns
from experiments.reporting.columns import Column
from nextitnet_tf import atomic_files


def write(
    path: Path,
    title: str,
    shown: Sequence[Column],
    records: Sequence[dict[str, Any]],
    notes: Sequence[str],
    **more: Any,
) -> str:
    """Writes both files.

    Args:
        path: of the files, without the ends of their names.
        title: the heading.
        shown: columns of the table.
        records: its lines, which the json holds whole.
        notes: sentences below it.
        **more: that the json holds, too.

    Returns:
        The table, as markdown.
    """
    text = "\n".join(
        [
            f"# {columns.escape(title)}",
            "",
            *columns.table(shown, records),
            "",
            *(f"- {columns.escape(note)}" for note in notes),
            "",
        ]
    )
    atomic_files.write_text(path.with_name(f"{path.name}.md"), text)
    atomic_files.write_json(
        path.with_name(f"{path.name}.json"),
        {"title": title, **more, "notes": list(notes), "rows": list(records)},
    )
    return text
