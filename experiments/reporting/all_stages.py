"""Figure 6: training from scratch by way of shallow models, all time counted.

A line is a chain of stages; its seconds begin with the first.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.papers.rows import Row
from experiments.reporting import clock
from experiments.reporting import columns
from experiments.reporting import notes
from experiments.reporting import pictures
from experiments.reporting import records as of_records
from experiments.reporting.columns import Column
from experiments.reporting.store import Store
from nextitnet_tf import atomic_files
from nextitnet_tf.training import MONITOR
from nextitnet_tf.training import Run
from nextitnet_tf.training import flops_per_step
from nextitnet_tf.training import monitor_of

SHARED = (
    "the median of the runs themselves where step_times.json has none of an "
    "idle machine"
)
_NOTES = """
- Data: {source}, {rows:,} sessions of t = {t}. Protocol {protocol}.
- Seconds: training steps of ALL stages so far, each times the time of a step \
of its depth ({clock}); compilation and evaluations are not in it. Wall \
seconds, all included, are in {name}.json.
- Share: time to the first evaluation, in any stage, that is at least as good \
as the direct model's best validation MRR@5, over the time the direct model \
takes to that; '-' if it never is. The paper: 57 % on ML20, 65 % on Kuaibao, \
by wall time.
- fixed: each stage but the last has its number of steps; adaptive: a stage \
but the last ends after so many evaluations in a row (patience) that are no \
better than the best so far.
"""


def _seconds_to_direct(record: dict[str, Any]) -> str:
    found = record["seconds_to_direct"]
    return f"{found:.0f}" if found else "-"


COLUMNS = (
    Column("Model", lambda r: r["model"]),
    Column("Copied", lambda r: r["copied"]),
    Column("Seed", lambda r: str(r["seed"])),
    Column("MRR@5", lambda r: columns.number(r["mrr_at_5"])),
    Column("Steps of each stage", lambda r: ", ".join(map(str, r["steps"]))),
    Column("Seconds to its best", lambda r: f"{r['seconds']:.0f}"),
    Column("Seconds to the direct model's best", _seconds_to_direct),
    Column(
        "Share of the direct model's time",
        lambda r: f"{r['share']:.0%}" if r["share"] else "-",
    ),
)


def write(
    rows: Sequence[Row], store: Store, output: Path, name: str, title: str
) -> str:
    """Writes NAME.md, NAME.json and NAME.png of what is done."""
    records = done_records(rows, store, output)
    if not records:
        return "Nothing is done yet.\n"
    sessions = next(iter(store.sessions.values()))
    of_figure = _NOTES.format(
        source=columns.escape(str(store.meta.get("source"))),
        rows=len(sessions.rows),
        t=sessions.rows.shape[1],
        protocol=records[0]["protocol"],
        clock=notes.IDLE if records[0]["is_idle_time"] else SHARED,
        name=name,
    )
    table = columns.table(COLUMNS, records, keep_empty=True)
    text = "\n".join([f"# {title}", "", *table]) + "\n" + of_figure
    atomic_files.write_text(output / f"{name}.md", text)
    atomic_files.write_json(
        output / f"{name}.json",
        {"title": title, "data": store.meta, "rows": records},
    )
    pictures.draw_stages(records, output / f"{name}.png", title)
    return text


def done_records(
    rows: Sequence[Row], store: Store, output: Path
) -> list[dict[str, Any]]:
    """What `to_records` gives of the rows that are done.

    Each also says its `protocol`, and in `is_idle_time` whether the time of a
    step was measured by itself, for all of them.
    """
    done = [
        (row, runs) for row in rows if (runs := _stages(row, store)) is not None
    ]
    summaries = [run.summary for _, runs in done for run in runs]
    seconds = clock.Clock(output / clock.FILE_NAME, summaries)
    is_idle = all(seconds.is_idle(summary) for summary in summaries)
    return [
        {
            **record,
            "protocol": row.recipe.protocol.name,
            "is_idle_time": is_idle,
        }
        for record, (row, _) in zip(
            to_records(done, seconds), done, strict=True
        )
    ]


def to_records(
    done: Sequence[tuple[Row, Sequence[Run]]], seconds: clock.Clock
) -> list[dict[str, Any]]:
    """One dictionary a line, compared with the direct model of its seed."""
    records = [_record(row, runs, seconds) for row, runs in done]
    direct = {r["seed"]: r for r in records if r["role"] == "scratch"}
    for record in records:
        reference = direct.get(record["seed"])
        if reference:
            target = reference["best_validation"]
            reached = seconds_to(record["curve"], target)
            theirs = seconds_to(reference["curve"], target)
            record["seconds_to_direct"] = reached
            record["share"] = reached and theirs and reached / theirs
    return records


def whole_curve(
    stages: Sequence[dict[str, Any]],
    step_seconds: Sequence[float],
    step_flops: Sequence[float],
) -> list[dict[str, Any]]:
    """The evaluations of all stages, on one clock.

    Args:
        stages: their summaries, in order.
        step_seconds: of a step of each.
        step_flops: arithmetic of a step of each.

    Returns:
        One point an evaluation: `stage`, `num_blocks`, `step` (of the
        stage), `seconds` and `flop` since the beginning of the first stage,
        and `val_mrr_at_5`. A stage takes all the steps it was trained for,
        those after its best evaluation included.
    """
    points, before, flop_before = [], 0.0, 0.0
    for i, (stage, seconds, flop) in enumerate(
        zip(stages, step_seconds, step_flops, strict=True)
    ):
        for point in stage["curve"]:
            points.append(
                {
                    "stage": i,
                    "num_blocks": stage["stages"][-1]["num_blocks"],
                    "step": point["step"],
                    "seconds": before + point["step"] * seconds,
                    "flop": flop_before + point["step"] * flop,
                    MONITOR: point[monitor_of(stage)],
                }
            )
        before += stage["curve"][-1]["step"] * seconds
        flop_before += stage["curve"][-1]["step"] * flop
    return points


def seconds_to(points: Sequence[dict[str, Any]], value: float) -> float | None:
    """When a curve is first at least as good as a value; None if never."""
    return next((p["seconds"] for p in points if p[MONITOR] >= value), None)


def _stages(row: Row, store: Store) -> list[Run] | None:
    """The runs of all stages, if they are done."""
    found = [
        store.find(row.recipe.up_to(i)) for i in range(len(row.recipe.stages))
    ]
    done = [run for run in found if run is not None]
    return done if len(done) == len(found) else None


def _record(
    row: Row, runs: Sequence[Run], seconds: clock.Clock
) -> dict[str, Any]:
    stages = [run.summary for run in runs]
    last = stages[-1]
    points = whole_curve(
        stages,
        [seconds.step_seconds(stage) for stage in stages],
        [flops_per_step(stage) for stage in stages],
    )
    return {
        "model": row.label,
        "copied": row.copied,
        "role": row.role,
        "seed": row.seed,
        **{k: v for k, v in last["test"].items() if "_at_" in k},
        "num_sessions": last["num_sessions"],
        "best_validation": last["best_validation"],
        "steps": [stage["curve"][-1]["step"] for stage in stages],
        "seconds": seconds_to(points, last["best_validation"]),
        "wall_seconds": [stage["wall_seconds"] for stage in stages],
        "curve": points,
        "seconds_to_direct": None,
        "share": None,
        **of_records.describe(row, row.compared_with),
    }
