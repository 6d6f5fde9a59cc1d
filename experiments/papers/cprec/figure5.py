r"""CpRec, Figure 5: how models converge, in full and stored small.

Validation MRR@5 against training seconds of NextItNet and of CpRec. The runs
are Table 2's.

    make reproduce-cprec-figure5 DATASET=ml20
    make reproduce-cprec-figure5 DATASET=ml1m RAW=interactions.csv.gz \
        PROTOCOL=clean

Expected time: none where Table 2 has trained its runs, else Table 2's.
Expected numbers: the figure itself has none.
"""

from experiments.papers.cprec import table2
from experiments.papers.cprec import ways
from experiments.papers.rows import Choices
from experiments.papers.rows import Row

NAME = "cprec_figure5"
TITLE = "Convergence (CpRec, Figure 5)"
KIND = "convergence"
USES = ("settings", "depths")
NAMES = ("full", *ways.SHARING)
DEFAULTS = ways.DEFAULTS


def rows(choices: Choices) -> list[Row]:
    """Table 2's NextItNet and CpRec."""
    return table2.rows(choices)
