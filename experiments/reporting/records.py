"""Lines as flat dictionaries: what a table's json holds, one a line."""

import functools
from collections.abc import Sequence
from typing import Any

from experiments.papers.rows import Row
from experiments.reporting import lines as of_lines
from experiments.reporting import over_seeds
from experiments.reporting import wording
from experiments.reporting.lines import Line
from experiments.reporting.store import Store
from nextitnet_tf.comparing import reciprocal_ranks
from nextitnet_tf.preparation import synthetic_law
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.training import MONITOR
from nextitnet_tf.training import Run
from nextitnet_tf.training import monitor_of

# What a row is, beside what it is called.
DATA_FIELDS = (
    *("role", "method", "num_blocks", "data_ratio", "recommender"),
    *("use_alpha", "compared_with"),
)


def describe(row: Row, compared_with: Row | None) -> dict[str, Any]:
    """What a row is, as data (`DATA_FIELDS`).

    Args:
        row: any.
        compared_with: the row that it is compared with, another or None.
    """
    return {
        "role": row.role,
        "method": row.method,
        "num_blocks": row.num_blocks if row.has_blocks else None,
        "data_ratio": row.data_ratio,
        "recommender": row.recipe.model,
        "use_alpha": row.use_alpha,
        "compared_with": compared_with.label if compared_with else None,
    }


def to_records(lines: Sequence[Line], store: Store) -> list[dict[str, Any]]:
    """One flat dictionary a line, in the table's order."""
    return [_record(line, lines, store) for line in lines]


def _record(line: Line, lines: Sequence[Line], store: Store) -> dict[str, Any]:
    summary, row = line.summary, line.row
    test = summary["test"]
    reference = of_lines.reference_of(line, lines)
    paper = line.paper or (None,) * 4
    return {
        "setting": row.setting,
        "model": row.label,
        "copied": row.copied,
        "protocol": wording.protocol(line.summary),
        "nesting": summary["protocol"]["nesting"],
        "seed": summary["seed"],
        **{name: test[name] for name in sorted(test) if "_at_" in name},
        "unseen_mrr_at_5": _unseen_mrr(line.run, store),
        "num_sessions": test["num_sessions"],
        "paper": {
            "mrr_at_5": paper[0],
            "hit_rate_at_5": paper[1],
            "ndcg_at_5": paper[2],
            "speedup": paper[3],
        },
        "speedup": of_lines.speedup(line, reference) if reference else None,
        "speedup_in_flops": (
            of_lines.speedup_in_flops(line, reference) if reference else None
        ),
        "is_compared": reference is not None,
        "best_step": summary["best_step"],
        "best_validation": summary.get("best_validation"),
        "step_seconds": line.step_seconds,
        "seconds": line.seconds,
        "wall_seconds": summary["wall_seconds"],
        "num_train_rows": summary["num_train_rows"],
        "num_parameters": summary["num_parameters"],
        "curve": curve(summary, line.step_seconds),
        **describe(row, _other(line, lines)),
    }


def curve(
    summary: dict[str, Any], step_seconds: float
) -> list[dict[str, float]]:
    """The evaluations of a run, on a clock of so many seconds a step."""
    return [
        {
            "step": point["step"],
            "seconds": point["step"] * step_seconds,
            MONITOR: point[monitor_of(summary)],
        }
        for point in summary["curve"]
    ]


def to_groups(
    lines: Sequence[Line], records: Sequence[dict[str, Any]], store: Store
) -> list[dict[str, Any]]:
    """The lines over their seeds; a dictionary each."""
    entries = []
    for line, record in zip(lines, records, strict=True):
        other = _compared(line, lines)
        without_alpha = of_lines.line_of(line.row.without_alpha, lines)
        shallow = of_lines.line_of(line.row.grown_from, lines)
        entries.append(
            over_seeds.Entry(
                key=_key(line),
                record=record,
                name=line.run.name,
                ranks=store.ranks(line.run),
                unseen_ranks=store.ranks(line.run, exclude_seen=True),
                groups=store.users(line.run),
                reference=_key(other) if other else None,
                without_alpha=_key(without_alpha) if without_alpha else None,
                shallow=_key(shallow) if shallow else None,
            )
        )
    return over_seeds.summarize(entries, store.once)


def ceilings(lines: Sequence[Line], store: Store) -> list[dict[str, Any]]:
    """What nobody can beat, where the data's law is known."""
    records: list[dict[str, Any]] = []
    for protocol in dict.fromkeys(line.row.recipe.protocol for line in lines):
        best = ceiling(protocol, store)
        if best:
            records.append(
                {
                    "setting": "",
                    "model": "Bayes-optimal ceiling",
                    "protocol": protocol.name,
                    "num_sessions": len(store.split(protocol).test),
                    **best,
                }
            )
    return records


def ceiling(protocol: Protocol, store: Store) -> dict[str, float]:
    """The best metrics that the test can be expected to give.

    Args:
        protocol: says which sessions are the test.
        store: of the sessions; nothing is known where their law is not.
    """
    sessions = store.sessions[protocol.item_ids]
    # The law speaks of the ids on disk.
    if "law" not in sessions.meta or protocol.item_ids != "frequency":
        return {}
    parts = store.split(protocol)
    find = functools.partial(
        synthetic_law.ceiling,
        parts.rows.rows[parts.test],
        synthetic_law.Law.from_json(sessions.meta["law"]),
    )
    return store.once(("ceiling", protocol), find)


def _compared(line: Line, lines: Sequence[Line]) -> Line | None:
    """What a line's MRR@5 is compared with."""
    return of_lines.reference_of(line, lines) or of_lines.best_deep(line, lines)


def _other(line: Line, lines: Sequence[Line]) -> Row | None:
    """The same, unless it is the very row."""
    found = _compared(line, lines)
    return None if found is None or _key(found) == _key(line) else found.row


def _key(line: Line) -> over_seeds.Key:
    row = line.row
    return row.setting, row.label, row.copied, wording.protocol(line.summary)


def _unseen_mrr(run: Run, store: Store) -> float | None:
    ranks = store.ranks(run, exclude_seen=True)
    return None if ranks is None else float(reciprocal_ranks(ranks).mean())
