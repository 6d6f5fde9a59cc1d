r"""SkipRec, Figure 1: accuracy by depth.

NextItNet+ of several depths. The paper's point: depth pays, and each user
need not have all of it. How deep models converge is Figure 5.

    make reproduce-skiprec-figure1 DATASET=ml20
    make reproduce-skiprec-figure1 DATASET=deep

Expected time on 2 cores with `deep`: one to six minutes a depth. Expected
numbers: the figure itself has none. The figure's NFM of several hidden layers
is left out: ours has the one layer that both of its papers recommend.
"""

import dataclasses

from experiments.papers import counted
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.skiprec import lines

NAME = "skiprec_figure1"
TITLE = "Accuracy by depth (SkipRec, Figure 1)"
KIND = "compressed"
USES = ("settings", "depths")
NAMES = (lines.COUNTING, lines.FULL)
DEFAULTS = {**lines.DEFAULTS, "depths": "2,4,8,16"}


def rows(choices: Choices) -> list[Row]:
    """What is counted, a row a depth."""
    found = counted.tried_rows(choices)
    if lines.FULL in choices.settings:
        found += [
            lines.full(dataclasses.replace(choices, depths=[depth]), {})
            for depth in sorted(choices.depths)
        ]
    return found
