r"""Which of the paper's conclusions hold in our results.

  python -m experiments.conclusions --results=results

Reads RESULTS/*/table.json, table3.json, ..., figure6.json (of `make
reproduce-table2`, ...) and writes RESULTS/README.md: for each conclusion of
StackRec what the paper says, what was measured on which data, and whether it
holds. Trains nothing.
"""

import itertools
import json
import statistics
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sized
from pathlib import Path
from typing import Any

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import flags as shared
from nextitnet_tf import atomic_files

flags.declare_key_flag("results")

Group = dict[str, Any]

_HEAD = """\
# What the results say

Written by `make conclusions` from the tables and figures in the folders here,
which `make reproduce-table2`, `-table3`, ... wrote from the runs below them;
`index.html` (`make report`) has them all on one page. MRR@5 on the test
sessions, means over seeds; a difference is followed by the 95 % range of a
paired bootstrap over users and seeds, where all ranks of both sides were kept.
**holds**: the difference is on the paper's side and the range
leaves out 0. **does not hold**: it is on the other side, and so is the range.
**not told apart**: anything else. One seed is an anecdote.
"""


def main() -> None:
    root = Path(shared.RESULTS.value)
    text = write_up(root)
    atomic_files.write_text(root / "README.md", text)
    print(text)


def write_up(root: Path) -> str:
    """The whole document.

    Args:
        root: has a folder a data set.

    Raises:
        ValueError: no tables there.
    """
    parts = [_HEAD]
    for folder in sorted(path for path in root.glob("*/")):
        tables = {
            name: _read(folder / f"{name}.json")
            for name in ("table", "table4", "table5", "table6", "table7")
        }
        groups = {
            name: table.get("over_seeds", []) for name, table in tables.items()
        }
        # What holds on generated data, the quickstart's, says nothing.
        if not any(groups.values()) or any(
            "law" in table.get("data", {}) for table in tables.values()
        ):
            groups = {}
        sections = list(_sections(groups, folder))
        if sections:
            parts += [f"## {folder.name}", "", *sections]
    if len(parts) == 1:
        raise ValueError(
            "Expected tables in folders of --results. "
            f"Received: results={str(root)!r}"
        )
    return "\n".join(parts)


def verdict(difference: float, low: float | None, high: float | None) -> str:
    """Of a difference that the paper has as positive."""
    if low is None or high is None:
        return "not told apart"
    if low > 0:
        return "holds"
    if high < 0:
        return "does not hold"
    return "not told apart"


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    return json.loads(path.read_text(encoding="utf-8"))


def _sections(groups: dict[str, list[Group]], folder: Path) -> Iterator[str]:
    if groups:
        yield from _of_tables(groups)
        yield from _by_depth(_read(folder / "figure1.json"))
        yield from _alike(
            _read(path) for path in sorted(folder.glob("figure2-*.json"))
        )
        yield from _from_scratch(_read(folder / "figure6.json"))
    yield from _transferred(_read(folder / "table3.json"))


def _of_tables(groups: dict[str, list[Group]]) -> Iterator[str]:
    yield from _deeper(groups["table"])
    yield from _stacked(
        groups["table"],
        "Stacked models get as good as the deep model from scratch, 2 to 3 "
        "times sooner",
        "Table 2: StackA and StackC are a little better than from scratch in "
        "all settings, in 1/2.05 to 1/3.21 of the time.",
    )
    yield from _continued(groups["table"])
    yield from _baselines(groups["table"])
    yield from _stacked(
        groups["table4"],
        "StackA and StackC beat StackR and StackE",
        "Table 4: 2.05x, against 1.20x (StackE) and 1.55x (StackR), which end "
        "below the model from scratch.",
    )
    yield from _methods(groups["table4"])
    yield from _stacked(
        groups["table5"],
        "Growth short of doubling works, too",
        "Table 5 (Kuaibao): StackA and StackC better than from scratch, 2.41x.",
    )
    yield from _alpha(groups["table6"])
    yield from _stacked(
        groups["table7"],
        "Stacking works for other deep models",
        "Table 7: GRec, SASRec and SSE-PT get better than from scratch, in "
        "1/2.06 to 1/2.48 of the time.",
    )


def _title(title: str, paper: str) -> list[str]:
    return [f"### {title}?", "", f"The paper, {paper}", ""]


