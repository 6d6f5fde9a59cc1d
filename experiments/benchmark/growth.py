"""The case `growth`: a step's time against blocks, t and items."""

import dataclasses
from typing import Any

import numpy as np

from experiments.benchmark import steps
from experiments.benchmark.settings import Settings

# What a step's time should be linear in, and the values to look at.
GROWTH: tuple[tuple[str, str, steps.Step, tuple[int, ...]], ...] = (
    ("blocks", "num_blocks", steps.Step(), (4, 8, 16, 32, 64)),
    ("t", "t", steps.Step(batch_size=64), (20, 50, 100, 200)),
    (
        "items, full softmax",
        "num_items",
        steps.Step(num_blocks=2, sampled_fraction=0),
        (1_000, 4_000, 12_000, 24_000),
    ),
)


def measure(settings: Settings) -> list[dict[str, Any]]:
    """Times a step at every value, and fits a line to each row of them."""
    found = []
    for name, field, base, values in GROWTH:
        seconds = [
            steps.time_training(
                dataclasses.replace(base, **{field: value}),
                min(settings.repetitions, 5),
            ).median
            for value in values
        ]
        fit = fit_line(list(values), seconds)
        print(f"{name}: {fit}", flush=True)
        found.append(
            {"name": name, "x": list(values), "seconds": seconds, **fit}
        )
    return found


def to_markdown(found: list[dict[str, Any]]) -> list[str]:
    """The table of the lines."""
    lines = [
        "| Growth of a step with | ms at | fit | largest residual |",
        "| --- | --- | --- | --- |",
    ]
    for growth in found:
        points = ", ".join(
            f"{x}: {1000 * y:.0f}"
            for x, y in zip(growth["x"], growth["seconds"], strict=True)
        )
        lines.append(
            f"| {growth['name']} | {points} "
            f"| {1000 * growth['intercept']:.1f} + "
            f"{1000 * growth['slope']:.4g} x "
            f"| {growth['largest_residual']:.0%} |"
        )
    return [*lines, ""]


def fit_line(x: list[float], seconds: list[float]) -> dict[str, float]:
    """Least squares of the relative error, so that small steps count, too.

    Returns:
        `intercept`, `slope` and `largest_residual`, a share of the measured.
    """
    xs, ys = np.asarray(x, float), np.asarray(seconds)
    columns = np.stack([np.ones_like(xs), xs], axis=1) / ys[:, None]
    intercept, slope = np.linalg.lstsq(columns, np.ones_like(ys), rcond=None)[0]
    residuals = (intercept + slope * xs) / ys - 1
    return {
        "intercept": float(intercept),
        "slope": float(slope),
        "largest_residual": float(np.abs(residuals).max()),
    }
