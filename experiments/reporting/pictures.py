"""Pictures of results: the same numbers give the same file.

A file is written only when it changes, so that what did not change is not
committed again.
"""

import io
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no screen needed

from matplotlib import pyplot as plt

from nextitnet_tf import atomic_files

# Dashes of their own beyond the four that have names.
_STYLES = ("-", "--", ":", "-.", (0, (8, 2, 1, 2, 1, 2)), (0, (1, 4)))


def draw_convergence(
    records: list[dict], path: Path, title: str, y_label: str
) -> None:
    """Metric against training seconds, one line a model, one panel a setting.

    Args:
        records: of `tables.to_records`; those without a curve are passed
            over.
        path: png to write.
        title: above the panels.
        y_label: what the metric is, and on which sessions.
    """
    records = [r for r in records if r.get("curve")]
    panels = sorted({(r["protocol"], r["setting"]) for r in records})
    if not panels:
        return
    figure, axes = _panels(len(panels))
    for axis, (protocol, setting) in zip(axes, panels, strict=True):
        for record in records:
            if (record["protocol"], record["setting"]) != (protocol, setting):
                continue
            label = " ".join(
                str(part)
                for part in (record["model"], record["copied"])
                if part
            )
            axis.plot(
                [point["seconds"] for point in record["curve"]],
                [point["val_mrr_at_5"] for point in record["curve"]],
                marker=".",
                linewidth=1.2,
                label=f"{label}, seed {record['seed']}",
            )
        axis.set_title(f"{setting}, protocol {protocol}")
        axis.set_xlabel("training seconds of this stage")
        axis.set_ylabel(y_label)
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    figure.suptitle(title)
    _save(figure, path)


def draw_by_depth(records: list[dict], path: Path, title: str) -> None:
    """Metric against depth, one line a fraction of the data.

    Args:
        records: with `data` (the fraction, as text), `num_blocks` and
            `values` (test MRR@5, one a seed).
        path: png to write.
        title: above it.
    """
    figure, axis = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
    fractions = sorted({r["data"] for r in records}, key=lambda f: (len(f), f))
    for fraction in fractions:
        points = sorted(
            (r["num_blocks"], statistics.mean(r["values"]), r["values"])
            for r in records
            if r["data"] == fraction
        )
        (drawn,) = axis.plot(
            [depth for depth, _, _ in points],
            [mean for _, mean, _ in points],
            marker="o",
            label=f"{fraction} of the training data",
        )
        for depth, _, values in points:
            if len(values) > 1:  # each seed
                axis.scatter(
                    [depth] * len(values), values, 9, color=drawn.get_color()
                )
    depths = sorted({r["num_blocks"] for r in records})
    _finish_by_depth(axis, depths, "test MRR@5", title)
    _save(figure, path)


def draw_depths(records: list[dict], path: Path, title: str) -> None:
    """Metric against depth, a line a model, counting as level lines.

    Args:
        records: of `against_counting`: `family`, `num_blocks` (None of a
            model without), `is_counted`, and `unseen` with the spread of
            `mrr_at_5`.
        path: png to write.
        title: above it.
    """
    figure, axis = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
    trained = [r for r in records if r["num_blocks"]]
    for family in dict.fromkeys(record["family"] for record in trained):
        points = [
            (r["num_blocks"], r["unseen"]["mrr_at_5"])
            for r in sorted(trained, key=lambda r: r["num_blocks"])
            if r["family"] == family
        ]
        axis.errorbar(
            [depth for depth, _ in points],
            [found["mean"] for _, found in points],
            yerr=[
                [found["mean"] - found["min"] for _, found in points],
                [found["max"] - found["mean"] for _, found in points],
            ],
            marker="o",
            capsize=3,
            label=family,
        )
    counted = [r for r in records if r["is_counted"]]
    for style, record in zip(_STYLES, counted, strict=False):
        level = record["unseen"]["mrr_at_5"]["mean"]
        axis.axhline(
            level, color="grey", linestyle=style, label=record["model"]
        )
    depths = sorted({r["num_blocks"] for r in trained})
    _finish_by_depth(axis, depths, "test MRR@5 without seen items", title)
    _save(figure, path)


