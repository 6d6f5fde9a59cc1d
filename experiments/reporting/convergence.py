"""Figure 5: validation against training seconds, a line a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.papers.rows import Row
from experiments.reporting import pictures
from experiments.reporting import records as of_records
from experiments.reporting.lines import read_lines
from experiments.reporting.store import Store
from nextitnet_tf import atomic_files

_KEPT = (
    *("setting", "model", "copied", "protocol", "seed"),
    *("mrr_at_5", "speedup", "step_seconds", "curve"),
    *of_records.DATA_FIELDS,
)
_IDLE = "training steps times the time of a step, measured on an idle machine"
_SHARED = (
    "training steps times the time of a step, of the runs themselves where "
    "none was measured on an idle machine"
)


def write(
    rows: Sequence[Row], store: Store, output: Path, name: str, title: str
) -> str:
    """Writes NAME.json and NAME.png of what is done.

    Returns:
        How much sooner each stacked model was as good as from scratch.
    """
    lines = read_lines(rows, store, output)
    if not lines:
        return "Nothing is done yet.\n"
    records = of_records.to_records(lines, store)
    is_idle = all(line.is_idle_time for line in lines)
    atomic_files.write_json(
        output / f"{name}.json",
        {
            "title": title,
            "data": store.meta,
            "seconds": _IDLE if is_idle else _SHARED,
            "versions": lines[0].summary["versions"],
            "rows": [{key: r[key] for key in _KEPT} for r in records],
        },
    )
    pictures.draw_convergence(
        records, output / f"{name}.png", title, "validation MRR@5"
    )
    return "\n".join(_sentence(r) for r in records if r["copied"])


def _sentence(record: dict[str, Any]) -> str:
    sooner = (
        f"as good as from scratch {record['speedup']:.2f} times sooner"
        if record["speedup"]
        else "never as good as from scratch"
    )
    return (
        f"{record['setting']} {record['model']} {record['copied']} seed "
        f"{record['seed']}: {sooner}"
    )
