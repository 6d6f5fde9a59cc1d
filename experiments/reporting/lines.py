"""Rows that were run: how fast, how good, compared with what."""

import statistics
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.papers.rows import Figures
from experiments.papers.rows import Row
from experiments.reporting import clock
from experiments.reporting.store import Store
from nextitnet_tf.training import Run
from nextitnet_tf.training import flops_per_step
from nextitnet_tf.training import monitor_of


@dataclass(frozen=True)
class Line:
    """A row of the table that has been run.

    Attributes:
        row: what it is.
        run: its last stage.
        step_seconds: seconds of a training step of its kind.
        is_idle_time: whether that was measured on an idle machine.
        paper: the paper's MRR@5, HR@5, NDCG@5 and speed-up, or None.
    """

    row: Row
    run: Run
    step_seconds: float
    is_idle_time: bool = False
    paper: Figures | None = None

    @property
    def summary(self) -> dict[str, Any]:
        """What run.json says."""
        return self.run.summary

    @property
    def seconds(self) -> float:
        """Training time up to the best evaluation, of this stage alone."""
        return self.summary["best_step"] * self.step_seconds


def read_lines(rows: Sequence[Row], store: Store, output: Path) -> list[Line]:
    """The rows that are done, on one clock.

    Args:
        rows: of the table; those not run yet are left out.
        store: has their runs.
        output: may have step_times.json.
    """
    done = [(row, run) for row in rows if (run := store.find(row.recipe))]
    seconds = clock.Clock(
        output / clock.FILE_NAME, [run.summary for _, run in done]
    )
    is_real = "law" not in store.meta  # not generated: nobody's figures are
    return [
        Line(
            row,
            run,
            seconds.step_seconds(run.summary),
            seconds.is_idle(run.summary),
            row.figures if is_real else None,
        )
        for row, run in done
    ]


def speedup(line: Line, reference: Line) -> float | None:
    """How much sooner a line is as good as its reference ever gets.

    The reference's time to its best MRR@5 over this line's time to the first
    evaluation at least as good, on the sessions early stopping looks at. The
    shallow model's own training is not counted.

    Returns:
        The ratio, or None if the line never gets there.
    """
    return _sooner(line, reference, lambda of: of.step_seconds)


def speedup_in_flops(line: Line, reference: Line) -> float | None:
    """`speedup`, counting arithmetic instead of seconds."""
    return _sooner(line, reference, lambda of: flops_per_step(of.summary))


def _sooner(
    line: Line, reference: Line, cost_of_step: Callable[[Line], float]
) -> float | None:
    monitor = monitor_of(reference.summary)
    if monitor != monitor_of(line.summary):
        return None  # they were not trained for the same thing
    target = reference.summary["best_validation"]
    for point in line.summary["curve"]:
        if point[monitor] >= target:
            return (
                reference.summary["best_step"]
                * cost_of_step(reference)
                / (point["step"] * cost_of_step(line))
            )
    return None


def reference_of(line: Line, lines: Sequence[Line]) -> Line | None:
    """The line from scratch that this one is compared with, if it is done."""
    if line.row.role == "scratch":
        return line
    return line_of(line.row.compared_with, lines)


def line_of(row: Row | None, lines: Sequence[Line]) -> Line | None:
    """The line of a row, if it is done."""
    if row is None:
        return None
    return next(
        (
            other
            for other in lines
            if (other.row.setting, other.row.role) == (row.setting, row.role)
            and other.row.recipe == row.recipe
        ),
        None,
    )


def best_deep(line: Line, lines: Sequence[Line]) -> Line | None:
    """The NextItNet that a baseline is compared with.

    Several depths may have been trained on all data: of those, the one that
    validates best in the mean of its seeds.
    """
    if line.row.role != "baseline":
        return None
    of_depth: dict[int, list[Line]] = {}
    for other in lines:
        row = other.row
        if (
            (row.role, row.setting) == ("baseline", line.row.setting)
            and row.recipe.model == "nextitnet"
            and row.use_alpha
            and row.recipe.protocol == line.row.recipe.protocol
        ):
            of_depth.setdefault(row.num_blocks, []).append(other)
    best = max(
        of_depth.values(),
        key=lambda found: statistics.mean(
            other.summary["best_validation"] for other in found
        ),
        default=[],
    )
    return next((x for x in best if x.row.seed == line.row.seed), None)
