"""Fine-tuned models that were run, and what pre-training was worth."""

import dataclasses
import functools
import itertools
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from experiments.papers.rows import Choices
from experiments.papers.stackrec.table3 import TransferRow
from experiments.reporting import clock
from experiments.reporting import lines as of_lines
from experiments.reporting import over_seeds
from experiments.reporting import records as of_records
from experiments.reporting.lines import Line
from experiments.reporting.transfer_pairs import PairsOf
from nextitnet_tf import training
from nextitnet_tf.comparing import compare_ranks
from nextitnet_tf.comparing import reciprocal_ranks
from nextitnet_tf.recipe import FineTuning
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.stacking import PRESETS
from nextitnet_tf.training import Run


@dataclasses.dataclass(frozen=True)
class TransferLine:
    """A line that has been run.

    Attributes:
        row: what it is.
        target: its fine-tuning.
        source: its pre-training, if it has one that is there.
    """

    row: TransferRow
    target: Run
    source: Line | None

    @property
    def key(self) -> tuple:
        """The same for lines that differ in the model alone."""
        job = self.row.transfer
        recipe = job.pretraining
        return job.fine_tuning, recipe.protocol, recipe.seed


def done_rows(
    target: ModuleType,
    asked: Sequence[TransferRow],
    choices: Choices,
    pairs: PairsOf,
) -> list[TransferRow]:
    """The rows that are done: those asked for, then those of other commands.

    Args:
        target: its module.
        asked: by this command.
        choices: what it asks, but for protocol and seed.
        pairs: of all rows.
    """
    runs_done = pairs.store.all_runs()
    jobs = [run.transfer for run in runs_done if run.transfer is not None]
    ways: dict[tuple[Protocol, FineTuning], None] = {
        (job.pretraining.protocol, job.fine_tuning): None for job in jobs
    }
    seeds = {job.pretraining.seed for job in jobs}
    depths = {job.pretraining.stages[-1].num_blocks for job in jobs}
    deep = target.DEPTH
    divisors = {deep // depth for depth in depths if deep % depth == 0}
    found = list(asked)
    for (protocol, tuning), divisor, seed in itertools.product(
        ways, sorted({choices.divide_depth, *divisors}), sorted(seeds)
    ):
        way = dataclasses.replace(
            choices,
            protocol=protocol,
            seed=seed,
            presets=PRESETS,
            divide_depth=divisor,
        )
        try:
            others = target.rows(way, tuning)
            found += [row for row in others if row not in found]
        except ValueError:
            continue  # a depth that cannot be divided
    return [row for row in found if _is_done(row, pairs)]


def _is_done(row: TransferRow, pairs: PairsOf) -> bool:
    try:
        return pairs.find(row) is not None
    except ValueError:
        return False  # other pairs, of which these cannot be read that way


def read_lines(
    rows: Sequence[TransferRow], pairs: PairsOf, output: Path
) -> list[TransferLine]:
    """The lines that are done, pre-training on one clock."""
    done = []
    for row in rows:
        target = pairs.find(row)
        if target is not None:
            source = None
            if row.transfer.is_pretrained:
                source = pairs.store.find(row.row.recipe)
            done.append((row, target, source))
    seconds = clock.Clock(
        output / clock.FILE_NAME, [s.summary for _, _, s in done if s]
    )
    return [
        TransferLine(
            row,
            target,
            Line(row.row, source, seconds.step_seconds(source.summary))
            if source
            else None,
        )
        for row, target, source in done
    ]


def _users(line: TransferLine, pairs: PairsOf) -> np.ndarray:
    """The user of each pair that was ranked."""
    return pairs.users(line.row, line.target.summary["num_sessions"])


def untrained_of(
    line: TransferLine, lines: Sequence[TransferLine]
) -> TransferLine | None:
    """What a pre-trained line is compared with: equally deep, untrained."""
    if line.source is None:
        return None
    return next(
        (
            other
            for other in lines
            if other.row.row.role == "untrained"
            and other.row.row.num_blocks == line.row.row.num_blocks
            and other.key == line.key
        ),
        None,
    )


def to_records(
    lines: Sequence[TransferLine], pairs: PairsOf
) -> list[dict[str, Any]]:
    """One flat dictionary a line, in the table's order."""
    return [_record(line, lines, pairs) for line in lines]


def _record(
    line: TransferLine, lines: Sequence[TransferLine], pairs: PairsOf
) -> dict[str, Any]:
    row, summary = line.row.row, line.target.summary
    paper = row.figures or (None,) * 5
    source = _of_source(line, lines)
    other = untrained_of(line, lines)
    return {
        "setting": "fine-tuning",
        "model": row.label,
        "copied": row.copied,
        "protocol": pairs.protocol(line.row),
        "seed": row.seed,
        **{k: v for k, v in summary["test"].items() if "_at_" in k},
        "num_sessions": summary["test"]["num_sessions"],
        "source": source,
        "worth": _worth(line, other, pairs),
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
        "curve": of_records.curve(summary, summary["step_seconds"]),
        **of_records.describe(row, other.row.row if other else None),
    }


def _of_source(
    line: TransferLine, lines: Sequence[TransferLine]
) -> dict[str, Any]:
    """What pre-training came to; {} without."""
    if line.source is None:
        return {}
    test = line.source.summary["test"]
    sources = [
        other.source
        for other in lines
        if other.source is not None and other.key == line.key
    ]
    reference = of_lines.reference_of(line.source, sources)
    return {
        **{k: v for k, v in test.items() if "_at_" in k},
        "num_sessions": test["num_sessions"],
        "is_compared": reference is not None,
        "speedup": (
            of_lines.speedup(line.source, reference) if reference else None
        ),
    }


def _worth(
    line: TransferLine, other: TransferLine | None, pairs: PairsOf
) -> dict[str, Any]:
    """MRR@5 less that of the untrained model; {} if that is not known."""
    if other is None:
        return {}
    ranks, theirs = (pairs.store.ranks(x.target) for x in (line, other))
    if ranks is None or theirs is None:
        return {}
    names = (line.target.folder.name, other.target.folder.name)
    return pairs.store.once(
        ("worth", *names),
        lambda: compare_ranks([ranks], [theirs], _users(line, pairs)),
    )


def popular(
    lines: Sequence[TransferLine], pairs: PairsOf
) -> list[dict[str, Any]]:
    """The target's most popular items, one line a way of fine-tuning."""
    first: dict[tuple, TransferLine] = {}
    for line in lines:
        first.setdefault(line.row.reading, line)
    records = []
    for reading, line in first.items():
        row = line.row
        rank = functools.partial(
            training.transfer.rank_by_popularity, pairs.read(row), row.transfer
        )
        ranks = pairs.store.once(("popular", reading), rank)
        records.append(
            {
                "setting": "fine-tuning",
                "model": "MostPop of the target",
                "copied": "",
                "protocol": pairs.protocol(line.row),
                "mrr_at_5": float(reciprocal_ranks(ranks).mean()),
                "hit_rate_at_5": float(np.mean(ranks < 5)),
                "num_sessions": len(ranks),
                "paper": {},
            }
        )
    return records


def to_groups(
    lines: Sequence[TransferLine],
    records: Sequence[Mapping[str, Any]],
    pairs: PairsOf,
) -> list[dict[str, Any]]:
    """The lines over their seeds; nothing of a single one."""
    if len({line.row.row.seed for line in lines}) < 2:
        return []  # every line has its difference

    def key(line: TransferLine) -> over_seeds.Key:
        row = line.row.row
        return "", row.label, row.copied, pairs.protocol(line.row)

    entries = []
    for line, record in zip(lines, records, strict=True):
        other = untrained_of(line, lines)
        entries.append(
            over_seeds.Entry(
                key=key(line),
                record=dict(record),
                name=line.target.folder.name,
                ranks=pairs.store.ranks(line.target),
                reference=key(other) if other else None,
                groups=_users(line, pairs),
            )
        )
    return over_seeds.summarize(entries, pairs.store.once)
