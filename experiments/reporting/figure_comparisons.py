"""The same of figures, and of the table of transfer (see `comparisons`)."""

import statistics
from collections.abc import Iterator
from collections.abc import Sequence

from experiments.reporting import against_counting
from experiments.reporting import wording
from experiments.reporting.columns import escape
from experiments.reporting.columns import number
from experiments.reporting.comparisons import About
from experiments.reporting.comparisons import Content
from experiments.reporting.statistics import verdict
from experiments.reporting.wording import Group

# Cosine above which the paper calls two blocks alike.
_ALIKE = 0.9


def in_short(contents: Sequence[Content], about: About) -> Iterator[str]:
    """What a table says of itself first."""
    for note in (note for content in contents for note in content["notes"]):
        if note.startswith("In short: "):
            yield f"- {escape(note)}"


def beyond(contents: Sequence[Content], about: About) -> Iterator[str]:
    """What a table says of depth."""
    for note in (note for content in contents for note in content["notes"]):
        if note.startswith(against_counting.BEYOND):
            yield f"- {escape(note)}"


def by_depth(contents: Sequence[Content], about: About) -> Iterator[str]:
    """Which depth is best, with little and with all data."""
    points = [p for content in contents for p in content["rows"]]
    for data in dict.fromkeys(p["data"] for p in points):
        of_data = sorted(
            (p["num_blocks"], statistics.mean(p["values"]), p["seeds"])
            for p in points
            if p["data"] == data
        )
        if len(of_data) < 2:
            continue
        best = max(of_data, key=lambda point: point[1])[0]
        shown = ", ".join(
            f"{depth} blocks {mean:.4f} ({wording.seeds_of(seeds)})"
            for depth, mean, seeds in of_data
        )
        yield f"- On {data} of the data: {shown}; best with {best}."


def alike(contents: Sequence[Content], about: About) -> Iterator[str]:
    """Whether neighbouring blocks' outputs are alike, block 1's excepted."""
    for figure in contents:
        seeds = figure["seeds"]
        # Of each seed: the least alike neighbours from block 2 on.
        later = []
        for similarity in figure["similarity"]:
            neighbours = [row[i + 1] for i, row in enumerate(similarity[:-1])]
            later.append(min(neighbours[1:] or neighbours))
        first = statistics.mean(
            cosine for s in figure["similarity"] for cosine in s[0][1:]
        )
        told = verdict(
            statistics.mean(later) - _ALIKE,
            min(later) - _ALIKE,
            max(later) - _ALIKE,
            len(seeds),
        )
        yield (
            f"- {escape(figure['model'])}, {figure['num_blocks']} blocks, "
            f"protocol {escape(figure['protocol'])}, seed"
            f"{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}: "
            f"neighbours from block 2 on at least {min(later):.2f} ({told}); "
            f"block 1 with the others {first:.2f} on average."
        )


def share_of_time(contents: Sequence[Content], about: About) -> Iterator[str]:
    """The time of training by way of shallow models, all stages counted."""
    rows = [row for content in contents for row in content["rows"]]
    stacked = [row for row in rows if row["role"] == "stacked"]
    for row in stacked:
        reached = (
            f"{row['share']:.0%} of the direct model's time to its best"
            if row["share"]
            else "never as good as the direct model's best"
        )
        yield (
            f"- {escape(row['model'])}, {escape(row['copied'])}, seed "
            f"{row['seed']}: {reached}; test MRR@5 {row['mrr_at_5']:.4f}."
        )
    if stacked:
        direct = ", ".join(
            f"{row['mrr_at_5']:.4f} (seed {row['seed']})"
            for row in rows
            if row["role"] == "scratch"
        )
        yield f"- The direct model's test MRR@5: {direct}."


def worth_of_pretraining(
    contents: Sequence[Content], about: About
) -> Iterator[str]:
    """Fine-tuned models beside those that were not pre-trained."""
    for content in contents:
        rows, over_seeds = content["rows"], content.get("over_seeds", [])
        if over_seeds:  # in place of the rows that have a seed
            rows = [*(row for row in rows if "seed" not in row), *over_seeds]
        yield from map(_fine_tuned, rows)
        for way in content.get("fine_tuning", []):
            pairs = way["pairs"]
            same, of_all = (
                pairs["num_source_items_by_their_number"],
                pairs["num_source_items"],
            )
            if way["source_ids"] == "file" and same < of_all:
                yield (
                    f"- Fine-tuning by {escape(way['name'])} takes the file's "
                    "numbers for source items. They are those of pre-training "
                    f"for {same:,} of {of_all:,}; what was learned of the "
                    "others is lost."
                )


def _fine_tuned(row: Group) -> str:
    """A line of the table of transfer, over its seeds or of one of them."""
    if "seeds" in row:
        worth, seeds = (
            wording.range_of(row),
            f" ({wording.seeds_of(row['seeds'])})",
        )
        mrr, num_seeds, seed = wording.mean(row), len(row["seeds"]), ""
    else:
        worth, seeds = wording.range_of(row.get("worth") or {}), ""
        mrr, num_seeds = number(row["mrr_at_5"]), 1
        seed = f", seed {row['seed']}" if "seed" in row else ""
    shown = ""
    if worth[0] is not None:
        shown = (
            f"; pre-training is worth {wording.shown(*worth)}: "
            f"{verdict(*worth, num_seeds)}"
        )
    name = escape(" ".join(filter(None, (row["model"], row["copied"]))))
    return (
        f"- {name}, protocol {escape(row['protocol'])}{seed}: "
        f"{mrr}{seeds}{shown}."
    )
