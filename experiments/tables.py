"""Tables of trained rows: run and written down."""

import dataclasses
import math
import statistics
import sys
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datasets import synthetic_law
from experiments import figures
from experiments import over_seeds
from experiments import step_times
from experiments.recipes.rows import Figures
from experiments.recipes.rows import Row
from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf import fitting
from nextitnet_tf import training

MONITOR = fitting.MONITOR
_PROTOCOL_NOTES = {
    "release": "Protocol release: the original release's. Training stops and "
    "reports on the same 20 % of the sessions; padding is an item like any "
    "other; fractions are nested as in the release (nesting=release), whose "
    "60 % set can miss rows of its 40 % set, unless the column Protocol "
    "says nesting=repaired.",
    "clean": "Protocol clean: split by users 80/10/10, stops on validation, "
    "reports on test; padding is never an item; fractions are nested.",
}
_COLUMNS = (
    "Setting",
    "Model",
    "Copied",
    "Protocol",
    "Seed",
    "MRR@5",
    "HR@5",
    "NDCG@5",
    "Unseen MRR@5",
    "Paper MRR@5",
    "Ratio",
    "Speed-up",
    "FLOP",
    "Paper",
    "Steps",
    "Seconds",
    "Sessions",
)


@dataclass(frozen=True)
class Paper:
    """Figures of the paper.

    Attributes:
        data: what they were measured on.
        figures: by setting and label.
    """

    data: str
    figures: Figures


@dataclass(frozen=True)
class Line:
    """A row of the table that has been run.

    Attributes:
        row: what it is.
        summary: of its last stage (`training.StageRun.summary`).
        step_seconds: seconds of a training step at its depth.
        is_idle_time: whether that was measured on an idle machine.
        paper: the paper's MRR@5, HR@5, NDCG@5 and speed-up, or None.
        ranks: (num_sessions,) of the test, if they were kept.
        unseen_ranks: the same among the items that are not in the history.
        users: (num_sessions,) whose they are.
    """

    row: Row
    summary: dict
    step_seconds: float
    is_idle_time: bool = False
    paper: tuple | None = None
    ranks: np.ndarray | None = None
    unseen_ranks: np.ndarray | None = None
    users: np.ndarray | None = None

    @property
    def seconds(self) -> float:
        """Training time up to the best evaluation, of this stage alone."""
        return self.summary["best_step"] * self.step_seconds


def speedup(line: Line, reference: Line) -> float | None:
    """How much sooner a line is as good as its reference ever gets.

    The reference's time to its best MRR@5 over this line's time to the first
    evaluation at least as good, on the sessions early stopping looks at. The
    shallow model's own training is not counted.

    Returns:
        The ratio, or None if the line never gets there.
    """
    return _sooner(line, reference, lambda of: of.step_seconds)


def speedup_in_flops(line: Line, reference: Line) -> float | None:
    """`speedup`, counting arithmetic instead of seconds."""
    return _sooner(line, reference, lambda of: flops_per_step(of.summary))


def flops_per_step(summary: Mapping[str, Any]) -> float:
    """Arithmetic of a training step, by the weights that take part in it.

    A weight of a block, or of a column of the softmax, is multiplied and
    added once a position, and twice more for the gradients. What attention
    does without weights is not counted; biases and norms count as if they
    were multiplied, and so do tables other than the items'. For rows of one
    model and depth, the ratio is exact.
    """
    width = summary["model_config"].get("embedding_dim", 64)
    columns = summary["data"]["num_items"] + 1
    in_blocks = summary["num_parameters"] - 2 * width * columns
    share = summary["protocol"]["sampled_fraction"] or 1.0
    positions = summary["batch_size"] * (summary["data"]["t"] - 1)
    return 6 * positions * (max(in_blocks, 0) + share * columns * width)


def _sooner(
    line: Line, reference: Line, cost_of_step: Callable[[Line], float]
) -> float | None:
    target = reference.summary["best_validation"]
    for point in line.summary["curve"]:
        if point[MONITOR] >= target:
            return (
                reference.summary["best_step"]
                * cost_of_step(reference)
                / (point["step"] * cost_of_step(line))
            )
    return None


