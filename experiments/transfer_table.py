"""Table 3: what transfer came to, written down."""

import dataclasses
import statistics
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments import figures
from experiments import options
from experiments import over_seeds
from experiments import step_times
from experiments import tables
from experiments.recipes import table3
from experiments.recipes.table3 import TransferRow
from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf import transfer
from nextitnet_tf.recipe import FineTuning
from nextitnet_tf.recipe import protocol_differences

# What makes another experiment of it, not another budget.
_CHOICES = ("source_ids", "head", "target_l2", "split", "ranked_negatives")
_COLUMNS = (
    "Model",
    "Copied",
    "Protocol",
    "Seed",
    "Source MRR@5",
    "HR@5",
    "Paper MRR@5",
    "Speed-up",
    "Paper",
    "Target MRR@5",
    "HR@5",
    "Paper MRR@5",
    "HR@5",
    "Worth of pre-training (MRR@5)",
    "95 %",
    "Steps",
    "Pairs",
)


@dataclasses.dataclass(frozen=True)
class _Done:
    """A line that has been run."""

    row: TransferRow
    target: training.StageRun
    source: tables.Line | None
    ranks: np.ndarray | None


def write(
    rows: Sequence[TransferRow],
    sessions: Mapping[str, data.Sessions],
    pairs: Mapping[tuple[FineTuning, str], transfer.Pairs],
    output: Path,
) -> str:
    """Writes table3.md, table3.json and the picture of what is done.

    Args:
        rows: of the table; those not run yet are left out.
        sessions: of the source domain, by numbering.
        pairs: by how they are read (`TransferRow.reading`).
        output: holds the runs, gets the table.

    Returns:
        The table, as markdown.
    """
    done = _read(rows, sessions, pairs, output)
    if not done:
        return "Nothing is done yet.\n"
    records = [_record(line, done, _groups_of(line, pairs)) for line in done]
    records = [*_popular(done, pairs), *records]
    lines = [
        f"# {table3.TITLE}",
        "",
        *over_seeds.to_markdown(_over_seeds(done, records, pairs)),
        _markdown_row(_COLUMNS),
        _markdown_row(["---"] * len(_COLUMNS)),
        *(_markdown_row(_cells(record)) for record in records),
        "",
        *(f"- {note}" for note in _notes(done, sessions, pairs)),
        "",
    ]
    text = "\n".join(lines)
    atomic_files.write_text(output / f"{table3.NAME}.md", text)
    atomic_files.write_json(
        output / f"{table3.NAME}.json",
        {
            "title": table3.TITLE,
            "data": next(iter(sessions.values())).meta,
            "fine_tuning": [
                {**dataclasses.asdict(reading[0]), "pairs": pairs[reading].meta}
                for reading in _readings(done)
            ],
            "versions": done[0].target.summary["versions"],
            "rows": records,
        },
    )
    figures.draw_convergence(
        records,
        output / f"{table3.NAME}-convergence.png",
        table3.TITLE,
        "target MRR@5, validation",
    )
    return text


def _read(rows, sessions, pairs, output: Path) -> list[_Done]:
    """The lines that are done, pre-training on one clock a depth."""
    measured = step_times.read(output / step_times.FILE_NAME)
    found = []
    for row in rows:
        of_row = sessions[row.transfer.pretraining.protocol.item_ids]
        of_row_pairs = pairs[row.reading]
        target = transfer.read_run(
            row.transfer, of_row, of_row_pairs, output / "runs"
        )
        if target is None:
            continue
        source = None
        if row.transfer.is_pretrained:
            run = training.read_run(row.row.recipe, of_row, output / "runs")
            if run is not None:
                source = tables.make_line(row.row, run, measured, {})
        found.append((row, target, source))
    clocked = iter(
        tables.with_one_clock([s for _, _, s in found if s is not None])
    )
    return [
        _Done(
            row, target, next(clocked) if source else None, target.read_ranks()
        )
        for row, target, source in found
    ]


def _readings(done: Sequence[_Done]) -> list[tuple[FineTuning, str]]:
    """How the lines read the pairs, each way once."""
    return list(dict.fromkeys(line.row.reading for line in done))


