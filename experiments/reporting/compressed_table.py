"""Models stored small beside the same in full: how good, how large, how fast.

Accuracy and its comparisons are those of `against_counting`; beside them
stand parameters, megabytes on disk, training time and the time of answers.
"""

from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.papers.rows import Row
from experiments.reporting import against_counting
from experiments.reporting import clock
from experiments.reporting import columns
from experiments.reporting import document
from experiments.reporting import floor
from experiments.reporting import notes
from experiments.reporting import pictures
from experiments.reporting import serving
from experiments.reporting import wording
from experiments.reporting.columns import Column
from experiments.reporting.statistics import spread
from experiments.reporting.store import Store
from nextitnet_tf import metrics
from nextitnet_tf.comparing import compare_ranks
from nextitnet_tf.models import COUNTED
from nextitnet_tf.training import Run

CUTOFFS = (5, 20)
_LEAD = (
    "The policy's lead: how much better in MRR@5 the policy is than a rival, "
    "counted in the same way; a rival that it is not above does as well "
    "without one."
)
_MILLION = 1e6
# Of a row's `figures`, in order.
_PAPER = ("mrr_at_5", "hit_rate_at_5", "parameters", "minutes", "inference")


def _metric(name: str) -> Callable[[Any], str]:
    return lambda record: columns.mean_and_sd(record["metrics"][name])


def _of_paper(name: str, form: str) -> Callable[[Any], str]:
    return lambda record: columns.number(record["paper"].get(name), form)


def _milliseconds(how: str) -> Callable[[Any], str]:
    def shown(record: Mapping[str, Any]) -> str:
        found = record[how]
        sizes = sorted(found, key=int)
        return " / ".join(f"{found[size]:.1f}" for size in sizes)

    return shown


COLUMNS = (
    Column("Model", lambda r: r["model"]),
    Column("Seeds", lambda r: str(len(r["seeds"]))),
    *(
        Column(f"{title}@{at}", _metric(f"{name}_at_{at}"))
        for at in CUTOFFS
        for title, name in (
            ("MRR", "mrr"),
            ("HR", "hit_rate"),
            ("NDCG", "ndcg"),
        )
    ),
    Column("Against full", lambda r: r["against_full"]),
    Column("The policy's lead", lambda r: r["policy_leads"]),
    Column("Above the floor", lambda r: r["above_floor"]),
    Column(
        "Parameters, M",
        lambda r: columns.number(r["parameters"], ".2f"),
    ),
    Column("MB on disk", lambda r: columns.number(r["megabytes"], ".2f")),
    Column("Smaller", lambda r: columns.number(r["smaller"], ".1f")),
    Column("Minutes", lambda r: columns.number(r["minutes"], ".1f")),
    Column("ms a step", lambda r: columns.number(r["step"], ".0f")),
    Column("Blocks run", lambda r: columns.number(r["blocks_run"], ".0%")),
    Column("Answers, ms", _milliseconds("milliseconds")),
    Column("Frozen, ms", _milliseconds("frozen_milliseconds")),
    Column("Paper MRR@5", _of_paper("mrr_at_5", ".4f")),
    Column("Paper parameters, M", _of_paper("parameters", ".1f")),
    Column("Paper minutes", _of_paper("minutes", ".0f")),
    Column("Paper inference", _of_paper("inference", ".1f")),
)


def write(
    rows: Sequence[Row], store: Store, output: Path, name: str, title: str
) -> str:
    """Writes NAME.md, NAME.json and, of several depths, NAME.png.

    Args:
        rows: of the table; those not run yet are left out.
        store: of the runs.
        output: folder that gets the files, and may have times of steps
            (`clock`) and of answers (`serving`).
        name: of the files.
        title: the heading.

    Returns:
        The table, as markdown.
    """
    done = against_counting.find_done(rows, store)
    if not done:
        return "Nothing is done yet.\n"
    protocol = done[0][0].recipe.protocol
    # What decides is what training looks at.
    exclude_seen = protocol.stop_on_unseen
    records = _records(done, store, output, exclude_seen)
    if len({r["num_blocks"] for r in records if r["num_blocks"]}) > 2:
        pictures.draw_depths(records, output / f"{name}.png", title)
    return document.write(
        output / name,
        title,
        COLUMNS,
        records,
        _notes(done, records, store, exclude_seen),
        data=store.meta,
    )


def _records(
    done: Sequence[tuple[Row, Run]],
    store: Store,
    output: Path,
    exclude_seen: bool,
) -> list[dict[str, Any]]:
    """A record a line, over its seeds."""
    of_label: dict[str, list[tuple[Row, Run]]] = {}
    for row, run in done:
        of_label.setdefault(row.label, []).append((row, run))
    times = clock.Clock(
        output / clock.FILE_NAME,
        [
            stage.summary
            for row, run in done
            for stage in _all_stages(row, run, store)
        ],
    )
    measured = clock.read(output / serving.FILE_NAME)
    found = []
    for record in against_counting.make_records(done, store):
        of_line = of_label[record["model"]]
        found.append(
            {
                **record,
                **_accuracy(of_line, of_label, store, exclude_seen),
                **_size(of_line, of_label, measured),
                **_time(of_line, times, store),
                "above_floor": record[
                    "above_unseen" if exclude_seen else "above"
                ],
                "paper": dict(
                    zip(_PAPER, of_line[0][0].figures or (), strict=False)
                ),
            }
        )
    return found


