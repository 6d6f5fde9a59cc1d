r"""StackRec, Figure 5: how models converge, stacked and from scratch.

Of Table 2's settings the deep model from scratch and the stacked ones,
validation MRR@5 against training seconds of the last stage. The runs are
Table 2's.

    make reproduce-figure5                             # ML20
    make reproduce-figure5 DATASET=ml1m RAW=interactions.csv.gz SETTINGS=60-80

Expected time: none where Table 2 has trained its runs, else Table 2's.
Expected numbers: the figure itself has none; of Table 2, 2.05 to 3.21 times
sooner.
"""

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.stackrec import table2

NAME = "figure5"
TITLE = "Convergence (StackRec, Figure 5)"
KIND = "convergence"
USES = ("presets", "settings", "divide_depth")
DEFAULTS = {"presets": "best"}
NAMES = tuple(table2.SETTINGS)


def rows(choices: Choices) -> list[Row]:
    """Table 2's from scratch and stacked."""
    return [
        row
        for row in table2.rows(choices)
        if row.role in ("scratch", "stacked")
    ]
