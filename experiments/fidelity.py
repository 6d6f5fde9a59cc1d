r"""Where paper and release differ, what we do, and what it changes.

  python -m experiments.fidelity --dataset=ml1m --raw=interactions.csv.gz \
    --seeds=0,1,2

Trains protocol `release` with one thing changed at a time, a model for each
change and seed, and writes --document (the list of differences with the
measured effects) and OUTPUT/fidelity.json (the numbers behind it). Models
that Table 2 has trained in the same OUTPUT are not trained again, and an
interrupted command goes on where it was.
"""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import flags as options
from experiments import running
from experiments import target_flags
from experiments.papers.stackrec import paper_data
from experiments.recipes import fidelity
from experiments.reporting.store import Store
from nextitnet_tf import atomic_files

_DOCUMENT = flags.DEFINE_string(
    "document", "docs/fidelity.md", "Where the list of differences goes."
)

flags.adopt_module_key_flags(options)
flags.adopt_module_key_flags(target_flags)

_HEAD = """\
# Paper, release, and this project

StackRec's paper and the TensorFlow 1 code released with it differ in many
places. This is the list, with what we do and how to choose. `make fidelity`
wrote it, from `experiments/recipes/fidelity.py` and `{runs}`.

Protocol `release` follows the released code, protocol `clean` does what we
would do today (README, "The two protocols"). The field of a `Protocol` that is
named under "Choose by" is also a flag of that name, which changes that one
thing; so are the fields of `Stage` and `Recipe`.
"""


def main() -> None:
    target_flags.apply_defaults({"seeds": "0,1,2"})
    seeds = target_flags.seeds()
    folder = options.sessions_folder()
    output = options.output_folder()
    store = running.open_store(folder, output)
    # The same budget as Table 2, or its models could not be shared.
    budget = paper_data.budget(options.dataset_name())
    rows = [
        row
        for seed in seeds
        for row in fidelity.make_rows(
            seed, **options.budget(budget), **options.recipe_options()
        )
    ]

    def write() -> dict[str, Any]:
        return _write(rows, store, output, Path(_DOCUMENT.value))

    if not target_flags.TABLE_ONLY.value:
        running.train(rows, store, write)
    print(to_markdown(write()))


def summarize(
    mrr_of: Mapping[int, float],
    base_of: Mapping[int, float],
    steps_of: Mapping[int, int],
    base_steps_of: Mapping[int, int],
) -> dict[str, Any] | None:
    """What a change does, over the seeds that both sides have.

    Args:
        mrr_of: MRR@5 by seed, with the change.
        base_of: without it.
        steps_of: steps to the best evaluation, with the change.
        base_steps_of: without it.

    Returns:
        Means and ranges, of the values and of their differences seed by
        seed; None without a common seed.
    """
    seeds = sorted(set(mrr_of) & set(base_of))
    if not seeds:
        return None
    changed = [mrr_of[seed] for seed in seeds]
    base = [base_of[seed] for seed in seeds]
    differences = [c - b for c, b in zip(changed, base, strict=True)]
    return {
        "seeds": seeds,
        "mrr_at_5": _spread(changed),
        "base_mrr_at_5": _spread(base),
        "difference": _spread(differences),
        "steps": statistics.mean(steps_of[seed] for seed in seeds),
        "base_steps": statistics.mean(base_steps_of[seed] for seed in seeds),
    }


