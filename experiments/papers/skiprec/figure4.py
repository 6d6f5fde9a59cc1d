r"""SkipRec, Figure 4: which blocks run.

Of Table 2's policies: the share of users that run each block, and what some
users run.

    make reproduce-skiprec-figure4 DATASET=ml20
    make reproduce-skiprec-figure4 DATASET=deep ARGS=--depths=16

Expected time: none where Table 2's models are still there, else Table 2's.
Expected numbers: the figure itself has none.
"""

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.skiprec import lines
from experiments.papers.skiprec import table2

NAME = "skiprec_figure4"
TITLE = "Which blocks run (SkipRec, Figure 4)"
KIND = "block_use"
USES = ("settings", "depths")
NAMES = tuple(table2.LINES)
DEFAULTS = lines.DEFAULTS


def rows(choices: Choices) -> list[Row]:
    """Table 2's policies."""
    return table2.rows(choices)
