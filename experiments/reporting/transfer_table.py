"""What transfer came to, written down."""

import dataclasses
import statistics
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from experiments.papers.stackrec.table3 import TransferRow
from experiments.reporting import columns
from experiments.reporting import notes
from experiments.reporting import over_seeds
from experiments.reporting import pictures
from experiments.reporting import transfer_lines
from experiments.reporting.columns import Column
from experiments.reporting.transfer_lines import TransferLine
from experiments.reporting.transfer_pairs import PairsOf
from nextitnet_tf import atomic_files
from nextitnet_tf.recipe import FineTuning


def _source(record: Mapping[str, Any], name: str) -> str:
    return columns.number(record.get("source", {}).get(name))


def _paper(record: Mapping[str, Any], name: str) -> str:
    return columns.number(record["paper"].get(name))


def _speedup(record: Mapping[str, Any]) -> str:
    source = record.get("source", {})
    return (
        columns.factor(source["speedup"]) if source.get("is_compared") else ""
    )


def _speedup_of_paper(record: Mapping[str, Any]) -> str:
    found = record["paper"].get("speedup")
    return columns.factor(found) if found else ""


def _worth(record: Mapping[str, Any]) -> str:
    worth = record.get("worth")
    if not worth:
        return ""
    return f"{worth['difference']:+.4f} {over_seeds.mark(worth)}".rstrip()


COLUMNS = (
    Column("Model", lambda r: r["model"]),
    Column("Copied", lambda r: r["copied"]),
    Column("Protocol", lambda r: r["protocol"]),
    Column("Seed", lambda r: str(r.get("seed", ""))),
    Column("Source MRR@5", lambda r: _source(r, "mrr_at_5")),
    Column("HR@5", lambda r: _source(r, "hit_rate_at_5")),
    Column("Paper MRR@5", lambda r: _paper(r, "source_mrr_at_5")),
    Column("Speed-up", _speedup),
    Column("Paper", _speedup_of_paper),
    Column("Target MRR@5", lambda r: columns.number(r["mrr_at_5"])),
    Column("HR@5", lambda r: columns.number(r["hit_rate_at_5"])),
    Column("Paper MRR@5", lambda r: _paper(r, "mrr_at_5")),
    Column("HR@5", lambda r: _paper(r, "hit_rate_at_5")),
    Column("Worth of pre-training (MRR@5)", _worth),
    Column("95 %", lambda r: over_seeds.interval(r.get("worth") or {})),
    Column("Steps", lambda r: str(r.get("best_step", ""))),
    Column("Pairs", lambda r: f"{r['num_sessions']:,}"),
)


def write(
    target: ModuleType,
    rows: Sequence[TransferRow],
    pairs: PairsOf,
    output: Path,
) -> str:
    """Writes NAME.md, NAME.json and the picture of what is done.

    Args:
        target: says NAME and TITLE.
        rows: of the table; those not run yet are left out.
        pairs: of all rows.
        output: gets the table.

    Returns:
        The table, as markdown.
    """
    lines = transfer_lines.read_lines(rows, pairs, output)
    if not lines:
        return "Nothing is done yet.\n"
    own = transfer_lines.to_records(lines, pairs)
    groups = transfer_lines.to_groups(lines, own, pairs)
    records = [*transfer_lines.popular(lines, pairs), *own]
    text = "\n".join(
        [
            f"# {target.TITLE}",
            "",
            *over_seeds.to_markdown(groups),
            *columns.table(COLUMNS, records, keep_empty=True),
            "",
            *(f"- {columns.escape(note)}" for note in _notes(lines, pairs)),
            "",
        ]
    )
    atomic_files.write_text(output / f"{target.NAME}.md", text)
    atomic_files.write_json(
        output / f"{target.NAME}.json",
        {
            "title": target.TITLE,
            "data": pairs.store.meta,
            "fine_tuning": [
                {**dataclasses.asdict(row.reading[0]), "pairs": meta}
                for row, meta in _readings(lines, pairs)
            ],
            "versions": lines[0].target.summary["versions"],
            "rows": records,
            "over_seeds": groups,
        },
    )
    pictures.draw_convergence(
        records,
        output / f"{target.NAME}-convergence.png",
        target.TITLE,
        "target MRR@5, validation",
    )
    return text


