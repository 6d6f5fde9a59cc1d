"""The benchmark's table and picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")  # no screen needed

from matplotlib import pyplot as plt

from experiments.benchmark import accuracy
from nextitnet_tf import atomic_files


def to_markdown(result: Mapping[str, Any]) -> str:
    """All of it, for people.

    Args:
        result: what benchmark.json holds.
    """
    machine = result["machine"]
    lines = [
        "# Benchmark",
        "",
        f"{machine['processor']}, {machine['cores']} cores; computing on "
        f"{machine['device']}; Keras {machine['keras']} on "
        f"{machine['backend']} {machine['backend_version']}.",
        f"A float32 product of two 4096 x 4096 matrices: "
        f"{machine['gflop_per_second']:.0f} GFLOP/s; of 4864 x 192 by "
        f"192 x 64, a convolution's: "
        f"{machine['narrow_gflop_per_second']:.0f} GFLOP/s; copying memory: "
        f"{machine['copy_gb_per_second']:.1f} GB/s.",
        "",
    ]
    if result.get("steps"):
        lines += [
            "| Step | GFLOP | ms | from - to | GFLOP/s | Share of the "
            "product's rate | Goal | Release | First step, s |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        ]
        for step in result["steps"]:
            lines.append(_step_line(step))
        lines += [
            "",
            "Medians over repetitions after warm-up; compiling apart. Goal "
            "and Release (the TF1 original) were measured on another machine "
            "and are given as shares of that machine's 242 GFLOP/s.",
            "",
        ]
    if result.get("processes"):
        lines += [
            "| What | Measured | Goal |",
            "| --- | --- | --- |",
            *(
                f"| {item['name']} | {item['shown']} | {item['goal']} |"
                for item in result["processes"]
            ),
            "",
        ]
    if result.get("growth"):
        lines += [
            "| Growth of a step with | ms at | fit | largest residual |",
            "| --- | --- | --- | --- |",
        ]
        for growth in result["growth"]:
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
        lines.append("")
    if result.get("accuracy"):
        lines += [
            f"{accuracy.STACKED} ({accuracy.COPIED}) against "
            f"{accuracy.SCRATCH}, protocol {accuracy.PROTOCOL}: time to the "
            "best validation MRR@5 of the model from scratch. Steps to the "
            "evaluation times the idle time of a step. The release's step "
            "was measured on another machine at 8 and 32 blocks; at 16 it is "
            "interpolated.",
            "",
            "| Seed | From scratch, s | Share of that time (goal 25 %) "
            "| with the shallow model's | MRR@5 at the end "
            "| Release's step time, from scratch (goal 15x) |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for row in result["accuracy"]:
            ratio = row["release_ratio"]
            lines.append(
                f"| {row['seed']} | {row['scratch_seconds']:.0f} "
                f"| {_percent(row['share']) or 'never'} "
                f"| {_percent(row['share_with_shallow']) or 'never'} "
                f"| {row['gain']:+.1%} "
                f"| {f'{ratio:.1f}x' if ratio else 'never'} |"
            )
        lines.append("")
    return "\n".join(lines)


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


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Shares of the machine's rate, and growth with its fits."""
    growths = result.get("growth") or []
    figure, axes = plt.subplots(
        1,
        1 + len(growths),
        figsize=(6 + 4 * len(growths), 4.5),
        squeeze=False,
        layout="constrained",
    )
    axis = axes[0, 0]
    steps = [s for s in result.get("steps") or [] if s["share"]]
    places = np.arange(len(steps))
    axis.barh(places, [s["share"] for s in steps], height=0.5, label="here")
    for name, marker in (("goal", "|"), ("release", "x")):
        known = [
            (i, s[f"{name}_share"])
            for i, s in enumerate(steps)
            if s[f"{name}_share"]
        ]
        if known:
            axis.plot(
                [share for _, share in known],
                [i for i, _ in known],
                marker,
                color="black",
                markersize=10,
                label=name,
            )
    axis.set_yticks(places, [s["name"] for s in steps], fontsize="small")
    axis.invert_yaxis()
    axis.set_xlim(0, 1)
    axis.set_xlabel("share of the matrix product's rate")
    axis.legend(fontsize="small")
    for axis, growth in zip(axes[0, 1:], growths, strict=True):
        xs = np.asarray(growth["x"], float)
        axis.plot(xs, 1000 * np.asarray(growth["seconds"]), "o")
        axis.plot(xs, 1000 * (growth["intercept"] + growth["slope"] * xs), "-")
        axis.set_xlabel(growth["name"])
        axis.set_ylabel("ms a step")
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    with atomic_files.replacing(path) as partial:
        figure.savefig(partial, dpi=120)
    plt.close(figure)


def _step_line(step: Mapping[str, Any]) -> str:
    cells = [
        step["name"],
        f"{step['gflop']:.1f}" if step["gflop"] else "",
        f"{1000 * step['seconds']:.1f}",
        f"{1000 * step['min']:.1f} - {1000 * step['max']:.1f}",
        f"{step['gflop_per_second']:.0f}" if step["gflop"] else "",
        _percent(step["share"]),
        _percent(step["goal_share"]),
        _percent(step["release_share"]),
        f"{step['first_seconds']:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
