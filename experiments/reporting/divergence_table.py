"""The list of divergences with what each changes, written down."""

import statistics
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.papers.stackrec import divergences
from experiments.papers.stackrec.divergences import Change
from experiments.papers.stackrec.divergences import Divergence
from experiments.reporting.columns import Column
from experiments.reporting.columns import table
from experiments.reporting.store import Store
from nextitnet_tf import atomic_files

_HEAD = """\
# Paper, release, and this project

StackRec's paper and the TensorFlow 1 code released with it differ in many
places. This is the list, with what we do and how to choose. `make fidelity`
wrote it, from `experiments/papers/stackrec/divergences.toml` and `{numbers}`.

Protocol `release` follows the released code, protocol `clean` does what we
would do today (README, "The two protocols"). The field of a `Protocol` that is
named under "Choose by" is also a flag of that name, which changes that one
thing; so are the fields of `Stage` and `Recipe`.
"""
# Folder of a paper -> what it is called, and what to know of its list.
_OTHERS = {
    "cprec": (
        "CpRec",
        """\
The same of CpRec, from `experiments/papers/cprec/divergences.toml`. Its
backbone is StackRec's without alpha.
""",
    ),
    "skiprec": (
        "SkipRec",
        """\
The same of SkipRec, from `experiments/papers/skiprec/divergences.toml`.
`SkipRec(backbone, **SkipRec.release_arguments())` with protocol
`skiprec_release` is its release's training by a Gumbel softmax,
`release_arguments("reinforce")` that by reinforcement learning.
""",
    ),
}


def write(
    changes: Sequence[Change], store: Store, output: Path, document: Path
) -> str:
    """Writes the document, and OUTPUT/fidelity.json with its numbers.

    Args:
        changes: of all seeds.
        store: of their runs.
        output: folder of results.
        document: file of the list.

    Returns:
        The effects, as a table.
    """
    result = measure(changes, store)
    numbers = output / f"{divergences.NAME}.json"
    atomic_files.write_json(numbers, result)
    document.parent.mkdir(parents=True, exist_ok=True)
    text = make_document(divergences.read(), of_others(), result, str(numbers))
    atomic_files.write_text(document, text)
    return to_markdown(result["effects"])


def measure(changes: Iterable[Change], store: Store) -> dict[str, Any]:
    """The effects, of what is done.

    Args:
        changes: of all seeds.
        store: of their runs.
    """
    by_name: dict[str, list[Change]] = {}
    for change in changes:
        by_name.setdefault(change.name, []).append(change)
    effects = []
    num_sessions = None
    for name, of_name in by_name.items():
        pairs = [
            (run.summary, base.summary)
            for run, base in (
                (store.find(c.row.recipe), store.find(c.base.recipe))
                for c in of_name
            )
            if run is not None and base is not None
        ]
        if pairs:
            against = of_name[0].against
            effects.append(
                {"change": name, "against": against, **summarize(pairs)}
            )
            num_sessions = pairs[0][0]["num_sessions"]
    return {
        "data": store.meta.get("source"),
        "num_sessions": num_sessions,
        "effects": effects,
    }


def summarize(
    pairs: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
) -> dict[str, Any]:
    """What a change does, over seeds.

    Args:
        pairs: summaries of a seed's run with the change, and without.

    Returns:
        Means and ranges, of MRR@5 and of its differences seed by seed, and
        the mean steps to the best evaluation.
    """
    changed, base = (
        [pair[side]["test"]["mrr_at_5"] for pair in pairs] for side in (0, 1)
    )
    steps, base_steps = (
        statistics.mean(pair[side]["best_step"] for pair in pairs)
        for side in (0, 1)
    )
    return {
        "seeds": [summary["seed"] for summary, _ in pairs],
        "mrr_at_5": _spread(changed),
        "base_mrr_at_5": _spread(base),
        "difference": _spread(
            [c - b for c, b in zip(changed, base, strict=True)]
        ),
        "steps": steps,
        "base_steps": base_steps,
    }


def to_markdown(effects: Sequence[Mapping[str, Any]]) -> str:
    """The effects, as a table."""
    return "\n".join(table(_EFFECTS, effects, keep_empty=True)) + "\n"


def of_others() -> dict[str, list[Divergence]]:
    """The lists of the other papers, which are not measured, by folder."""
    return {paper: divergences.read(paper) for paper in _OTHERS}


def make_document(
    listed: Sequence[Divergence],
    others: Mapping[str, Sequence[Divergence]],
    result: Mapping[str, Any],
    numbers: str,
) -> str:
    """The whole document.

    Args:
        listed: the divergences of StackRec.
        others: those of other papers (`of_others`).
        result: of `measure`, or what fidelity.json holds.
        numbers: where that is kept.
    """
    effect_of = {effect["change"]: effect for effect in result["effects"]}

    def measured(numbered: tuple[int, Divergence]) -> str:
        return "; ".join(
            f"{name}: {_shown(effect_of[name]['difference'], sign=True)}"
            for name in numbered[1].changes
            if name in effect_of
        )

    columns = (*_COLUMNS, Column("MRR@5 changes by", measured))
    lines = [
        _HEAD.format(numbers=numbers),
        *table(columns, enumerate(listed, start=1), keep_empty=True),
    ]
    if result["effects"]:
        lines += [
            "",
            "## Measured effects",
            "",
            to_markdown(result["effects"]),
            f"Data: {result['data']}; {result['num_sessions']:,} sessions "
            "evaluated. Means over the seeds, the smallest and largest in "
            "brackets; differences are taken seed by seed. The sessions are "
            "the same for all, so that their sampling error is mostly shared.",
            "Steps to the best evaluation compare within a row; a step of "
            "the full softmax costs more than one of the sampled.",
        ]
    for paper, of_paper in others.items():
        title, head = _OTHERS[paper]
        lines += [
            *("", f"## {title}", "", head),
            *table(_COLUMNS, enumerate(of_paper, start=1), keep_empty=True),
        ]
    return "\n".join([*lines, ""])


def _said(title: str, field: str) -> Column:
    """A column of the list itself, which is markdown of ours."""
    return Column(
        title, lambda numbered: getattr(numbered[1], field), is_markdown=True
    )


_COLUMNS = (
    Column("", lambda numbered: str(numbered[0])),
    _said("Topic", "topic"),
    _said("Paper", "paper"),
    _said("Release", "release"),
    _said("Choose by", "switch"),
    _said("Default", "default"),
)


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "mean": statistics.mean(values),
        "min": min(values),
        "max": max(values),
    }


def _shown(spread: Mapping[str, float], sign: bool = False) -> str:
    form = "+.4f" if sign else ".4f"
    mean, low, high = (spread[name] for name in ("mean", "min", "max"))
    return f"{mean:{form}} ({low:{form}} to {high:{form}})"


_EFFECTS = (
    Column("Change", lambda effect: effect["change"]),
    Column("Against", lambda effect: effect["against"]),
    Column("Seeds", lambda effect: ", ".join(map(str, effect["seeds"]))),
    Column("MRR@5", lambda effect: _shown(effect["mrr_at_5"])),
    Column("against", lambda effect: _shown(effect["base_mrr_at_5"])),
    Column("Difference", lambda effect: _shown(effect["difference"], True)),
    Column("Steps to best", lambda effect: f"{effect['steps']:,.0f}"),
    Column("against", lambda effect: f"{effect['base_steps']:,.0f}"),
)
