"""The case `accuracy`: of what a continual-learning table holds."""

import json
from pathlib import Path
from typing import Any

from experiments.benchmark.settings import Settings

# NextItNet with 16 blocks from scratch, against 8 blocks stacked to 16.
SETTING = "60-80"
SCRATCH = "NextItNet-16 (80%)"
SHALLOW = "NextItNet-8 (60%)"
STACKED = "StackA-Next-16"
COPIED = "best"
PROTOCOL = "release"

# A step of the TF1 release at 8 and at 32 blocks, where the goals were
# measured; its step at 16 lies on the line through them.
RELEASE_MS = {8: 164, 32: 612}
RELEASE_STEP_SECONDS = (
    RELEASE_MS[8] + (RELEASE_MS[32] - RELEASE_MS[8]) * (16 - 8) / (32 - 8)
) / 1000


def measure(settings: Settings) -> list[dict[str, Any]]:
    """Reads what was measured when the models were trained."""
    found = read(settings.table)
    if not found:
        print(f"no time to accuracy: {settings.table} has no such rows")
    return found


def to_markdown(found: list[dict[str, Any]]) -> list[str]:
    """The table of the seeds."""
    lines = [
        f"{STACKED} ({COPIED}) against {SCRATCH}, protocol {PROTOCOL}: time "
        "to the best validation MRR@5 of the model from scratch. Steps to the "
        "evaluation times the idle time of a step. The release's step "
        "was measured on another machine at 8 and 32 blocks; at 16 it is "
        "interpolated.",
        "",
        "| Seed | From scratch, s | Share of that time (goal 25 %) "
        "| with the shallow model's | MRR@5 at the end "
        "| Release's step time, from scratch (goal 15x) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in found:
        ratio = row["release_ratio"]
        lines.append(
            f"| {row['seed']} | {row['scratch_seconds']:.0f} "
            f"| {_share(row['share'])} "
            f"| {_share(row['share_with_shallow'])} "
            f"| {row['gain']:+.1%} "
            f"| {f'{ratio:.1f}x' if ratio else 'never'} |"
        )
    return [*lines, ""]


def read(table: Path) -> list[dict[str, Any]]:
    """How soon a stacked model is as good as one from scratch gets.

    Args:
        table: table.json of `make reproduce-table2`.

    Returns:
        One dictionary a seed that has the rows; [] without such a table.
        `share` is the time to the stacked model's first evaluation that is
        as good as the best of the model from scratch, as a share of the
        latter's time; None if it never is. `share_with_shallow` counts the
        shallow model's training, too; `gain` is the relative difference of
        the test MRR@5; `release_ratio` how many times longer the model from
        scratch takes at the TF1 release's step time.

    Raises:
        ValueError: a file, but no such table.
    """
    if not table.is_file():
        return []
    try:
        rows = json.loads(table.read_text(encoding="utf-8"))["rows"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(
            "Expected a table.json of `make reproduce-table2`. "
            f"Received: {table}"
        ) from None
    found: dict[int, dict[str, Any]] = {}
    for row in rows:
        if row["setting"] != SETTING or row["protocol"] != PROTOCOL:
            continue
        name = row["model"]
        if name == STACKED and row["copied"] != COPIED:
            continue
        found.setdefault(row["seed"], {})[name] = row
    return [
        {"seed": seed, **_compare(of_seed)}
        for seed, of_seed in sorted(found.items())
        if {SCRATCH, SHALLOW, STACKED} <= set(of_seed)
    ]


def _compare(rows: dict[str, Any]) -> dict[str, Any]:
    scratch, stacked = rows[SCRATCH], rows[STACKED]
    gain = stacked["mrr_at_5"] / scratch["mrr_at_5"] - 1
    speedup = stacked["speedup"]
    found = {
        "scratch_seconds": scratch["seconds"],
        "shallow_seconds": rows[SHALLOW]["seconds"],
        "gain": gain,
    }
    if not speedup:
        return {
            **found,
            "share": None,
            "share_with_shallow": None,
            "release_ratio": None,
        }
    seconds = scratch["seconds"] / speedup
    release_seconds = scratch["best_step"] * RELEASE_STEP_SECONDS
    return {
        **found,
        "share": seconds / scratch["seconds"],
        "share_with_shallow": (seconds + found["shallow_seconds"])
        / scratch["seconds"],
        "release_ratio": release_seconds / seconds,
    }


def _share(share: float | None) -> str:
    return "never" if share is None else f"{share:.0%}"