def to_markdown(result: Mapping[str, Any]) -> str:
    """The effects, as a table."""
    lines = [
        "| Change | Against | Seeds | MRR@5 | against | Difference | Steps "
        "to best | against |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for effect in result["effects"]:
        lines.append(
            f"| {effect['change']} | {effect['against']} "
            f"| {', '.join(map(str, effect['seeds']))} "
            f"| {_shown(effect['mrr_at_5'])} "
            f"| {_shown(effect['base_mrr_at_5'])} "
            f"| {_shown(effect['difference'], sign=True)} "
            f"| {effect['steps']:,.0f} | {effect['base_steps']:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def _write(rows, store: Store, output: Path, document: Path) -> dict[str, Any]:
    result = _measure(rows, store)
    atomic_files.write_json(output / "fidelity.json", result)
    document.parent.mkdir(parents=True, exist_ok=True)
    atomic_files.write_text(
        document, make_document(result, f"{output}/fidelity.json")
    )
    return result


def _measure(rows, store: Store) -> dict[str, Any]:
    """The effects, of what is done."""
    mrr: dict[str, dict[int, float]] = {}
    steps: dict[str, dict[int, int]] = {}
    num_sessions = None
    for row in rows:
        done = store.find(row.recipe)
        if done is None:
            continue
        # A preset, and the base of the variants, are both called "release".
        name = f"StackA {row.preset}" if row.preset else row.label
        seed = row.recipe.seed
        mrr.setdefault(name, {})[seed] = done.summary["test"]["mrr_at_5"]
        steps.setdefault(name, {})[seed] = done.summary["best_step"]
        num_sessions = done.summary["num_sessions"]
    setting = fidelity.SETTING
    scratch = (
        f"NextItNet-{setting.num_blocks_after} ({setting.ratio_after:.0%})"
    )
    model = f"NextItNet-{fidelity.NUM_BLOCKS} ({fidelity.DATA_RATIO:.0%})"
    stacked = f"StackA best, {scratch}"
    effects = []
    for name, base, against in [
        *((name, scratch, scratch) for name in fidelity.STACKED),
        *(
            (name, "release", model)
            for name in (*fidelity.VARIANTS, *fidelity.MODEL_VARIANTS)
        ),
        *((name, "StackA best", stacked) for name in fidelity.STACKED_VARIANTS),
    ]:
        found = summarize(
            mrr.get(name, {}),
            mrr.get(base, {}),
            steps.get(name, {}),
            steps.get(base, {}),
        )
        if found is not None:
            effects.append({"change": name, "against": against, **found})
    return {
        "data": store.meta.get("source"),
        "num_sessions": num_sessions,
        "effects": effects,
    }


def make_document(result: Mapping[str, Any], numbers: str) -> str:
    """The whole document.

    Args:
        result: of `_measure`, or what fidelity.json holds.
        numbers: where that is kept.
    """
    effect_of = {effect["change"]: effect for effect in result["effects"]}
    lines = [
        _HEAD.format(runs=numbers),
        "| | Topic | Paper | Release | Choose by | Default "
        "| MRR@5 changes by |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for number, item in enumerate(fidelity.DIVERGENCES, start=1):
        effects = [
            f"{name}: {_shown(effect_of[name]['difference'], sign=True)}"
            for name in item.variants
            if name in effect_of
        ]
        cells = [
            str(number),
            item.topic,
            item.paper,
            item.release,
            item.switch,
            item.default,
            "; ".join(effects),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    if result["effects"]:
        lines += [
            "",
            "## Measured effects",
            "",
            to_markdown(result),
            f"Data: {result['data']}; {result['num_sessions']:,} sessions "
            "evaluated. Means over the seeds, the smallest and largest in "
            "brackets; differences are taken seed by seed. The sessions are "
            "the same for all, so that their sampling error is mostly shared.",
            "Steps to the best evaluation compare within a row; a step of "
            "the full softmax costs more than one of the sampled.",
            "",
        ]
    return "\n".join(lines)


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "mean": statistics.mean(values),
        "min": min(values),
        "max": max(values),
    }


def _shown(spread: Mapping[str, float], sign: bool = False) -> str:
    form = "+.4f" if sign else ".4f"
    mean, low, high = (spread[name] for name in ("mean", "min", "max"))
    return f"{mean:{form}} ({low:{form}} to {high:{form}})"


if __name__ == "__main__":
    command.run(main)
