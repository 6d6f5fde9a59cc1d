"""How a conclusion of a paper is measured in results: a function a kind.

Each takes what the files of a table or figure hold (a dictionary a file) and
which groups the conclusion is about (values by key; a tuple stands for any of
its values), and yields lines of markdown: none where there is nothing to say.
What a group is, is read from its data ("role", "method", "num_blocks", ...),
never from its label.
"""

import itertools
import statistics
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from experiments.reporting import wording
from experiments.reporting.columns import Column
from experiments.reporting.columns import escape
from experiments.reporting.columns import number
from experiments.reporting.columns import table
from experiments.reporting.statistics import verdict
from experiments.reporting.wording import Group

Content = Mapping[str, Any]
About = Mapping[str, Any]

# How the paper grows a model; the others are what it compares with.
_OF_THE_PAPER = ("adjacent", "adjacent_release", "cross")


def rises(
    contents: Sequence[Content],
    about: About,
    steps: Sequence[tuple[int, float]],
) -> Iterator[str]:
    """Whether accuracy rises with depth and data.

    Args:
        contents: of a table.
        about: its shallow models, and those from scratch.
        steps: number of blocks and fraction of the data, in order.
    """
    groups = select(contents, about)
    for protocol in wording.protocols_of(groups):
        at = {
            (g["num_blocks"], g["data_ratio"]): g
            for g in groups
            if g["protocol"] == protocol
        }
        ladder = [at[step] for step in steps if step in at]
        if len(ladder) < 2:
            continue
        means = [g["mrr_at_5"]["mean"] for g in ladder]
        is_rising = all(a < b for a, b in itertools.pairwise(means))
        told = [
            _rise(before, after, groups)
            for before, after in itertools.pairwise(ladder)
        ]
        yield (
            f"- Protocol {escape(protocol)}: "
            f"{' -> '.join(map(wording.named, ladder))}: "
            f"{'rises' if is_rising else 'does not rise'} at every step "
            f"({'; '.join(told)})."
        )


def against_scratch(contents: Sequence[Content], about: About) -> Iterator[str]:
    """Stacked models beside the deep ones from scratch."""
    groups = [g for g in select(contents, about) if g["is_compared"]]
    if not groups:
        return
    yield from table(_STACKED, groups, keep_empty=True)
    yield ""
    ours = [g for g in groups if g["method"] in _OF_THE_PAPER]
    fast = [
        (g["speedup"] or 0.0) >= 2 and 2 * g["num_reached"] > len(g["seeds"])
        for g in ours
    ]
    reached = sum(g["num_reached"] for g in ours)
    trained = sum(len(g["seeds"]) for g in ours)
    yield (
        f"{reached} of {trained} models of StackA and StackC reach the best "
        f"validation value of theirs from scratch; in {sum(fast)} of "
        f"{len(fast)} lines most seeds do, and at least twice as fast in the "
        "median of those."
    )


def seed_by_seed(contents: Sequence[Content], about: About) -> Iterator[str]:
    """StackA and StackC against the other ways to stack."""
    groups = select(contents, about)
    for ours, other in itertools.product(groups, groups):
        if (
            ours["method"] not in _OF_THE_PAPER
            or other["method"] in _OF_THE_PAPER
            or any(ours[k] != other[k] for k in ("protocol", "copied"))
        ):
            continue
        each = wording.each_seed(ours, other)
        if each:
            yield (
                f"- {escape(ours['model'])} against {escape(other['model'])} "
                f"({escape(ours['copied'])}, protocol "
                f"{escape(ours['protocol'])}): better in "
                f"{sum(d > 0 for d in each)} of {wording.seeds_of(each)}, mean "
                f"difference {statistics.mean(each):+.4f}."
            )


def short_of_scratch(
    contents: Sequence[Content], about: About
) -> Iterator[str]:
    """Models that go on without growing, below the deep one from scratch."""
    for g in select(contents, about):
        shown = ""
        if g.get("difference") is not None:
            shown = (
                ", against the deep model from scratch "
                f"{wording.shown(*wording.range_of(g))}: {wording.beats(g)}"
            )
        yield (
            f"- {escape(g['setting'])}, protocol {escape(g['protocol'])}: "
            f"{wording.named(g)}{shown}."
        )