def _accuracy(
    of_line: Sequence[tuple[Row, Run]],
    of_label: Mapping[str, Sequence[tuple[Row, Run]]],
    store: Store,
    exclude_seen: bool,
) -> dict[str, Any]:
    """Metrics, and differences to the line in full and from a policy."""
    ranks = {row.seed: store.ranks(run, exclude_seen) for row, run in of_line}
    each = [
        metrics.from_ranks(of_seed, CUTOFFS)
        for of_seed in ranks.values()
        if of_seed is not None
    ]
    found: dict[str, Any] = {
        "metrics": {
            metric: spread([of_seed[metric] for of_seed in each])
            for metric in each[0]
        },
        **{"against_full": "", "over_full": {}},
        **{"policy_leads": "", "under_policy": {}},
    }
    row = of_line[0][0]
    found["full"] = row.compared_with.label if row.compared_with else ""
    for other, sign, told, said in (
        (row.compared_with, 1, "over_full", "against_full"),
        (row.rival_of, -1, "under_policy", "policy_leads"),
    ):
        others = {
            other_row.seed: store.ranks(run, exclude_seen)
            for other_row, run in of_label.get(other.label if other else "", ())
        }
        if any(others.get(seed) is None for seed in ranks):
            continue
        own, of_other = list(ranks.values()), [others[s] for s in ranks]
        first, second = (own, of_other)[::sign]
        difference = compare_ranks(
            first,  # type: ignore[arg-type]
            second,  # type: ignore[arg-type]
            store.users(of_line[0][1]),
        )
        found |= {told: difference, said: floor.said(difference, len(ranks))}
    return found


def _size(
    of_line: Sequence[tuple[Row, Run]],
    of_label: Mapping[str, Sequence[tuple[Row, Run]]],
    measured: Mapping[str, Any],
) -> dict[str, Any]:
    """Parameters; megabytes and milliseconds, where they were measured."""
    row, run = of_line[0]
    if row.recipe.model in COUNTED:
        return {
            "parameters": None,
            "megabytes": None,
            "smaller": None,
            "blocks_run": None,
            **{"milliseconds": {}, "frozen_milliseconds": {}},
        }
    own = measured.get(run.name, {})
    size = own.get("file_bytes")
    full = row.compared_with
    in_full = of_label.get(full.label, ()) if full else ()
    of_full = in_full and measured.get(in_full[0][1].name, {}).get("file_bytes")
    return {
        "parameters": run.summary["num_parameters"] / _MILLION,
        "megabytes": size / _MILLION if size else None,
        "smaller": of_full / size if of_full and size else None,
        "blocks_run": own.get("blocks_run"),
        "milliseconds": own.get("milliseconds", {}),
        "frozen_milliseconds": own.get("frozen_milliseconds", {}),
    }


def _time(
    of_line: Sequence[tuple[Row, Run]], times: clock.Clock, store: Store
) -> dict[str, Any]:
    """Minutes to the best evaluation of each stage, the mean over seeds."""
    if of_line[0][0].recipe.model in COUNTED:
        return {"minutes": None, "step": None}
    summaries = [
        [stage.summary for stage in _all_stages(row, run, store)]
        for row, run in of_line
    ]
    seconds = [
        sum(s["best_step"] * times.step_seconds(s) for s in of_seed)
        for of_seed in summaries
    ]
    last = summaries[0][-1]
    return {
        "minutes": sum(seconds) / len(seconds) / 60,
        "step": 1000 * times.step_seconds(last),
        "is_idle_time": all(times.is_idle(s) for of in summaries for s in of),
    }


def _all_stages(row: Row, run: Run, store: Store) -> list[Run]:
    """The runs of a line's stages, the last one the line's own."""
    if row.recipe.model in COUNTED:
        return []
    earlier = [
        store.find(row.recipe.up_to(i))
        for i in range(len(row.recipe.stages) - 1)
    ]
    return [*(stage for stage in earlier if stage), run]


def _notes(
    done: Sequence[tuple[Row, Run]],
    records: Sequence[Mapping[str, Any]],
    store: Store,
    exclude_seen: bool,
) -> list[str]:
    names = dict.fromkeys(wording.protocol(run.summary) for _, run in done)
    ranking = "without seen items" if exclude_seen else "of all items"
    trained = [r for r in records if not r["is_counted"]]
    is_idle = all(r["is_idle_time"] for r in trained)
    return [
        *against_counting.in_short(records),
        notes.of_data("Data", store) + ".",
        f"Protocol {' and '.join(names)}; {records[0]['num_sessions']:,} test "
        f"sessions; metrics of the ranking {ranking}.",
        *notes.protocols(done[0][0].recipe.protocol.name),
        *notes.leaks(row.recipe.protocol for row, _ in done),
        "Against full: the difference of MRR@5 to the line that is stored in "
        "full, of the same seeds, with its 95 % range over users and seeds "
        "(paired, Student's t).",
        *[_LEAD] * any(record["policy_leads"] for record in records),
        against_counting.ABOVE,
        *against_counting.left_out(done, store),
        "Parameters: numbers that are stored, whatever their bits. MB on disk: "
        "the .keras file, without an optimizer. Smaller: than the file in "
        "full.",
        "Minutes: training steps to the best evaluation, of all stages, times "
        f"the time of a step, {notes.SAME_RUN if is_idle else notes.SHARED}.",
        serving.NOTE,
        *[serving.FROZEN_NOTE] * any(r["frozen_milliseconds"] for r in trained),
        "± is the standard deviation between seeds.",
    ]