def _deeper(groups: list[Group]) -> Iterator[str]:
    lines = []
    for protocol in _protocols(groups):
        found = {
            g["model"]: g
            for g in groups
            if g["protocol"] == protocol and g["model"].startswith("NextItNet-")
        }
        ladder = [
            found[name]
            for name in (
                "NextItNet-4 (40%)",
                "NextItNet-8 (60%)",
                "NextItNet-16 (80%)",
                "NextItNet-32 (100%)",
            )
            if name in found
        ]
        if len(ladder) < 2:
            continue
        means = [g["mrr_at_5"]["mean"] for g in ladder]
        rises = all(a < b for a, b in zip(means, means[1:], strict=False))
        lines.append(
            f"- Protocol {protocol}: "
            + " -> ".join(
                f"{g['model']} {_mean(g)} ({_seeds(g['seeds'])})"
                for g in ladder
            )
            + f": {'rises' if rises else 'does not rise'} at every step."
        )
    if lines:
        yield from _title(
            "Deeper models are better when there are more data",
            "Table 2: MRR@5 0.0703, 0.0757, 0.0816, 0.0866 with 4, 8, 16, 32 "
            "blocks on 40, 60, 80, 100 % of ML20.",
        )
        yield from lines
        yield ""


def _stacked(groups: list[Group], title: str, paper: str) -> Iterator[str]:
    rows = [g for g in groups if g["copied"] and g["is_compared"]]
    if not rows:
        return
    yield from _title(title, paper)
    yield (
        "| Setting | Model | Copied | Protocol | Seeds | MRR@5 | Difference "
        "to scratch | At least as good | Sooner | Reached by |"
    )
    yield "| " + " | ".join(["---"] * 10) + " |"
    for g in rows:
        difference, low, high = (
            g.get(name) for name in ("difference", "low", "high")
        )
        sooner = f"{g['speedup']:.1f}x" if g["speedup"] else "never"
        cells = [
            g["setting"],
            g["model"],
            g["copied"],
            g["protocol"],
            str(len(g["seeds"])),
            _mean(g),
            _difference(difference, low, high),
            "" if difference is None else verdict(difference, low, high),
            sooner,
            f"{g['num_reached']} of {len(g['seeds'])}",
        ]
        yield "| " + " | ".join(cells) + " |"
    yield ""
    of_the_paper = [
        g for g in rows if g["model"].startswith(("StackA", "StackC"))
    ]
    fast = [
        (g["speedup"] or 0.0) >= 2 and 2 * g["num_reached"] > len(g["seeds"])
        for g in of_the_paper
    ]
    reached = sum(g["num_reached"] for g in of_the_paper)
    trained = sum(len(g["seeds"]) for g in of_the_paper)
    yield (
        f"{reached} of {trained} models of StackA and StackC reach the best "
        f"validation value of theirs from scratch; in {sum(fast)} of "
        f"{len(fast)} lines most seeds do, and at least twice as fast in the "
        "median of those."
    )
    yield ""


def _methods(groups: list[Group]) -> Iterator[str]:
    """StackA and StackC against StackE and StackR, seed by seed."""
    lines = []
    for ours, other in itertools.product(groups, groups):
        if not (
            ours["model"].startswith(("StackA", "StackC"))
            and other["model"].startswith(("StackE", "StackR"))
            and all(ours[k] == other[k] for k in ("protocol", "copied"))
        ):
            continue
        each = _each(ours, other)
        if each:
            lines.append(
                f"- {ours['model']} against {other['model']} "
                f"({ours['copied']}, protocol {ours['protocol']}): better in "
                f"{sum(d > 0 for d in each)} of {_seeds(each)}, mean "
                f"difference {statistics.mean(each):+.4f}."
            )
    if lines:
        yield from lines
        yield ""


def _each(group: Group, other: Group) -> list[float]:
    """Differences of MRR@5 on the seeds of both."""
    ours, theirs = (
        dict(zip(g["seeds"], g["values"], strict=True)) for g in (group, other)
    )
    return [ours[seed] - theirs[seed] for seed in sorted({*ours} & {*theirs})]


def _continued(groups: list[Group]) -> Iterator[str]:
    rows = [g for g in groups if g["model"].startswith("CL-")]
    if not rows:
        return
    yield from _title(
        "Going on with the shallow model is not enough",
        "Table 2: CL-NextItNet gains 0.0004 to 0.0009 over the shallow model "
        "and stays 0.0046 to 0.0050 below the deep one.",
    )
    for g in rows:
        difference = g.get("difference")
        shown = ""
        if difference is not None:
            shown = (
                ", against the deep model from scratch "
                + _difference(difference, g["low"], g["high"])
                + f": {_beats(g, '')}"
            )
        yield (
            f"- {g['setting']}, protocol {g['protocol']}: {g['model']} "
            f"{_mean(g)} ({_seeds(g['seeds'])}){shown}."
        )
    yield ""