def _groups_of(line: _Done, pairs) -> np.ndarray:
    """The user of each pair that was ranked."""
    found = pairs[line.row.reading]
    test = transfer.split(found, line.row.transfer.fine_tuning).test
    return found.users[test[: line.target.summary["num_sessions"]]]


def _key(line: _Done) -> tuple[str, str, str, str]:
    row = line.row.row
    return "", row.label, row.preset, _protocol(line.row)


def _protocol(row: TransferRow) -> str:
    """The protocol's name, and in what pre-training or fine-tuning differ."""
    protocol, tuning = (
        row.transfer.pretraining.protocol,
        row.transfer.fine_tuning,
    )
    usual = table3.fine_tuning(options.dataset_name(), tuning.name)
    changed = [f"fine_tuning={tuning.name}"] * (tuning.name != protocol.name)
    changed += [
        f"tune_{field}={getattr(tuning, field)}"
        for field in _CHOICES
        if getattr(tuning, field) != getattr(usual, field)
    ]
    return " ".join([protocol.name, *protocol_differences(protocol), *changed])


def _is_alike(one: _Done, other: _Done) -> bool:
    """Whether all but the model is the same."""
    a, b = one.row.transfer, other.row.transfer
    return (
        a.fine_tuning == b.fine_tuning
        and a.pretraining.protocol == b.pretraining.protocol
        and a.pretraining.seed == b.pretraining.seed
    )


def _untrained_label(line: _Done) -> str:
    """What a pre-trained line is compared with: equally deep, untrained."""
    depth = line.row.transfer.pretraining.stages[-1].num_blocks
    return f"NextItNet-{depth}, not pre-trained"


def _record(
    line: _Done, done: list[_Done], groups: np.ndarray
) -> dict[str, Any]:
    row, recipe = line.row.row, line.row.transfer.pretraining
    summary = line.target.summary
    test = summary["test"]
    paper = table3.PAPER.get(row.paper_label or row.label, (None,) * 5)
    source: dict[str, Any] = {}
    if line.source is not None:
        of_source = line.source.summary["test"]
        reference = next(
            (
                other.source
                for other in done
                if other.source is not None
                and other.row.row.role == "scratch"
                and _is_alike(other, line)
            ),
            None,
        )
        speedup = None
        is_compared = False
        if row.role != "shallow" and reference is not None:
            is_compared = True
            speedup = tables.speedup(line.source, reference)
        source = {
            **{k: v for k, v in of_source.items() if "_at_" in k},
            "num_sessions": of_source["num_sessions"],
            "is_compared": is_compared,
            "speedup": speedup,
        }
    worth = {}
    other = next(
        (
            o
            for o in done
            if o.row.row.label == _untrained_label(line) and _is_alike(o, line)
        ),
        None,
    )
    if (
        line.source is not None
        and other is not None
        and line.ranks is not None
        and other.ranks is not None
    ):
        difference, low, high = over_seeds.paired_bootstrap(
            over_seeds.reciprocal_ranks(line.ranks)[None],
            over_seeds.reciprocal_ranks(other.ranks)[None],
            groups=groups,
        )
        worth = {"difference": difference, "low": low, "high": high}
    return {
        "setting": "fine-tuning",
        "model": row.label,
        "copied": row.preset,
        "protocol": _protocol(line.row),
        "seed": recipe.seed,
        **{k: v for k, v in test.items() if "_at_" in k},
        "num_sessions": test["num_sessions"],
        "source": source,
        "worth": worth,
        "paper": {
            "source_mrr_at_5": paper[0],
            "source_hit_rate_at_5": paper[1],
            "mrr_at_5": paper[2],
            "hit_rate_at_5": paper[3],
            "speedup": paper[4],
        },
        "speedup": source.get("speedup"),
        "is_compared": source.get("is_compared", False),
        "best_step": summary["best_step"],
        "wall_seconds": summary["wall_seconds"],
        "curve": [
            {
                "step": point["step"],
                "seconds": point["step"] * summary["step_seconds"],
                tables.MONITOR: point[tables.MONITOR],
            }
            for point in summary["curve"]
        ],
    }


