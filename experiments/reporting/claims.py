"""Which conclusions of a paper hold in our results.

A table states its claims beside its rows, as `CLAIMS`; here they are measured
in every folder of results, and written down.
"""

import functools
import json
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

from experiments.reporting import comparisons
from experiments.reporting import figure_comparisons

HEAD = """\
# What the results say

Written by `make conclusions` from the tables and figures in the folders here,
which `make reproduce-table2`, `-table3`, ... wrote from the runs below them;
`index.html` (`make report`) has them all on one page. MRR@5 on the test
sessions, means over seeds; a difference is followed by the 95 % range of a
paired bootstrap over users and seeds, where all ranks of both sides were kept.
**holds**: the difference is on the paper's side and the range
leaves out 0. **does not hold**: it is on the other side, and so is the range.
**not told apart**: anything else. A verdict takes three seeds: **one seed**
or **two seeds** stand where there are no more.
"""


@dataclass(frozen=True)
class Claim:
    """What a paper concludes from a table or a figure.

    Attributes:
        title: the conclusion, as a sentence without its full stop.
        paper: where the paper has it, and its numbers.
        measured_by: functions of `comparisons`, each of which tells a part.
        about: which groups of the table it is about: values by key, a tuple
            for any of its values. Figures have none.
    """

    title: str
    paper: str
    measured_by: Sequence[Callable[..., Iterator[str]]]
    about: Mapping[str, Any] = field(default_factory=dict)


def write_up(
    folders: Sequence[Path], claims: Mapping[str, Sequence[Claim]]
) -> str:
    """The whole document.

    Args:
        folders: of results, one a data set.
        claims: by the name of the files of a table or figure: NAME.json, or
            NAME-*.json where it has several.

    Raises:
        ValueError: no tables there.
    """
    parts = [HEAD]
    for folder in folders:
        sections = list(_sections(folder, claims))
        if sections:
            parts += [f"## {folder.name}", "", *sections]
    if len(parts) == 1:
        raise ValueError(
            "Expected tables in folders of --results. Received: "
            f"{', '.join(map(str, folders)) or 'no folder'}"
        )
    return "\n".join(parts)


def _sections(
    folder: Path, claims: Mapping[str, Sequence[Claim]]
) -> Iterator[str]:
    contents = {name: _read(folder, name) for name in claims}
    # What holds on generated data, the quickstart's, says nothing.
    if any("law" in c.get("data", {}) for of in contents.values() for c in of):
        return
    for name, of_name in claims.items():
        for claim in of_name:
            told = [
                list(measure(contents[name], claim.about))
                for measure in claim.measured_by
            ]
            if any(told):
                yield from (f"### {claim.title}?", "")
                yield from (f"The paper, {claim.paper}", "")
            for lines in filter(None, told):
                yield from (*lines, "")


def _read(folder: Path, name: str) -> list[dict[str, Any]]:
    paths = [folder / f"{name}.json", *sorted(folder.glob(f"{name}-*.json"))]
    return [
        json.loads(path.read_text(encoding="utf-8"))
        for path in paths
        if path.is_file()
    ]


# By the files' names, in the order of the document.
CLAIMS: Mapping[str, Sequence[Claim]] = {
    "table": (
        Claim(
            "Deeper models are better when there are more data",
            "Table 2: MRR@5 0.0703, 0.0757, 0.0816, 0.0866 with 4, 8, 16, 32 "
            "blocks on 40, 60, 80, 100 % of ML20.",
            [
                functools.partial(
                    comparisons.rises,
                    steps=((4, 0.4), (8, 0.6), (16, 0.8), (32, 1.0)),
                )
            ],
            about={
                "role": ("shallow", "scratch"),
                "recommender": "nextitnet",
            },
        ),
        Claim(
            "Stacked models get as good as the deep model from scratch, 2 to 3 "
            "times sooner",
            "Table 2: StackA and StackC are a little better than from scratch "
            "in all settings, in 1/2.05 to 1/3.21 of the time.",
            [comparisons.against_scratch],
            about={"role": "stacked"},
        ),
        Claim(
            "Going on with the shallow model is not enough",
            "Table 2: CL-NextItNet gains 0.0004 to 0.0009 over the shallow "
            "model and stays 0.0046 to 0.0050 below the deep one.",
            [comparisons.short_of_scratch],
            about={"role": "continued"},
        ),
        Claim(
            "Deep models beat the baselines",
            "Table 2, all data: MostPop 0.0062 < NFM 0.0360 < Caser 0.0762 < "
            "GRU4Rec 0.0786 < SNextItNet-32 0.0838 < NextItNet-32 0.0866. "
            "SASRec as its authors have it is not in it.",
            [comparisons.in_order],
            about={"role": "baseline"},
        ),
    ),
    "table4": (
        Claim(
            "StackA and StackC beat StackR and StackE",
            "Table 4: 2.05x, against 1.20x (StackE) and 1.55x (StackR), which "
            "end below the model from scratch.",
            [comparisons.against_scratch, comparisons.seed_by_seed],
            about={"role": "stacked"},
        ),
    ),
    "table5": (
        Claim(
            "Growth short of doubling works, too",
            "Table 5 (Kuaibao): StackA and StackC better than from scratch, "
            "2.41x.",
            [comparisons.against_scratch],
            about={"role": "stacked"},
        ),
    ),
    "table6": (
        Claim(
            "Alpha helps",
            "Table 6: +0.0012 with 8 blocks, +0.0015 with 16.",
            [comparisons.with_and_without_alpha],
        ),
    ),
    "table7": (
        Claim(
            "Stacking works for other deep models",
            "Table 7: GRec, SASRec and SSE-PT get better than from scratch, in "
            "1/2.06 to 1/2.48 of the time.",
            [comparisons.against_scratch],
            about={"role": "stacked"},
        ),
    ),
    "figure1": (
        Claim(
            "More data call for deeper models",
            "Figure 1, is about 40 and 100 % of ML20; it gives no numbers.",
            [figure_comparisons.by_depth],
        ),
    ),
    "figure2": (
        Claim(
            "Blocks are alike after training",
            "Figure 2: cosine similarity of neighbouring blocks' outputs above "
            "0.9 from block 2 on; block 1 unlike all others.",
            [figure_comparisons.alike],
        ),
    ),
    "figure6": (
        Claim(
            "Training from scratch is faster by way of shallow models",
            "Figure 6: 57 % of the direct model's time on ML20, 65 % on "
            "Kuaibao, all stages counted.",
            [figure_comparisons.share_of_time],
        ),
    ),
    "table3": (
        Claim(
            "Pre-training by stacking transfers",
            "Table 3 (ColdRec): target MRR@5 0.2048 for the deep model from "
            "scratch, 0.2051 and 0.2056 for StackC and StackA, pre-trained "
            "3.09 and 3.58 times sooner. What no pre-training gives it does "
            "not say.",
            [figure_comparisons.worth_of_pretraining],
        ),
    ),
}