def _baselines(groups: list[Group]) -> Iterator[str]:
    rows = [g for g in groups if g["setting"] == "100-100"]
    lines = []
    for protocol in _protocols(rows):
        found = sorted(
            (g for g in rows if g["protocol"] == protocol),
            key=lambda g: g["mrr_at_5"]["mean"],
        )
        if len(found) > 2:  # more than MostPop and one other
            lines.append(
                f"- Protocol {protocol}: "
                + " < ".join(
                    f"{g['model']} {_mean(g)} ({_seeds(g['seeds'])})"
                    for g in found
                )
                + "."
            )
    if not lines:
        return
    yield from _title(
        "Deep models beat the baselines",
        "Table 2, all data: MostPop 0.0062 < NFM 0.0360 < Caser 0.0762 < "
        "GRU4Rec 0.0786 < SNextItNet-32 0.0838 < NextItNet-32 0.0866. "
        "SASRec as its authors have it is not in it.",
    )
    yield from lines
    yield ""
    compared = [
        g
        for g in rows
        if g["difference"] is not None
        and not g["model"].startswith("NextItNet-")
    ]
    if not compared:
        return
    yield (
        "| Protocol | Model | NextItNet's advantage | Beats it | Unseen MRR@5 "
        "| NextItNet's advantage | Beats it |"
    )
    yield "| " + " | ".join(["---"] * 7) + " |"
    for g in compared:
        unseen = g.get("unseen_mrr_at_5")
        cells = [
            g["protocol"],
            g["model"],
            f"{g['compared_with']}: {_advantage(g, '')}",
            _beats(g, ""),
            "" if unseen is None else f"{unseen:.4f}",
            _advantage(g, "unseen_"),
            _beats(g, "unseen_"),
        ]
        yield "| " + " | ".join(cells) + " |"
    yield ""
    yield (
        "Unseen: the session's other items left out of the ranking, where "
        "both sides kept those ranks. SASRec's authors tie the output to the "
        "item embedding, which ranks the items of the history high, and "
        "evaluate without them; the release ranks them."
    )
    yield ""


def _advantage(group: Group, prefix: str) -> str:
    """Of what a line was compared with over the line."""
    difference, low, high = _reversed(group, prefix)
    return _difference(difference, low, high)


def _beats(group: Group, prefix: str) -> str:
    difference, low, high = _reversed(group, prefix)
    return "" if difference is None else verdict(difference, low, high)


def _reversed(
    group: Group, prefix: str
) -> tuple[float | None, float | None, float | None]:
    difference, high, low = (
        None if value is None else -value
        for value in (
            group.get(f"{prefix}{name}")
            for name in ("difference", "low", "high")
        )
    )
    return difference, low, high


def _by_depth(figure: dict[str, Any]) -> Iterator[str]:
    lines = []
    points = figure.get("points", [])
    for data in dict.fromkeys(p["data"] for p in points):
        of_data = sorted(
            (p["num_blocks"], statistics.mean(p["values"]), len(p["seeds"]))
            for p in points
            if p["data"] == data
        )
        if len(of_data) < 2:
            continue
        best = max(of_data, key=lambda point: point[1])[0]
        shown = ", ".join(
            f"{depth} blocks {mean:.4f} ({count} seed{'s' * (count > 1)})"
            for depth, mean, count in of_data
        )
        lines.append(f"- On {data} of the data: {shown}; best with {best}.")
    if lines:
        yield from _title(
            "More data call for deeper models",
            "Figure 1, is about 40 and 100 % of ML20; it gives no numbers.",
        )
        yield from lines
        yield ""


def _alike(figures: Iterable[dict[str, Any]]) -> Iterator[str]:
    lines = []
    for figure in figures:
        neighbours = figure["neighbours"]
        later = min(neighbours[1:] or neighbours)
        first = statistics.mean(figure["similarity"][0][1:])
        lines.append(
            f"- {figure['model']}, {figure['num_blocks']} blocks, protocol "
            f"{figure['protocol']}, seed {figure['seed']}: neighbours from "
            f"block 2 on at least {later:.2f} "
            f"({'holds' if later > 0.9 else 'does not hold'}); block 1 with "
            f"the others {first:.2f} on average."
        )
    if lines:
        yield from _title(
            "Blocks are alike after training",
            "Figure 2: cosine similarity of neighbouring blocks' outputs above "
            "0.9 from block 2 on; block 1 unlike all others.",
        )
        yield from lines
        yield ""


