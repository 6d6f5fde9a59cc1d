"""The benchmark's table and picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")  # no screen needed

from matplotlib import pyplot as plt

from experiments.benchmark import cases
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
    for name, case in cases.CASES.items():
        if result.get(name):
            lines += case.to_markdown(result[name])
    return "\n".join(lines)


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
