"""StackRec, Table 6: what alpha is worth.

NextItNet with blocks of Eq. 3 (a learned alpha scales each residual branch)
and of Eq. 2 (none): 8 blocks on 80 % of the data, 16 on all of it.

    make reproduce-table6                              # ML20
    make reproduce-table6 DATASET=ml1m RAW=interactions.csv.gz SEEDS=0,1,2

Expected time on 2 cores with ML-1M: 3 to 7 minutes a line. Expected numbers:
the paper's, below.
"""

import dataclasses

from experiments.papers.growth import Growth
from experiments.papers.growth import Setting
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from experiments.reporting import comparisons
from experiments.reporting.claims import Claim

NAME = "table6"
TITLE = "With and without alpha (StackRec, Table 6)"
KIND = "table"
USES = ("presets", "settings", "divide_depth", "measure_step_times")
DEFAULTS = {"presets": "release,paper,best"}
SETTING = Setting(0.8, 1.0, 8, 16)
NAMES = ("without alpha", "with alpha")

PAPER: TableFigures = {
    "ml20": {
        "without alpha": {
            "shallow": (0.0785, None, None, None),
            "scratch": (0.0832, None, None, 1.00),
            "cross": (0.0836, None, None, 2.21),
            "adjacent": (0.0840, None, None, 2.46),
        },
        "with alpha": {
            "shallow": (0.0797, None, None, None),
            "scratch": (0.0847, None, None, 1.00),
            "cross": (0.0850, None, None, 2.19),
            "adjacent": (0.0852, None, None, 2.27),
        },
    },
}
CLAIMS = (
    Claim(
        "Alpha helps",
        "Table 6: +0.0012 with 8 blocks, +0.0015 with 16.",
        [comparisons.with_and_without_alpha],
    ),
)


def rows(choices: Choices) -> list[Row]:
    """The lines without alpha; those with it, compared with them."""
    without, with_alpha = (
        Growth(
            name,
            SETTING,
            methods=("cross", "adjacent"),
            figures=choices.figures(PAPER, name),
            changes={"config_changes": {"use_alpha": name == "with alpha"}},
        ).rows(choices)
        for name in NAMES
    )
    compared = [
        dataclasses.replace(row, without_alpha=other)
        for row, other in zip(with_alpha, without, strict=True)
    ]
    return [
        row for row in (*without, *compared) if row.setting in choices.settings
    ]