def to_records(lines: list[Line]) -> list[dict[str, Any]]:
    """One flat dictionary a line, in the table's order."""
    records: list[dict[str, Any]] = []
    for line in lines:
        test = line.summary["test"]
        protocol = line.summary["protocol"]["name"]
        changed = line.summary["protocol_differences"]
        reference = _reference(line, lines)
        paper = line.paper or (None,) * 4
        records.append(
            {
                "setting": line.row.setting,
                "model": line.row.label,
                "copied": line.row.preset,
                "protocol": " ".join([protocol, *changed]),
                "nesting": line.summary["protocol"]["nesting"],
                "seed": line.summary["seed"],
                **{name: test[name] for name in sorted(test) if "_at_" in name},
                "unseen_mrr_at_5": (
                    None
                    if line.unseen_ranks is None
                    else float(
                        over_seeds.reciprocal_ranks(line.unseen_ranks).mean()
                    )
                ),
                "num_sessions": test["num_sessions"],
                "paper": {
                    "mrr_at_5": paper[0],
                    "hit_rate_at_5": paper[1],
                    "ndcg_at_5": paper[2],
                    "speedup": paper[3],
                },
                "speedup": speedup(line, reference) if reference else None,
                "speedup_in_flops": (
                    speedup_in_flops(line, reference) if reference else None
                ),
                "is_compared": reference is not None,
                "best_step": line.summary["best_step"],
                "step_seconds": line.step_seconds,
                "seconds": line.seconds,
                "wall_seconds": line.summary["wall_seconds"],
                "num_train_rows": line.summary["num_train_rows"],
                "num_parameters": line.summary["num_parameters"],
                "curve": [
                    {
                        "step": point["step"],
                        "seconds": point["step"] * line.step_seconds,
                        MONITOR: point[MONITOR],
                    }
                    for point in line.summary["curve"]
                ],
            }
        )
    return records


def to_markdown(
    records: list[dict],
    title: str,
    notes: list[str],
    groups: list[dict] | None = None,
) -> str:
    """The table as a reader sees it.

    Args:
        records: of `to_records`.
        title: the heading.
        notes: sentences below the table: data, what time counts, ...
        groups: of `over_seeds.summarize`, shown first.
    """
    # A column nobody fills is left out.
    cells = [_cells(record) for record in records]
    shown = [
        i for i in range(len(_COLUMNS)) if any(row[i] != "" for row in cells)
    ]
    lines = [
        f"# {title}",
        "",
        *(over_seeds.to_markdown(groups) if groups else []),
        _markdown_row([_COLUMNS[i] for i in shown]),
        _markdown_row(["---"] * len(shown)),
        *(_markdown_row([row[i] for i in shown]) for row in cells),
        "",
        *(f"- {note}" for note in notes),
        "",
    ]
    return "\n".join(lines)


def run(
    rows: list[Row],
    sessions: Mapping[str, data.Sessions],
    folder: Path,
    strategy,
    write_table: Callable[[], object],
) -> None:
    """Runs the rows that are not done.

    Args:
        rows: to run.
        sessions: by numbering (`Protocol.item_ids`).
        folder: gets the runs, in a folder of that name.
        strategy: of `distribution.make_strategy`.
        write_table: called after each row, so that what is done can be seen.
    """
    for i, row in enumerate(rows):
        recipe = row.recipe
        print(
            f"[{i + 1}/{len(rows)}] {row.setting}: {row.label} {row.preset} "
            f"(protocol {recipe.protocol.name}, seed {recipe.seed})",
            file=sys.stderr,
            flush=True,
        )
        of_row = sessions[recipe.protocol.item_ids]
        runs = training.run(recipe, of_row, folder / "runs", strategy=strategy)
        training.write_ranks(runs[-1], recipe, of_row)
        write_table()


