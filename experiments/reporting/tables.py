"""Tables of trained rows: continual learning and its relatives."""

from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.papers.rows import Row
from experiments.reporting import columns
from experiments.reporting import floor
from experiments.reporting import notes
from experiments.reporting import over_seeds
from experiments.reporting import pictures
from experiments.reporting import records as of_records
from experiments.reporting.columns import Column
from experiments.reporting.lines import read_lines
from experiments.reporting.store import Store
from nextitnet_tf import atomic_files


def _of_paper(record: dict[str, Any], name: str) -> Any:
    return record.get("paper", {}).get(name)


def _ratio(record: dict[str, Any]) -> str:
    of_paper = _of_paper(record, "mrr_at_5")
    return f"{record['mrr_at_5'] / of_paper:.2f}" if of_paper else ""


def _compared(name: str) -> Callable[[dict[str, Any]], str]:
    def cell(record: dict[str, Any]) -> str:
        if not record.get("is_compared"):
            return ""
        return columns.factor(record[name])

    return cell


def _speedup_of_paper(record: dict[str, Any]) -> str:
    found = _of_paper(record, "speedup")
    return columns.factor(found) if found else ""


def _seconds(record: dict[str, Any]) -> str:
    return f"{record['seconds']:.0f}" if record.get("best_step") else ""


COLUMNS = (
    Column("Setting", lambda r: r["setting"]),
    Column("Model", lambda r: r["model"]),
    Column("Copied", lambda r: r.get("copied", "")),
    Column("Protocol", lambda r: r.get("protocol", "")),
    Column("Seed", lambda r: str(r.get("seed", ""))),
    Column("MRR@5", lambda r: columns.number(r.get("mrr_at_5"))),
    Column("HR@5", lambda r: columns.number(r.get("hit_rate_at_5"))),
    Column("NDCG@5", lambda r: columns.number(r.get("ndcg_at_5"))),
    Column("Unseen MRR@5", lambda r: columns.number(r.get("unseen_mrr_at_5"))),
    Column("Paper MRR@5", lambda r: columns.number(_of_paper(r, "mrr_at_5"))),
    Column("Ratio", _ratio),
    Column("Speed-up", _compared("speedup")),
    Column("FLOP", _compared("speedup_in_flops")),
    Column("Paper", _speedup_of_paper),
    Column("Steps", lambda r: str(r.get("best_step") or "")),
    Column("Seconds", _seconds),
    Column(
        "Sessions",
        lambda r: f"{r['num_sessions']:,}" if "num_sessions" in r else "",
    ),
)


def write(
    rows: Sequence[Row],
    store: Store,
    output: Path,
    title: str,
    name: str = "table",
    paper_data: str | None = None,
    sentence: Callable[[list[dict[str, Any]]], str] | None = None,
    measured: str = notes.IDLE,
    floors: Sequence[Row] = (),
) -> str:
    """Writes NAME.md, NAME.json and a picture of what is done.

    Args:
        rows: of the table; those not run yet are left out.
        store: has their runs.
        output: gets the table.
        title: of table and picture.
        name: of the files; the picture of "table" is convergence.png, that
            of another NAME-convergence.png.
        paper_data: what the paper's figures were measured on, if they stand
            beside ours.
        sentence: says of the records what they show, below the table.
        measured: how the time of a step was, where it was.
        floors: what is counted, which the notes compare the lines with;
            where it is not among the rows it is not shown.

    Returns:
        The table, as markdown.
    """
    lines = read_lines(rows, store, output)
    if not lines:
        return "Nothing is done yet.\n"
    records = of_records.to_records(lines, store)
    groups = of_records.to_groups(lines, records, store)
    records += of_records.ceilings(lines, store)
    done = [(line.row, line.run) for line in lines]
    known = {store.name(row.recipe) for row, _ in done}
    done += [
        (row, run)
        for row in floors
        if store.name(row.recipe) not in known
        and (run := store.find(row.recipe))
    ]
    of_table = [
        *notes.of_table(lines, store, paper_data, measured),
        *floor.notes(done, store),
    ]
    shown = [sentence(records), ""] if sentence else []
    text = to_markdown(records, title, of_table, groups, shown)
    atomic_files.write_text(output / f"{name}.md", text)
    atomic_files.write_json(
        output / f"{name}.json",
        {
            "title": title,
            "data": store.meta,
            "notes": of_table,
            "versions": lines[0].summary["versions"],
            "rows": records,
            "over_seeds": groups,
        },
    )
    picture = "convergence" if name == "table" else f"{name}-convergence"
    pictures.draw_convergence(
        records, output / f"{picture}.png", title, "validation MRR@5"
    )
    return text


def to_markdown(
    records: Sequence[dict[str, Any]],
    title: str,
    of_table: Sequence[str],
    groups: Sequence[dict[str, Any]] = (),
    sentences: Sequence[str] = (),
) -> str:
    """The table as a reader sees it.

    Args:
        records: of `records.to_records`.
        title: the heading.
        of_table: notes below it: data, what time counts, ...
        groups: of `records.to_groups`, shown first.
        sentences: lines between table and notes.
    """
    return "\n".join(
        [
            f"# {columns.escape(title)}",
            "",
            *(over_seeds.to_markdown(list(groups)) if groups else []),
            *columns.table(COLUMNS, records),
            "",
            *sentences,
            *(f"- {columns.escape(note)}" for note in of_table),
            "",
        ]
    )
