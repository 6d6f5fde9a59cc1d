"""Ways to grow, over their seeds: how good, and how soon, all time counted."""

import math
import statistics
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.papers.rows import Row
from experiments.reporting import all_stages
from experiments.reporting import columns
from experiments.reporting import document
from experiments.reporting import notes
from experiments.reporting import pictures
from experiments.reporting.columns import Column
from experiments.reporting.statistics import spread
from experiments.reporting.store import Store
from experiments.reporting.stored_claims import MARGIN
from nextitnet_tf.training import MONITOR

# The target that all lines run for: what the direct model has in the mean of
# its last evaluations, over all seeds, less a margin.
SMOOTHED = 5


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


COLUMNS = (
    Column("Way", lambda r: r["model"]),
    Column("Copied", lambda r: r["copied"]),
    Column("Seeds", lambda r: str(len(r["seeds"]))),
    Column("Validation MRR@5", lambda r: columns.mean_and_sd(r["last"])),
    Column("Test MRR@5", lambda r: columns.mean_and_sd(r["test"])),
    Column("Whole time", lambda r: _percent(r["whole_time"])),
    Column("Time to the target", lambda r: _percent(r["time_to_target"])),
    Column("FLOP to the target", lambda r: _percent(r["flop_to_target"])),
    Column("Reached by", lambda r: f"{r['reached']} of {len(r['seeds'])}"),
    Column("Steps", lambda r: ", ".join(map(str, r["steps"]))),
)


def write(
    rows: Sequence[Row], store: Store, output: Path, name: str, title: str
) -> str:
    """Writes NAME.md, NAME.json and NAME.png of what is done."""
    records = all_stages.done_records(rows, store, output)
    if not any(r["role"] == "scratch" for r in records):
        return "Nothing is done yet.\n"
    found, target = summarize(records)
    is_measured = records[0]["is_idle_time"]
    measured = notes.SAME_RUN if is_measured else all_stages.SHARED
    said = [
        notes.of_data("Data", store) + f", protocol {records[0]['protocol']}.",
        "All times are shares of the whole time of the direct model: training "
        "steps of all stages times the time of a step of their depth "
        f"({measured}). FLOP counts the arithmetic of the "
        "weights instead.",
        f"The target is {target:.4f}: what the direct model has in the mean "
        f"of its last {SMOOTHED} evaluations over all seeds, less "
        f"{MARGIN:g}. A line has reached it when the mean of {SMOOTHED} "
        "evaluations in a row has; its time is the median over all seeds, one "
        "that never does taking forever.",
        f"Validation: the mean of the last {SMOOTHED} evaluations. ± is the "
        "standard deviation between seeds"
        + (
            "." if len(found[0]["seeds"]) > 2 else "; no verdict without three."
        ),
    ]
    text = document.write(
        output / name, title, COLUMNS, found, said, data=store.meta
    )
    pictures.draw_stages(records, output / f"{name}.png", title)
    return text


def summarize(
    records: Sequence[dict[str, Any]],
) -> tuple[list[dict[str, Any]], float]:
    """Lines over their seeds, and the target.

    Args:
        records: a line and seed each: `model`, `copied`, `role`, `seed`,
            `mrr_at_5`, `steps` and a `curve` of points with `seconds`,
            `flop` and the monitored value.
    """
    of_line: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for record in records:
        key = record["model"], record["copied"]
        of_line.setdefault(key, []).append(record)
    direct = [r for r in records if r["role"] == "scratch"]
    target = statistics.mean(_last(r["curve"]) for r in direct) - MARGIN
    whole = {
        unit: statistics.mean(r["curve"][-1][unit] for r in direct)
        for unit in ("seconds", "flop")
    }
    found = []
    for (model, copied), of_seeds in of_line.items():
        to_target = {
            unit: [
                None if at is None else at / whole[unit]
                for at in (_reached(r["curve"], target, unit) for r in of_seeds)
            ]
            for unit in whole
        }
        found.append(
            {
                "model": model,
                "copied": copied,
                "seeds": [r["seed"] for r in of_seeds],
                "last": spread([_last(r["curve"]) for r in of_seeds]),
                "test": spread([r["mrr_at_5"] for r in of_seeds]),
                "whole_time": statistics.mean(
                    r["curve"][-1]["seconds"] for r in of_seeds
                )
                / whole["seconds"],
                "time_to_target": _median(to_target["seconds"]),
                "flop_to_target": _median(to_target["flop"]),
                "reached": sum(at is not None for at in to_target["seconds"]),
                "steps": of_seeds[0]["steps"],
            }
        )
    return found, target


def _median(values: Sequence[float | None]) -> float | None:
    """Over all seeds: one that never gets there takes forever."""
    found = statistics.median(math.inf if v is None else v for v in values)
    return found if math.isfinite(found) else None


def _last(curve: Sequence[Mapping[str, float]]) -> float:
    """The mean of the last evaluations."""
    return statistics.mean(point[MONITOR] for point in curve[-SMOOTHED:])


def _reached(
    curve: Sequence[Mapping[str, float]], target: float, unit: str
) -> float | None:
    """When the mean of so many evaluations in a row is at the target."""
    for end in range(SMOOTHED, len(curve) + 1):
        if _last(curve[:end]) >= target:
            return curve[end - 1][unit]
    return None