def _readings(
    lines: Sequence[TransferLine], pairs: PairsOf
) -> list[tuple[TransferRow, dict[str, Any]]]:
    """How the lines read the pairs, each way once, and what they read."""
    first: dict[tuple, TransferRow] = {}
    for line in lines:
        first.setdefault(line.row.reading, line.row)
    return [(row, pairs.read(row).meta) for row in first.values()]


def _notes(lines: Sequence[TransferLine], pairs: PairsOf) -> list[str]:
    seconds = statistics.median(
        line.target.summary["wall_seconds"] for line in lines
    )
    described = dict.fromkeys(
        _describe(row.reading[0], meta) for row, meta in _readings(lines, pairs)
    )
    seeds = sorted({line.row.row.seed for line in lines})
    return [
        notes.of_data("Source", pairs.store) + ".",
        *described,
        *_sizes(lines),
        "Source metrics and Speed-up: pre-training, as in Table 2. Target "
        "metrics: after fine-tuning all parameters.",
        "Worth of pre-training: target MRR@5 less that of the equally deep "
        "model that was not pre-trained (Difference to scratch, over the "
        "seeds), with its 95 % range over the users of the test "
        "pairs; * where that leaves out 0.",
        "Steps: of fine-tuning, to the best evaluation. Pairs: how many were "
        f"ranked. Fine-tuning took {seconds:.0f} s in the median, all "
        "included, on a machine that may have been shared.",
        f"Seeds: {', '.join(map(str, seeds))}.",
        "The paper's figures are for ColdRec, which cannot be had any more, "
        "and by the release's protocol.",
    ]


def _sizes(lines: Sequence[TransferLine]) -> list[str]:
    """What is stored of each pre-trained model, where that differs."""
    found = {
        line.row.row.label: line.source.summary["num_parameters"]
        for line in lines
        if line.source
    }
    if not any(
        "compression" in line.row.row.recipe.model_config for line in lines
    ):
        return []
    shown = [f"{label} {count / 1e6:.2f}" for label, count in found.items()]
    return [f"Million parameters of what is pre-trained: {', '.join(shown)}."]


def _describe(tuning: FineTuning, meta: Mapping[str, Any]) -> str:
    """How pairs were fine-tuned on and ranked, in words."""
    head = {
        "softmax": "a new softmax layer over the target's items",
        "dot_product": "a table of vectors, one uniform negative a positive",
    }
    split = {
        "users": "80/10/10 of the users, none in two parts",
        "examples": "80/20 of the pairs, so that a user can be on both sides",
    }
    among = (
        f"{tuning.ranked_negatives} random other items and itself"
        if tuning.ranked_negatives
        else "all target items"
    )
    stops = (
        f"stops after {tuning.patience} evaluations without a better one"
        if tuning.patience
        else f"{tuning.max_epochs} passes, the best evaluation counts"
    )
    ids = (
        "source items by their own numbers "
        f"({meta['num_unknown_source_items']:,} of "
        f"{meta['num_source_items']:,} unknown)"
        if tuning.source_ids == "pretraining"
        else "source items by the numbers that the file of pairs gives them, "
        "which are those of pre-training for "
        f"{meta['num_source_items_by_their_number']:,} of "
        f"{meta['num_source_items']:,}"
    )
    return (
        f"Fine-tuning by {tuning.name}: {meta['file']}, "
        f"{meta['num_pairs']:,} pairs of {meta['num_users']:,} users, "
        f"{meta['num_items']:,} target items; {head[tuning.head]}; a target "
        f"is ranked among {among}; {split[tuning.split]}; {stops}; {ids}."
    )
