r"""Training from scratch (TS): a deep model sooner, by way of shallow ones.

Reproduces StackRec's Figure 6 on any data: a shallow model is trained for a
few steps, stacked (StackA), trained for a few more, stacked again, and then to
convergence, against the deep model trained directly. All stages count.

  python -m experiments.from_scratch --dataset=ml1m \
    --raw=interactions.csv.gz --protocol=release --depths=4,8,16 \
    --steps=1000,1000

Beside the fixed schedule (--steps again for another) a second one decides by
itself: a stage ends when its validation curve flattens, at the first
evaluation that is no better than the best so far, or at the third in a row
(--stage_patience=3). Writes OUTPUT/figure6.md, figure6.json and figure6.png;
runs are shared with the tables.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import figure_command
from experiments import figures
from experiments import options
from experiments import step_times
from experiments import table_options
from experiments.recipes import figure6
from experiments.recipes import paper_data
from experiments.recipes.rows import Row
from nextitnet_tf import atomic_files
from nextitnet_tf import fitting
from nextitnet_tf import training

_STEPS = flags.DEFINE_multi_string(
    "steps",
    None,
    "Training steps of each stage but the last, in the fixed schedule (the "
    "release's on ML20, 1,000 elsewhere); again for a line more.",
)
_STAGE_PATIENCE = flags.DEFINE_list(
    "stage_patience",
    ["1"],
    "Evaluations in a row without a better one that end a stage of the "
    "schedule that decides; a line each.",
)
flags.adopt_module_key_flags(options)
for _name in ("depths", "seeds", "presets", "table_only"):
    flags.declare_key_flag(_name)

_HEAD = """\
# {title}

| Model | Copied | Seed | MRR@5 | Steps of each stage | Seconds to its best \
| Seconds to the direct model's best | Share of the direct model's time |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""
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


def main() -> None:
    depths = table_options.depths(default=figure6.DEPTHS)
    schedules: list[Sequence[int]] = [
        figure6.steps_of(options.DATASET.value or "", len(depths) - 1)
    ]
    if _STEPS.value is not None:
        schedules = [
            [command.whole_number("steps", text) for text in of_line.split(",")]
            for of_line in _STEPS.value
        ]
    patiences = [
        command.whole_number("stage_patience", text)
        for text in _STAGE_PATIENCE.value
    ]
    protocol = options.protocol()
    budget = paper_data.budget(options.dataset_name())
    rows = [
        row
        for seed in table_options.seeds(default=[0])
        for row in figure6.select(
            depths,
            schedules,
            patiences,
            protocol,
            table_options.presets(default=["best"]),
            seed,
            **options.budget(budget),
            **options.recipe_options(),
        )
    ]
    figure_command.run(rows, protocol, _write)


def whole_curve(
    stages: Sequence[dict[str, Any]], step_seconds: Sequence[float]
) -> list[dict[str, Any]]:
    """The evaluations of all stages, on one clock.

    Args:
        stages: their summaries, in order.
        step_seconds: of a step of each.

    Returns:
        One point an evaluation: `stage`, `num_blocks`, `step` (of the
        stage), `seconds` since the beginning of the first stage, and
        `val_mrr_at_5`. A stage takes all the steps it was trained for, those
        after its best evaluation included.
    """
    points, before = [], 0.0
    for i, (stage, seconds) in enumerate(
        zip(stages, step_seconds, strict=True)
    ):
        for point in stage["curve"]:
            points.append(
                {
                    "stage": i,
                    "num_blocks": stage["stage"]["num_blocks"],
                    "step": point["step"],
                    "seconds": before + point["step"] * seconds,
                    fitting.MONITOR: point[fitting.MONITOR],
                }
            )
        before += stage["curve"][-1]["step"] * seconds
    return points


def seconds_to(points: Sequence[dict[str, Any]], value: float) -> float | None:
    """When a curve is first at least as good as a value; None if never."""
    return next(
        (p["seconds"] for p in points if p[fitting.MONITOR] >= value), None
    )


def _write(
    rows: Sequence[Row], of_ids: figure_command.Sessions, output: Path
) -> str:
    (sessions,) = of_ids.values()
    done = [
        (row, stages)
        for row in rows
        if (stages := _stages(row, sessions, output)) is not None
    ]
    if not done:
        return "Nothing is done yet.\n"
    measured = step_times.read(output / step_times.FILE_NAME)
    own: dict[str, list[float]] = {}
    for _, stages in done:
        for stage in stages:
            own.setdefault(step_times.key(stage), []).append(
                stage["step_seconds"]
            )
    clock = {
        key: measured[key]["seconds"]
        if key in measured
        else statistics.median(times)
        for key, times in own.items()
    }
    records = [
        _record(row, stages, [clock[step_times.key(s)] for s in stages])
        for row, stages in done
    ]
    direct = {r["seed"]: r for r in records if r["role"] == "scratch"}
    for record in records:
        reference = direct.get(record["seed"])
        if reference:
            target = reference["best_validation"]
            reached = seconds_to(record["curve"], target)
            theirs = seconds_to(reference["curve"], target)
            record["seconds_to_direct"] = reached
            record["share"] = reached and theirs and reached / theirs
    recipe = done[0][0].recipe
    is_idle = all(key in measured for key in own)
    text = _HEAD.format(title=figure6.TITLE)
    text += "".join(_line(record) for record in records)
    text += _NOTES.format(
        source=sessions.meta.get("source"),
        rows=len(sessions.rows),
        t=sessions.rows.shape[1],
        protocol=recipe.protocol.name,
        clock="measured on an otherwise idle machine"
        if is_idle
        else "the median of the runs themselves where step_times.json has none "
        "of an idle machine",
        name=figure6.NAME,
    )
    atomic_files.write_text(output / f"{figure6.NAME}.md", text)
    atomic_files.write_json(
        output / f"{figure6.NAME}.json",
        {"title": figure6.TITLE, "data": sessions.meta, "rows": records},
    )
    figures.draw_stages(records, output / f"{figure6.NAME}.png", figure6.TITLE)
    return text


def _stages(row: Row, sessions, output: Path) -> list[dict[str, Any]] | None:
    """The summaries of all stages, if the last one is done."""
    runs = training.read_runs(row.recipe, sessions, output / "runs")
    if any(run is None for run in runs):
        return None
    return [run.summary for run in runs if run is not None]


def _record(
    row: Row, stages: list[dict[str, Any]], step_seconds: list[float]
) -> dict[str, Any]:
    points = whole_curve(stages, step_seconds)
    last = stages[-1]
    return {
        "model": row.label,
        "copied": row.preset.removesuffix(", chained"),
        "role": row.role,
        "seed": row.recipe.seed,
        **{k: v for k, v in last["test"].items() if "_at_" in k},
        "num_sessions": last["num_sessions"],
        "best_validation": last["best_validation"],
        "steps": [stage["curve"][-1]["step"] for stage in stages],
        "seconds": seconds_to(points, last["best_validation"]),
        "wall_seconds": [stage["wall_seconds"] for stage in stages],
        "curve": points,
        "seconds_to_direct": None,
        "share": None,
    }


def _line(record: dict[str, Any]) -> str:
    reached, share = record["seconds_to_direct"], record["share"]
    cells = [
        record["model"],
        record["copied"],
        str(record["seed"]),
        f"{record['mrr_at_5']:.4f}",
        ", ".join(map(str, record["steps"])),
        f"{record['seconds']:.0f}",
        f"{reached:.0f}" if reached else "-",
        f"{share:.0%}" if share else "-",
    ]
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    command.run(main)