def _from_scratch(figure: dict[str, Any]) -> Iterator[str]:
    lines = []
    for row in figure.get("rows", []):
        if row["role"] != "stacked":
            continue
        share = row["share"]
        reached = (
            f"{share:.0%} of the direct model's time to its best"
            if share
            else "never as good as the direct model's best"
        )
        lines.append(
            f"- {row['model']}, {row['copied']}, seed {row['seed']}: "
            f"{reached}; test MRR@5 {row['mrr_at_5']:.4f}."
        )
    if lines:
        direct = ", ".join(
            f"{row['mrr_at_5']:.4f} (seed {row['seed']})"
            for row in figure["rows"]
            if row["role"] == "scratch"
        )
        yield from _title(
            "Training from scratch is faster by way of shallow models",
            "Figure 6: 57 % of the direct model's time on ML20, 65 % on "
            "Kuaibao, all stages counted.",
        )
        yield from lines
        yield f"- The direct model's test MRR@5: {direct}."
        yield ""


def _transferred(table: dict[str, Any]) -> Iterator[str]:
    rows = table.get("rows", [])
    if not rows:
        return
    yield from _title(
        "Pre-training by stacking transfers",
        "Table 3 (ColdRec): target MRR@5 0.2048 for the deep model from "
        "scratch, 0.2051 and 0.2056 for StackC and StackA, pre-trained 3.09 "
        "and 3.58 times sooner. What no pre-training gives it does not say.",
    )
    for row in rows:
        worth = row.get("worth") or {}
        shown = ""
        if worth:
            of_worth = worth["difference"], worth["low"], worth["high"]
            shown = (
                f"; pre-training is worth {_difference(*of_worth)}: "
                + verdict(*of_worth)
            )
        name = " ".join(filter(None, (row["model"], row["copied"])))
        seed = f", seed {row['seed']}" if "seed" in row else ""
        yield (
            f"- {name}, protocol {row['protocol']}{seed}: "
            f"{row['mrr_at_5']:.4f}{shown}."
        )
    for way in table.get("fine_tuning", []):
        pairs = way["pairs"]
        same, of_all = (
            pairs["num_source_items_by_their_number"],
            pairs["num_source_items"],
        )
        if way["source_ids"] == "file" and same < of_all:
            yield (
                f"- Fine-tuning by {way['name']} takes the file's numbers for "
                f"source items. They are those of pre-training for {same:,} of "
                f"{of_all:,}; what was learned of the others is lost."
            )
    yield ""


def _alpha(groups: list[Group]) -> Iterator[str]:
    lines = []
    for protocol in _protocols(groups):
        by_setting: dict[str, dict[tuple[str, str], Group]] = {}
        for g in groups:
            if g["protocol"] == protocol:
                of_setting = by_setting.setdefault(g["setting"], {})
                of_setting[g["model"], g["copied"]] = g
        with_alpha = by_setting.get("with alpha", {})
        for key, without in by_setting.get("without alpha", {}).items():
            if key not in with_alpha:
                continue
            other = with_alpha[key]
            each = _each(other, without)
            if not each:
                continue
            copied = f" ({key[1]})" if key[1] else ""
            better = sum(d > 0 for d in each)
            lines.append(
                f"- {key[0]}{copied}, protocol {protocol}: {_mean(other)} with "
                f"alpha, {_mean(without)} without; better with alpha in "
                f"{better} of {_seeds(each)}, " + _of_alpha(other, each)
            )
    if lines:
        yield from _title(
            "Alpha helps",
            "Table 6: +0.0012 with 8 blocks, +0.0015 with 16.",
        )
        yield from lines
        yield ""


def _protocols(groups: list[Group]) -> list[str]:
    return list(dict.fromkeys(g["protocol"] for g in groups))


def _mean(group: Group) -> str:
    return f"{group['mrr_at_5']['mean']:.4f}"


def _seeds(of_each: Sized) -> str:
    return f"{len(of_each)} seed{'s' * (len(of_each) > 1)}"


def _of_alpha(group: Group, each: list[float]) -> str:
    """The range, if it is of all the seeds."""
    difference, low, high = (
        group.get(f"alpha_{name}") for name in ("difference", "low", "high")
    )
    if difference is None or low is None:
        return f"mean difference {statistics.mean(each):+.4f}."
    shown = _difference(difference, low, high)
    return f"{shown}: {verdict(difference, low, high)}."


def _difference(
    difference: float | None, low: float | None, high: float | None
) -> str:
    if difference is None:
        return ""
    if low is None or high is None:
        return f"{difference:+.4f}"
    return f"{difference:+.4f} ({low:+.4f} to {high:+.4f})"


if __name__ == "__main__":
    command.run(main)