def write(
    rows: list[Row],
    sessions: Mapping[str, data.Sessions],
    folder: Path,
    title: str,
    name: str = "table",
    paper: Paper | None = None,
) -> str:
    """Writes NAME.md, NAME.json and a picture of what is done.

    Args:
        rows: of the table; those not run yet are left out.
        sessions: by numbering (`Protocol.item_ids`).
        folder: holds the runs, gets the table.
        title: of table and picture.
        name: of the files; the picture of "table" is convergence.png, that
            of another NAME-convergence.png.
        paper: what to compare with.

    Returns:
        The table, as markdown.
    """
    lines = read_lines(rows, sessions, folder, paper)
    if not lines:
        return "Nothing is done yet.\n"
    first = next(iter(sessions.values()))
    records = to_records(lines)
    groups = _groups(lines, records)
    records += _ceilings(rows, sessions)
    notes = _notes(lines, first, paper)
    markdown = to_markdown(records, title, notes, groups)
    atomic_files.write_text(folder / f"{name}.md", markdown)
    atomic_files.write_json(
        folder / f"{name}.json",
        {
            "title": title,
            "data": first.meta,
            "notes": notes,
            "versions": lines[0].summary["versions"],
            "rows": records,
            "over_seeds": groups,
        },
    )
    picture = "convergence" if name == "table" else f"{name}-convergence"
    figures.draw_convergence(
        records, folder / f"{picture}.png", title, "validation MRR@5"
    )
    return markdown


def read_lines(
    rows: list[Row],
    sessions: Mapping[str, data.Sessions],
    folder: Path,
    paper: Paper | None = None,
) -> list[Line]:
    """The rows that are done, on one clock a depth.

    That clock is what was measured idle, else the median over the runs.
    Arguments as of `write`.
    """
    measured = step_times.read(folder / step_times.FILE_NAME)
    lines = []
    for row in rows:
        of_row = sessions[row.recipe.protocol.item_ids]
        done = training.read_run(row.recipe, of_row, folder / "runs")
        if done is not None:
            has_paper = "law" not in of_row.meta  # real data, not generated
            figures_of_paper = paper.figures if paper and has_paper else {}
            line = make_line(row, done, measured, figures_of_paper)
            test = data.split(of_row, row.recipe.protocol).test
            users = of_row.users[test][: done.summary["num_sessions"]]
            lines.append(dataclasses.replace(line, users=users))
    return with_one_clock(lines)


def find_seeds(folder: Path) -> set[int]:
    """The seeds that were run in a folder, by the names of its runs."""
    return {
        int(name.split("-seed")[1].split("-")[0])
        for name in (p.parent.name for p in folder.glob("runs/*/run.json"))
    }


def make_line(
    row: Row, done, measured: dict, figures_of_paper: Figures
) -> Line:
    """A row and its last stage's run; `measured` is of `step_times.read`."""
    summary = done.summary
    seconds = measured.get(step_times.key(summary), {}).get("seconds")
    return Line(
        row,
        summary,
        step_seconds=seconds or summary["step_seconds"],
        is_idle_time=seconds is not None,
        paper=row.paper(figures_of_paper),
        ranks=done.read_ranks(),
        unseen_ranks=done.read_ranks(exclude_seen=True),
    )


def _groups(lines: list[Line], records: list[dict]) -> list[dict]:
    """The lines over their seeds; a record each."""
    keys = [
        (r["setting"], r["model"], r["copied"], r["protocol"]) for r in records
    ]
    entries = []
    for line, record, key in zip(lines, records, keys, strict=True):
        reference = _reference(line, lines) or _deep(line, lines)
        without_alpha = (
            other_key
            for other, other_key in zip(lines, keys, strict=True)
            if _is_without_alpha(other.row, line.row)
        )
        entries.append(
            over_seeds.Entry(
                key=key,
                record=record,
                ranks=line.ranks,
                unseen_ranks=line.unseen_ranks,
                groups=line.users,
                reference=(
                    (reference.row.setting, reference.row.label)
                    if reference
                    else None
                ),
                without_alpha=next(without_alpha, None),
            )
        )
    return over_seeds.summarize(entries)


