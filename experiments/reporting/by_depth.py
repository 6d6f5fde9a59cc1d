"""Figure 1: accuracy by depth, a point a depth and fraction of the data."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.papers.rows import Row
from experiments.reporting import columns
from experiments.reporting import document
from experiments.reporting import notes
from experiments.reporting import pictures
from experiments.reporting.columns import Column
from experiments.reporting.lines import Line
from experiments.reporting.lines import read_lines
from experiments.reporting.store import Store

COLUMNS = (
    Column("Data", lambda r: r["data"]),
    Column("Blocks", lambda r: str(r["num_blocks"])),
    Column("Seeds", lambda r: str(len(r["seeds"]))),
    Column("MRR@5", lambda r: columns.number(statistics.mean(r["values"]))),
    Column("Each seed", lambda r: " ".join(f"{v:.4f}" for v in r["values"])),
    Column("Sessions trained", lambda r: f"{r['num_train_rows']:,}"),
)


def write(
    rows: Sequence[Row], store: Store, output: Path, name: str, title: str
) -> str:
    """Writes NAME.md, NAME.json and NAME.png of what is done."""
    lines = read_lines(rows, store, output)
    if not lines:
        return "Nothing is done yet.\n"
    records = to_records(lines)
    protocol = lines[0].summary["protocol"]["name"]
    by_size = sorted(
        records, key=lambda r: (len(r["data"]), r["data"], r["num_blocks"])
    )
    text = document.write(
        output / name,
        title,
        COLUMNS,
        by_size,
        [
            f"{notes.of_data('Data', store)}. Protocol {protocol}; "
            f"{records[0]['num_sessions']:,} test sessions."
        ],
        data=store.meta,
        protocol=protocol,
        versions=lines[0].summary["versions"],
    )
    pictures.draw_by_depth(records, output / f"{name}.png", title)
    return text


def to_records(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """One dictionary a point: its seeds and their MRR@5."""
    points: dict[tuple[str, int], list[Line]] = {}
    for line in lines:
        place = (line.row.setting, line.row.num_blocks)
        points.setdefault(place, []).append(line)
    return [
        {
            "data": ratio,
            "data_ratio": of_point[0].row.data_ratio,
            "num_blocks": depth,
            "seeds": [line.summary["seed"] for line in of_point],
            "values": [line.summary["test"]["mrr_at_5"] for line in of_point],
            "num_train_rows": of_point[0].summary["num_train_rows"],
            "num_sessions": of_point[0].summary["num_sessions"],
        }
        for (ratio, depth), of_point in points.items()
    ]