def _popular(done: list[_Done], pairs) -> list[dict[str, Any]]:
    """The target's most popular items, one line a way of fine-tuning."""
    first: dict[tuple[FineTuning, str], _Done] = {}
    for line in done:
        first.setdefault(line.row.reading, line)
    records = []
    for line in first.values():
        of_line = line.row.transfer
        ranks = transfer.rank_by_popularity(pairs[line.row.reading], of_line)
        records.append(
            {
                "setting": "fine-tuning",
                "model": "MostPop of the target",
                "copied": "",
                "protocol": _protocol(line.row),
                "mrr_at_5": float(over_seeds.reciprocal_ranks(ranks).mean()),
                "hit_rate_at_5": float(np.mean(ranks < 5)),
                "num_sessions": len(ranks),
                "paper": {},
            }
        )
    return records


def _over_seeds(done: list[_Done], records, pairs) -> list[dict[str, Any]]:
    own = [record for record in records if "seed" in record]
    if len({record["seed"] for record in own}) < 2:
        return []  # every line has its difference
    return over_seeds.summarize(
        [
            over_seeds.Entry(
                key=_key(line),
                record=record,
                ranks=line.ranks,
                reference=("", _untrained_label(line)),
                groups=_groups_of(line, pairs),
            )
            for line, record in zip(done, own, strict=True)
        ]
    )


def _cells(record: dict[str, Any]) -> list[str]:
    source, paper = record.get("source", {}), record["paper"]
    worth = record.get("worth") or {}
    speedup = ""
    if source.get("is_compared"):
        speedup = f"{source['speedup']:.2f}x" if source["speedup"] else "-"
    interval = difference = ""
    if worth:
        difference = f"{worth['difference']:+.4f}"
        interval = f"{worth['low']:+.4f} to {worth['high']:+.4f}"
        if worth["low"] > 0 or worth["high"] < 0:
            difference += " *"
    return [
        record["model"],
        record["copied"],
        record["protocol"],
        str(record.get("seed", "")),
        _number(source.get("mrr_at_5")),
        _number(source.get("hit_rate_at_5")),
        _number(paper.get("source_mrr_at_5")),
        speedup,
        f"{paper['speedup']:.2f}x" if paper.get("speedup") else "",
        _number(record["mrr_at_5"]),
        _number(record["hit_rate_at_5"]),
        _number(paper.get("mrr_at_5")),
        _number(paper.get("hit_rate_at_5")),
        difference,
        interval,
        str(record.get("best_step", "")),
        f"{record['num_sessions']:,}",
    ]


def _notes(done: list[_Done], sessions, pairs) -> list[str]:
    meta = next(iter(sessions.values())).meta
    seconds = statistics.median(
        line.target.summary["wall_seconds"] for line in done
    )
    described = dict.fromkeys(
        _describe(reading[0], pairs[reading].meta)
        for reading in _readings(done)
    )
    seeds = sorted({line.row.transfer.pretraining.seed for line in done})
    return [
        f"Source: {meta.get('source')}, {meta['num_rows']:,} sessions of t = "
        f"{meta['t']}, {meta['num_items']:,} items.",
        *described,
        "Source metrics and Speed-up: pre-training, as in Table 2. Target "
        "metrics: after fine-tuning all parameters.",
        "Worth of pre-training: target MRR@5 less that of the equally deep "
        "model that was not pre-trained (Difference to scratch, over the "
        "seeds), with 95 % of a paired bootstrap over the users of the test "
        "pairs; * where that leaves out 0.",
        "Steps: of fine-tuning, to the best evaluation. Pairs: how many were "
        f"ranked. Fine-tuning took {seconds:.0f} s in the median, all "
        "included, on a machine that may have been shared.",
        f"Seeds: {', '.join(map(str, seeds))}.",
        "The paper's figures are for ColdRec, which cannot be had any more, "
        "and by the release's protocol.",
    ]


def _describe(tuning: FineTuning, meta: dict[str, Any]) -> str:
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


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _markdown_row(cells) -> str:
    return "| " + " | ".join(cells) + " |"