def with_one_clock(lines: list[Line]) -> list[Line]:
    """Lines of equal depth and protocol get the same step time."""

    def clock(line: Line) -> tuple:
        return (
            line.summary["model"],
            step_times.key(line.summary),
        )

    times: dict[tuple, list[float]] = {}
    for line in lines:
        times.setdefault(clock(line), []).append(line.step_seconds)
    return [
        dataclasses.replace(
            line, step_seconds=statistics.median(times[clock(line)])
        )
        for line in lines
    ]


def _ceilings(rows: list[Row], sessions) -> list[dict]:
    """What nobody can beat, where the data's law is known."""
    records: list[dict[str, Any]] = []
    for protocol in dict.fromkeys(row.recipe.protocol for row in rows):
        of_protocol = sessions[protocol.item_ids]
        # The law speaks of the ids on disk.
        if "law" not in of_protocol.meta or protocol.item_ids != "frequency":
            continue
        law = synthetic_law.Law.from_json(of_protocol.meta["law"])
        test = data.split(of_protocol, protocol).test
        best = synthetic_law.ceiling(of_protocol.rows[test], law)
        records.append(
            {
                "setting": "",
                "model": "Bayes-optimal ceiling",
                "protocol": protocol.name,
                "num_sessions": len(test),
                **best,
            }
        )
    return records


def _notes(lines: list[Line], sessions, paper: Paper | None) -> list[str]:
    """What a reader must know to use the numbers."""
    meta = sessions.meta
    seeds = sorted({line.summary["seed"] for line in lines})
    is_idle = all(line.is_idle_time for line in lines if line.seconds)
    notes = [
        f"Data: {meta.get('source')}, {len(sessions.rows):,} sessions of "
        f"t = {sessions.rows.shape[1]}, {meta.get('num_items'):,} items.",
        "Metrics rank the last item of each session among all items; "
        "Sessions is how many were evaluated.",
        *(
            [
                "Unseen MRR@5: the same model and sessions, the session's "
                "other items left out of the ranking, as SASRec's authors "
                "evaluate and `recommend` answers; the release ranks them. "
                "Blank where a run has not kept it."
            ]
            if any(line.unseen_ranks is not None for line in lines)
            else []
        ),
        *(
            _PROTOCOL_NOTES[name]
            for name in dict.fromkeys(
                line.summary["protocol"]["name"] for line in lines
            )
        ),
        "Copied: what stacking copies. release: kernels, biases and item "
        "embedding (of Transformers query, key, value and embeddings, copies "
        "tied); paper: every parameter; best: every parameter but alpha, the "
        "best of the three for NextItNet in the mean of three seeds.",
        "Speed-up: seconds the model from scratch takes to its best "
        "validation MRR@5, over the seconds of this line to its first "
        "evaluation at least as good; '-' if it never is. The shallow "
        "model's own training is not counted. FLOP: the same, counting the "
        "arithmetic of the weights instead of seconds.",
        "Seconds: training steps to the best evaluation times the time of "
        "a step of that depth, "
        + (
            "measured on an otherwise idle machine"
            if is_idle
            else "the median of the runs themselves, which may have shared "
            "their machine, wherever step_times.json has none of an idle one"
        )
        + "; compilation and evaluations are not in it. Wall seconds, all "
        "included, are in table.json.",
        _budget_note(lines),
        "CL-NextItNet goes on with the shallow model's weights and a new "
        "optimizer.",
        f"Sampling of sessions alone gives an MRR@5 a standard error of up "
        f"to {_largest_error(lines):.4f}; the lines share their sessions, so "
        "that differences between them are somewhat surer than that.",
        f"Seeds: {', '.join(map(str, seeds))}."
        + (
            " One seed is an anecdote: differences of the size of that error "
            "are not told apart."
            if len(seeds) == 1
            else ""
        ),
    ]
    if paper and any(line.paper for line in lines):
        notes.append(
            f"The paper's figures are for {paper.data}, for "
            "orientation only (Ratio: ours over the paper's MRR@5): its files "
            "cannot be had any more, and the original release stops and "
            "reports on the test set."
        )
    return notes


