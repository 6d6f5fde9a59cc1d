r"""What the prepared data sets hold, beside the paper's.

Reproduces StackRec's Table 1 for every folder of prepared sessions in --data,
and for every file of transfer pairs there (NAME-pairs.csv).

  python -m experiments.dataset_statistics --data=data

Writes RESULTS/table1.md and table1.json; trains nothing.
"""

import json
from pathlib import Path
from typing import Any

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import flags as shared
from nextitnet_tf import atomic_files
from nextitnet_tf import release

_DATA = flags.DEFINE_string("data", "data", "Folder of prepared data sets.")
flags.declare_key_flag("results")

NAME = "table1"
TITLE = "Data sets (StackRec, Table 1)"
_COLUMNS = ("Data", "Items", "Actions", "Sequences", "t", "Users", "Source")
# The paper's own, and what its text says of where they come from.
_PAPER = (
    ("ML20 (paper)", "24K", "27.5M", "1,460,924", "20"),
    ("Kuaibao (paper)", "64K", "22.7M", "1,000,000", "30"),
    ("ColdRec source (paper)", "191K", "82.5M", "1,649,095", "50"),
    ("ColdRec target (paper)", "21K", "3.8M", "3,798,114", "1 to 3"),
)


def main() -> None:
    root = Path(_DATA.value)
    records = [
        *(
            _of_sessions(path.parent)
            for path in sorted(root.glob("*/meta.json"))
        ),
        *(_of_pairs(path) for path in sorted(root.glob("*-pairs.csv"))),
    ]
    if not records:
        raise ValueError(
            "Expected folders of prepared sessions in --data; `make prepare` "
            f"or any of the tables makes one. Received: data={str(root)!r}"
        )
    results = Path(shared.RESULTS.value)
    results.mkdir(parents=True, exist_ok=True)
    text = _to_markdown(records)
    atomic_files.write_text(results / f"{NAME}.md", text)
    atomic_files.write_json(
        results / f"{NAME}.json", {"title": TITLE, "rows": records}
    )
    print(text)


def _of_sessions(folder: Path) -> dict[str, Any]:
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
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
    users = int(found.users.max()) + 1
    pairs = len(found.users)
    most = int(max(_counts(found.users.tolist())))
    return {
        "data": path.name.removesuffix(".csv"),
        "items": len(found.target_vocabulary) - 1,
        "actions": pairs,
        "sequences": pairs,
        "t": f"1 to {most}",
        "users": users,
        "source": path.name,
        "choices": None,
    }


def _counts(users: list[int]) -> list[int]:
    counts: dict[int, int] = {}
    for user in users:
        counts[user] = counts.get(user, 0) + 1
    return list(counts.values())


def _to_markdown(records: list[dict[str, Any]]) -> str:
    rows = [
        *([*cells, "", ""] for cells in _PAPER),
        *(
            [
                r["data"],
                f"{r['items']:,}",
                f"{r['actions']:,}",
                f"{r['sequences']:,}",
                r["t"],
                f"{r['users']:,}",
                str(r["source"] or ""),
            ]
            for r in records
        ),
    ]
    return "\n".join(
        [
            f"# {TITLE}",
            "",
            *(
                "| " + " | ".join(row) + " |"
                for row in (_COLUMNS, ["---"] * len(_COLUMNS), *rows)
            ),
            "",
            "- Items, actions, users: what is left after filtering and "
            "cutting. Sequences: rows of t items; of pairs, one a target "
            "item, as the paper counts them.",
            "- The paper filtered ML20 to items of at least 10 users and "
            "users of at least 5 items; of Kuaibao it only says that cold "
            "items were trimmed.",
            "",
        ]
    )


if __name__ == "__main__":
    command.run(main)