def draw_stages(records: list[dict], path: Path, title: str) -> None:
    """Metric against training seconds of all stages, coloured by depth.

    Args:
        records: `model`, `copied`, `seed` and a `curve` of points with
            `seconds`, `num_blocks` and `val_mrr_at_5`.
        path: png to write.
        title: above the panels, of which each seed has one.
    """
    seeds = sorted({record["seed"] for record in records})
    depths = sorted(
        {p["num_blocks"] for record in records for p in record["curve"]}
    )
    colour_of = {
        depth: plt.get_cmap("viridis")(0.85 * i / max(len(depths) - 1, 1))
        for i, depth in enumerate(depths)
    }
    figure, axes = _panels(len(seeds))
    for axis, seed in zip(axes, seeds, strict=True):
        of_seed = [record for record in records if record["seed"] == seed]
        for number, record in enumerate(of_seed):
            style = _STYLES[number % len(_STYLES)]
            _draw_by_stage(axis, record["curve"], colour_of, style)
            label = " ".join(filter(None, (record["model"], record["copied"])))
            axis.plot([], [], linestyle=style, color="black", label=label)
        for depth in depths:
            axis.plot(
                [], [], color=colour_of[depth], label=f"{depth} blocks", lw=4
            )
        axis.set_title(f"seed {seed}")
        axis.set_xlabel("training seconds, all stages")
        axis.set_ylabel("validation MRR@5")
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    figure.suptitle(title)
    _save(figure, path)


def _draw_by_stage(axis, curve: list[dict], colour_of: dict, style) -> None:
    """A line a stage, each joined to the one before."""
    drawn: list[dict] = []
    for depth, colour in colour_of.items():
        stage = [p for p in curve if p["num_blocks"] == depth]
        points = drawn[-1:] + stage if stage else []
        axis.plot(
            [p["seconds"] for p in points],
            [p["val_mrr_at_5"] for p in points],
            linestyle=style,
            color=colour,
            marker=".",
            linewidth=1.2,
        )
        drawn += stage


def draw_similarity(
    similarity: list[list[float]], path: Path, title: str
) -> None:
    """A heat map of block against block.

    Args:
        similarity: (L, L) cosines.
        path: png to write.
        title: above it.
    """
    count = len(similarity)
    figure, axis = plt.subplots(
        figsize=(1.5 + 0.6 * count, 1 + 0.6 * count), layout="constrained"
    )
    image = axis.imshow(similarity, vmin=0, vmax=1, cmap="viridis")
    names = [str(i + 1) for i in range(count)]
    axis.set_xticks(range(count), names)
    axis.set_yticks(range(count), names)
    axis.set_xlabel("block")
    axis.set_ylabel("block")
    for i, row in enumerate(similarity):
        for j, value in enumerate(row):
            axis.text(
                *(j, i, f"{value:.2f}"),
                ha="center",
                va="center",
                fontsize=7,
                color="white" if value < 0.6 else "black",
            )
    figure.colorbar(image, label="cosine similarity")
    axis.set_title(title, fontsize="medium")
    _save(figure, path)


def draw_block_use(
    records: list[dict], users: Mapping[str, Any], path: Path, title: str
) -> None:
    """A panel a model: the share of each block, and what some users run.

    Args:
        records: `model` and `shares` (L of them, of the first seed).
        users: by model, (num_users, L) 1 where a user runs a block.
        path: png to write.
        title: heading.
    """
    figure, axes = plt.subplots(
        *(len(users), 2),
        figsize=(9, 2.6 * len(users)),
        squeeze=False,
        layout="constrained",
    )
    for (model, kept), (left, right) in zip(users.items(), axes, strict=True):
        shares = next(r["shares"] for r in records if r["model"] == model)
        blocks = range(1, len(shares) + 1)
        left.bar(blocks, shares)
        left.set_ylim(0, 1)
        left.set_title(model)
        left.set_ylabel("share of users")
        right.imshow(kept, aspect="auto", cmap="Greys", vmin=0, vmax=1)
        right.set_xticks([])
        right.set_ylabel("users")
        left.set_xlabel("block")
        right.set_xlabel("blocks, black where one runs")
    figure.suptitle(title)
    _save(figure, path)


def _finish_by_depth(axis, depths, y_label: str, title: str) -> None:
    """Depths on a logarithmic axis, and what it is all about."""
    axis.set_xscale("log", base=2)
    axis.set_xticks(depths, [str(depth) for depth in depths], minor=False)
    axis.set_xlabel("blocks")
    axis.set_ylabel(y_label)
    axis.grid(alpha=0.3)
    axis.legend(fontsize="small")
    axis.set_title(title, fontsize="medium")


def _panels(count: int):
    """A figure of so many panels, one below the other."""
    figure, axes = plt.subplots(
        count,
        1,
        figsize=(8, 4.2 * count),
        squeeze=False,
        layout="constrained",
    )
    return figure, axes[:, 0]


def _save(figure, path: Path) -> None:
    """Writes a figure, if it is not what the file holds, and closes it."""
    drawn = io.BytesIO()
    # By default the file names the version that drew it.
    figure.savefig(drawn, dpi=120, format="png", metadata={"Software": None})
    plt.close(figure)
    content = drawn.getvalue()
    if path.is_file() and path.read_bytes() == content:
        return
    with atomic_files.replacing(path) as partial:
        partial.write_bytes(content)
