r"""The three papers' Table 1: what the data sets hold.

Every folder of prepared sessions in data/, and every file of transfer pairs
there (NAME-pairs.csv), beside the paper's own.

    make reproduce-table1

Writes RESULTS/table1.md and table1.json; trains nothing: expected time a
second. Expected numbers: the paper's, below.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from experiments.reporting.columns import Column
from experiments.reporting.columns import table
from nextitnet_tf import atomic_files
from nextitnet_tf import release
from nextitnet_tf.preparation import sessions as sessions_on_disk

NAME = "table1"
TITLE = "Data sets (Table 1 of StackRec, CpRec and SkipRec)"
KIND = "data_sets"
# The papers' own.
PAPER = (
    ("ML20 (StackRec)", "24K", "27.5M", 1_460_924, "20"),
    ("Kuaibao (StackRec)", "64K", "22.7M", 1_000_000, "30"),
    ("ColdRec source (StackRec, CpRec)", "191K", "82.5M", 1_649_095, "50"),
    ("ColdRec target (StackRec, CpRec)", "21K", "3.8M", 3_798_114, "1 to 3"),
    ("Weishi (CpRec, SkipRec)", "66K", "10M", 1_048_575, "10"),
    ("ML20 (CpRec, SkipRec)", "54K", "27.7M", 1_491_478, "20"),
    ("TikTok (CpRec)", "514K", "38.2M", 1_018_155, "50"),
    ("ML100 (CpRec, SkipRec)", "54K", "27.7M", 457_350, "100"),
)
_FIELDS = ("data", "items", "actions", "sequences", "t")
NOTES = (
    "Items, actions, users: what is left after filtering and cutting. "
    "Sequences: rows of t items; of pairs, one a target item, as the paper "
    "counts them.",
    "StackRec filtered ML20 to items of at least 10 users and users of at "
    "least 5 items; of Kuaibao it only says that cold items were trimmed.",
)


def write(data: Path, results: Path) -> str:
    """Writes table1.md and table1.json.

    Args:
        data: folder of prepared data sets.
        results: gets the files.

    Returns:
        The table, as markdown.

    Raises:
        ValueError: nothing is prepared.
    """
    records = [
        *(_of_sessions(p.parent) for p in sorted(data.glob("*/meta.json"))),
        *(_of_pairs(path) for path in sorted(data.glob("*-pairs.csv"))),
    ]
    if not records:
        raise ValueError(
            "Expected folders of prepared sessions in --data; `make prepare` "
            f"or any of the tables makes one. Received: data={str(data)!r}"
        )
    of_paper = [dict(zip(_FIELDS, row, strict=True)) for row in PAPER]
    lines = [
        *(f"# {TITLE}", ""),
        *table(_COLUMNS, [*of_paper, *records]),
        *("", *(f"- {note}" for note in NOTES), ""),
    ]
    text = "\n".join(lines)
    results.mkdir(parents=True, exist_ok=True)
    atomic_files.write_text(results / f"{NAME}.md", text)
    atomic_files.write_json(
        results / f"{NAME}.json", {"title": TITLE, "rows": records}
    )
    return text


def _of_sessions(folder: Path) -> dict[str, Any]:
    meta = sessions_on_disk.read_meta(folder)
    return {
        "data": folder.name,
        "items": meta["num_items"],
        "actions": meta["counts"][-1]["interactions"],
        "sequences": meta["num_rows"],
        "t": str(meta["t"]),
        "users": meta["num_users"],
        "source": meta.get("source"),
        "choices": meta.get("choices"),
    }


def _of_pairs(path: Path) -> dict[str, Any]:
    found = release.read_transfer(path, whole_fields=True)
    pairs_of_user = Counter(found.users.tolist())
    return {
        "data": path.name.removesuffix(".csv"),
        "items": len(found.target_vocabulary) - 1,
        "actions": len(found.users),
        "sequences": len(found.users),
        "t": f"1 to {max(pairs_of_user.values())}",
        "users": len(pairs_of_user),
        "source": path.name,
        "choices": None,
    }


def _count(name: str) -> Column:
    """A column of numbers; the paper's may be rounded, in words."""

    def cell(record: dict[str, Any]) -> str:
        value = record.get(name, "")
        return f"{value:,}" if isinstance(value, int) else value

    return Column(name.capitalize(), cell)


_COLUMNS = (
    Column("Data", lambda record: record["data"]),
    *(_count(name) for name in ("items", "actions", "sequences")),
    Column("t", lambda record: record["t"]),
    _count("users"),
    Column("Source", lambda record: record.get("source") or ""),
)
