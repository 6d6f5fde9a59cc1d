r"""SkipRec, Figure 5: how models converge, with and without a policy.

Validation MRR@5 against training seconds of Table 2's NextItNet+ and
policies, whose runs it takes.

    make reproduce-skiprec-figure5 DATASET=ml20
    make reproduce-skiprec-figure5 DATASET=deep ARGS=--depths=16

Expected time: none where Table 2 has trained its runs, else Table 2's.
Expected numbers: the figure itself has none.
"""

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.skiprec import lines
from experiments.papers.skiprec import table2

NAME = "skiprec_figure5"
TITLE = "Convergence (SkipRec, Figure 5)"
KIND = "convergence"
USES = ("settings", "depths")
NAMES = (lines.FULL, *table2.LINES)
DEFAULTS = lines.DEFAULTS


def rows(choices: Choices) -> list[Row]:
    """Table 2's NextItNet+ and policies."""
    return table2.rows(choices)