def _largest_error(lines: list[Line]) -> float:
    """An upper bound of the standard error of any line's MRR@5.

    A reciprocal rank lies in [0, 1], so its variance is at most m (1 - m).
    """
    tests = [line.summary["test"] for line in lines]
    return max(
        math.sqrt(
            test["mrr_at_5"] * (1 - test["mrr_at_5"]) / test["num_sessions"]
        )
        for test in tests
    )


def _budget_note(lines: list[Line]) -> str:
    """How long stages train, for each way that occurs."""
    budgets = dict.fromkeys(
        f"{stage['max_steps']:,} steps at most, evaluated every "
        f"{stage['eval_every']:,}, stopped after {stage['patience']} "
        "evaluations without a better MRR@5"
        for stage in (line.summary["stage"] for line in lines if line.seconds)
    )
    return f"A stage: {'; '.join(budgets) or 'counted, not trained'}."


def _reference(line: Line, lines: list[Line]) -> Line | None:
    """The line from scratch that this one is compared with."""
    if line.row.role in ("baseline", "shallow"):
        return None
    found = [
        other
        for other in lines
        if other.row.role == "scratch"
        and other.row.setting == line.row.setting
        and other.row.recipe.protocol == line.row.recipe.protocol
        and other.row.recipe.seed == line.row.recipe.seed
    ]
    # Where a setting has several depths from scratch, the one of this depth.
    depth = line.row.recipe.stages[-1].num_blocks
    same = [
        other
        for other in found
        if other.row.recipe.stages[-1].num_blocks == depth
    ]
    return next(iter(same or found), None)


def _deep(line: Line, lines: list[Line]) -> Line | None:
    """The NextItNet that a baseline is compared with.

    Several depths may have been trained on all data: of those, the one that
    validates best in the mean of its seeds.
    """
    if line.row.role != "baseline":
        return None
    of_depth: dict[int, list[Line]] = {}
    for other in lines:
        recipe = other.row.recipe
        if (
            other.row.role == "baseline"
            and other.row.setting == line.row.setting
            and recipe.model == "nextitnet"
            and recipe.model_config.get("use_alpha", True)
            and recipe.protocol == line.row.recipe.protocol
        ):
            depth = recipe.stages[-1].num_blocks
            of_depth.setdefault(depth, []).append(other)
    best = max(
        of_depth.values(),
        key=lambda found: statistics.mean(
            other.summary["best_validation"] for other in found
        ),
        default=[],
    )
    seed = line.row.recipe.seed
    return next((x for x in best if x.row.recipe.seed == seed), None)


def _is_without_alpha(row: Row, other: Row) -> bool:
    """Whether a row is the other, but for its alphas."""
    recipe = other.recipe
    if not recipe.model_config.get("use_alpha"):
        return False
    config = {**recipe.model_config, "use_alpha": False}
    return row.role == other.role and row.recipe == dataclasses.replace(
        recipe, model_config=config
    )


def _cells(record: dict[str, Any]) -> list[str]:
    paper = record.get("paper", {})
    faster, in_flops = (
        _factor(record[name]) if record.get("is_compared") else ""
        for name in ("speedup", "speedup_in_flops")
    )
    of_paper = paper.get("mrr_at_5")
    trained = record.get("best_step")
    return [
        record["setting"],
        record["model"],
        record.get("copied", ""),
        record.get("protocol", ""),
        str(record.get("seed", "")),
        _number(record.get("mrr_at_5")),
        _number(record.get("hit_rate_at_5")),
        _number(record.get("ndcg_at_5")),
        _number(record.get("unseen_mrr_at_5")),
        _number(of_paper),
        f"{record['mrr_at_5'] / of_paper:.2f}" if of_paper else "",
        faster,
        in_flops,
        f"{paper['speedup']:.2f}x" if paper.get("speedup") else "",
        str(trained) if trained else "",
        f"{record['seconds']:.0f}" if trained else "",
        f"{record['num_sessions']:,}" if "num_sessions" in record else "",
    ]


def _factor(value: float | None) -> str:
    return f"{value:.2f}x" if value else "-"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _markdown_row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
