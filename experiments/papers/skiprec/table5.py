r"""SkipRec, Table 5: Transformers with blocks left out.

SASRec+, the paper's Transformer with alpha, and policies that read a history
by attention.

    make reproduce-skiprec-table5 DATASET=ml20
    make reproduce-skiprec-table5 DATASET=deep SEEDS=0,1,2 ARGS=--depths=16

Expected time: Table 2's. Expected numbers: the paper's, below.
"""

from typing import Any

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from experiments.papers.skiprec import lines
from experiments.papers.skiprec import table2
from experiments.reporting import stored_claims
from experiments.reporting.claims import Claim

NAME = "skiprec_table5"
TITLE = "Transformers with blocks left out (SkipRec, Table 5)"
KIND = "compressed"
USES = ("settings", "depths")
_BACKBONE = {"block": "plus"}
LINES = {
    setting: (label, {**skip, "policy": "attention"}, is_pretrained)
    for setting, (label, skip, is_pretrained) in table2.LINES.items()
}
NAMES = (lines.COUNTING, lines.FULL, *LINES)
DEFAULTS = lines.DEFAULTS
CLAIMS = (
    Claim(
        "Policies work for Transformers, too",
        "Table 5 (ML20): MRR@5 0.1154 with all blocks, 0.1151 (Gumbel), "
        "0.1189 (w/ pre) at 1.3 to 1.6 times the speed.",
        [stored_claims.against_full],
    ),
)
# MRR@5, HR@5, speed-up of inference.
PAPER: TableFigures = {
    "weishi": {
        "": {
            "SASRec+": (0.1076, 0.1749, None, None, 1.0),
            "SkipRec-Gumbel": (0.1089, 0.177, None, None, 1.52),
            "Gumbel w/ pre": (0.1102, 0.1778, None, None, 1.37),
            "SkipRec-RL": (0.1086, 0.1761, None, None, 1.46),
            "RL w/ pre": (0.1094, 0.1768, None, None, 1.58),
        }
    },
    "ml20": {
        "": {
            "SASRec+": (0.1154, 0.189, None, None, 1.0),
            "SkipRec-Gumbel": (0.1151, 0.1872, None, None, 1.57),
            "Gumbel w/ pre": (0.1189, 0.191, None, None, 1.31),
            "SkipRec-RL": (0.1147, 0.1861, None, None, 1.69),
            "RL w/ pre": (0.1175, 0.1879, None, None, 1.53),
        }
    },
}


def rows(choices: Choices) -> list[Row]:
    """What is counted, all blocks, then each policy."""
    more: dict[str, Any] = {"model": "sasrec", "config": _BACKBONE}
    whole = lines.row(choices, lines.FULL, "SASRec+", figures=PAPER, **more)
    return lines.rows(choices, PAPER, LINES, whole, **more)