def in_order(contents: Sequence[Content], about: About) -> Iterator[str]:
    """Baselines from the worst to the best, and NextItNet's advantage."""
    groups = select(contents, about)
    lines = []
    for protocol in wording.protocols_of(groups):
        found = sorted(
            (g for g in groups if g["protocol"] == protocol),
            key=lambda g: g["mrr_at_5"]["mean"],
        )
        if len(found) > 2:  # more than MostPop and one other
            lines.append(
                f"- Protocol {escape(protocol)}: "
                f"{' < '.join(map(wording.named, found))}."
            )
    if not lines:
        return
    yield from lines
    compared = [
        g
        for g in groups
        if g.get("difference") is not None
        # Another depth of it is no baseline; without alpha it is one.
        and not (g["recommender"] == "nextitnet" and g["use_alpha"])
    ]
    if compared:
        yield ""
        yield from table(_BASELINES, compared, keep_empty=True)
        yield ""
        yield (
            "Unseen: the session's other items left out of the ranking, where "
            "both sides kept those ranks. SASRec's authors tie the output to "
            "the item embedding, which ranks the items of the history high, "
            "and evaluate without them; the release ranks them."
        )


def with_and_without_alpha(
    contents: Sequence[Content], about: About
) -> Iterator[str]:
    """The same models with alpha and without."""
    same = ("protocol", "role", "method", "num_blocks", "data_ratio", "copied")
    groups = select(contents, about)
    with_alpha = {
        tuple(g[k] for k in same): g for g in groups if g["use_alpha"]
    }
    for protocol in wording.protocols_of(groups):
        for without in groups:
            other = with_alpha.get(tuple(without[k] for k in same))
            if without["protocol"] != protocol or without["use_alpha"]:
                continue
            each = wording.each_seed(other, without) if other else []
            if other is None or not each:
                continue
            copied = f" ({escape(without['copied'])})" * bool(without["copied"])
            yield (
                f"- {escape(without['model'])}{copied}, protocol "
                f"{escape(protocol)}: {wording.mean(other)} with alpha, "
                f"{wording.mean(without)} without; better with alpha in "
                f"{sum(d > 0 for d in each)} of {wording.seeds_of(each)}, "
                f"{_worth_of_alpha(other, each)}."
            )


def select(contents: Sequence[Content], about: About) -> list[Group]:
    """The groups of a table that a conclusion is about."""
    return [
        group
        for content in contents
        for group in content.get("over_seeds", [])
        if all(
            group.get(key) in wanted
            if isinstance(wanted, tuple)
            else group.get(key) == wanted
            for key, wanted in about.items()
        )
    ]


def _rise(before: Group, after: Group, groups: Sequence[Group]) -> str:
    """From one step of a ladder to the next, with what is known of it."""
    place = ("protocol", "num_blocks", "data_ratio")
    # The deep model of a setting has its range against the shallow one.
    for group in groups:
        if group.get("rise_difference") is not None and all(
            group[key] == after[key] for key in place
        ):
            rise = wording.shown(*wording.range_of(group, "rise_"))
            return f"{rise}: {wording.told(group, 'rise_')}"
    each = wording.each_seed(after, before)
    if not each:
        return "no common seed"
    mean = statistics.mean(each)
    return f"{mean:+.4f}: {verdict(mean, None, None, len(each))}"


def _worth_of_alpha(group: Group, each: list[float]) -> str:
    """The range, if it is of all the seeds."""
    worth = wording.range_of(group, "alpha_")
    if worth[0] is None or worth[1] is None:
        return f"mean difference {statistics.mean(each):+.4f}"
    return f"{wording.shown(*worth)}: {verdict(*worth, len(each))}"


_STACKED = (
    Column("Setting", lambda g: g["setting"]),
    Column("Model", lambda g: g["model"]),
    Column("Copied", lambda g: g["copied"]),
    Column("Protocol", lambda g: g["protocol"]),
    Column("Seeds", lambda g: str(len(g["seeds"]))),
    Column("MRR@5", wording.mean),
    Column(
        "Difference to scratch", lambda g: wording.shown(*wording.range_of(g))
    ),
    Column("At least as good", wording.told),
    Column(
        "Sooner",
        lambda g: f"{g['speedup']:.1f}x" if g["speedup"] else "never",
    ),
    Column("Reached by", lambda g: f"{g['num_reached']} of {len(g['seeds'])}"),
)
_BASELINES = (
    Column("Protocol", lambda g: g["protocol"]),
    Column("Model", lambda g: g["model"]),
    Column(
        "NextItNet's advantage",
        lambda g: f"{g['compared_with']}: {wording.advantage(g)}",
    ),
    Column("Beats it", wording.beats),
    Column("Unseen MRR@5", lambda g: number(g.get("unseen_mrr_at_5"))),
    Column("NextItNet's advantage", lambda g: wording.advantage(g, "unseen_")),
    Column("Beats it", lambda g: wording.beats(g, "unseen_")),
)
