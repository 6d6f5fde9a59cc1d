"""What tables of models stored small say of themselves."""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from experiments.reporting.columns import escape
from experiments.reporting.comparisons import About
from experiments.reporting.comparisons import Content
from experiments.reporting.statistics import NEEDED_SEEDS
from experiments.reporting.statistics import verdict
from experiments.reporting.wording import shown
from nextitnet_tf.growing import DEFAULT_START

# What a way to grow may lack of the direct model.
MARGIN = 0.001
_TOO_FEW = "; no verdict without three seeds"


def against_full(contents: Sequence[Content], about: About) -> Iterator[str]:
    """How small each line is, how soon trained, and whether it is no worse."""
    for content in contents:
        rows = [row for row in content["rows"] if not row["is_counted"]]
        steps = {row["model"]: row["step"] for row in rows}
        for row in rows:
            told = row["over_full"]
            if not told:
                continue
            low, high = told["low"], told["high"]
            found = _in_words(told, row)
            said = [
                f"{row['smaller']:.1f} times smaller on disk"
                if row["smaller"]
                else "",
                f"a step takes {row['step'] / steps[row['full']]:.0%} of the "
                "time"
                if row["full"] in steps
                else "",
            ]
            parts = ", ".join([*filter(None, said), ""])
            yield (
                f"- {escape(row['model'])}: {parts}MRR@5 "
                f"{shown(told['difference'], low, high)} against "
                f"{escape(row['full'])}: {found}."
            )


def against_rivals(contents: Sequence[Content], about: About) -> Iterator[str]:
    """Whether a policy is better than each line that has none."""
    for content in contents:
        for row in content["rows"]:
            told = row.get("under_policy")
            if told:
                lead = shown(told["difference"], told["low"], told["high"])
                yield (
                    f"- The policy against {escape(row['model'])}: MRR@5 "
                    f"{lead}: {_in_words(told, row)}."
                )


def new_items(contents: Sequence[Content], about: About) -> Iterator[str]:
    """What a start of new items gives on them, and what it costs on old."""
    for content in contents:
        rows = content["rows"]
        going_on = {(r["new_items"], r["steps"]): r for r in rows}
        beside = {
            "popularity": [r for r in rows if not r["new_items"]][:1],
            "anew": [r for r in rows if r["model"].endswith("anew")],
        }
        for (start, steps), row in going_on.items():
            random = going_on.get(("random", steps))
            if start != DEFAULT_START or random is None:
                continue
            others = {"a random start": [random], **beside}
            new, old = (
                ", ".join(
                    f"{name} {r[part]['mean']:.4f}"
                    for name, of_name in others.items()
                    for r in of_name
                )
                for part in ("unseen", "old")
            )
            num_seeds = len(row["seeds"])
            yield (
                f"- {escape(row['model'])}, new items as {start}, after "
                f"{steps} steps: MRR@5 of items never seen "
                f"{row['unseen']['mean']:.4f} ({new}), of old ones "
                f"{row['old']['mean']:.4f} ({old}); {num_seeds} "
                f"seed{'s' * (num_seeds > 1)}"
                f"{_TOO_FEW * (num_seeds < NEEDED_SEEDS)}."
            )


def grown_sooner(contents: Sequence[Content], about: About) -> Iterator[str]:
    """Which ways to grow are as good as the direct model, and how soon."""
    for content in contents:
        direct, *others = content["rows"] or [None]
        ways = [row for row in others if row["copied"]]
        if not ways:  # a table that is still being made
            continue
        soon = {
            row["model"]: row["time_to_target"]
            for row in ways
            if row["time_to_target"] is not None
        }
        each = ", ".join(
            f"{escape(name)} after {share:.0%}" for name, share in soon.items()
        )
        nearest = max(ways, key=lambda row: row["last"]["mean"])
        num_seeds = len(direct["seeds"])
        few = _TOO_FEW * (num_seeds < NEEDED_SEEDS)
        yield (
            f"- {escape(direct['model'])}, directly: validation MRR@5 "
            f"{direct['last']['mean']:.4f} ({num_seeds} seeds). Of "
            f"{len(ways)} ways to grow, most seeds of {len(soon)} get as good "
            f"(less {MARGIN:g}){': ' * bool(each)}{each}; the best is "
            f"{escape(nearest['model'])}, {nearest['last']['mean']:.4f}, in "
            f"{nearest['whole_time']:.0%} of the time"
            + "".join(
                f"; {escape(row['model'])}, not grown, "
                f"{row['last']['mean']:.4f}"
                for row in others
                if not row["copied"]
            )
            + f"{few}."
        )


def _in_words(told: Mapping[str, float], row: Mapping[str, Any]) -> str:
    found = verdict(
        told["difference"], told["low"], told["high"], len(row["seeds"])
    )
    words = {"holds": "better", "does not hold": "worse"}
    return words.get(found, found)
