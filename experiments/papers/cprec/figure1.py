r"""CpRec, Figure 1: accuracy by depth, and by width.

NextItNet of several depths, and of several widths at the first of them; in
full. The paper's point: both pay, and both cost parameters.

    make reproduce-cprec-figure1 DATASET=ml20
    make reproduce-cprec-figure1 DATASET=ml1m RAW=interactions.csv.gz \
        PROTOCOL=clean ARGS=--depths=4,2,8

Expected time on 2 cores with ML-1M: a quarter of an hour to an hour a point.
Expected numbers: the figure itself has none.
"""

import dataclasses

from experiments.papers import counted
from experiments.papers.cprec import ways
from experiments.papers.rows import Choices
from experiments.papers.rows import Row

NAME = "cprec_figure1"
TITLE = "Accuracy by depth and by width (CpRec, Figure 1)"
KIND = "compressed"
USES = ("settings", "depths")
NAMES = ("counting", "depth", "width")
DEFAULTS = {**ways.DEFAULTS, "depths": "4,2,8,16"}
_WIDTHS = (64, 128, 256, 512)


def rows(choices: Choices) -> list[Row]:
    """What is counted, a row a depth, a row a width."""
    found = counted.tried_rows(choices)
    if "depth" in choices.settings:
        found += [
            ways.row(dataclasses.replace(choices, depths=[depth]), "depth")
            for depth in sorted(choices.depths)
        ]
    if "width" in choices.settings:
        found += [
            ways.row(
                choices,
                "width",
                label=f"NextItNet of width {width}",
                embedding_dim=width,
            )
            for width in _WIDTHS
        ]
    return found
