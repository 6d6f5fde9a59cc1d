r"""SkipRec, Table 4: a policy that is a GRU.

Upon a trained NextItNet+: policies that read a history by convolutions, and
by a GRU.

    make reproduce-skiprec-table4 DATASET=ml20
    make reproduce-skiprec-table4 DATASET=deep SEEDS=0,1,2 ARGS=--depths=16

Expected time: Table 2's, whose runs it takes, and two more. Expected numbers:
the paper's, below.
"""

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from experiments.papers.skiprec import lines
from experiments.papers.skiprec import table3
from experiments.reporting import stored_claims
from experiments.reporting.claims import Claim

NAME = "skiprec_table4"
TITLE = "A GRU as policy (SkipRec, Table 4)"
KIND = "compressed"
USES = ("settings", "depths")
_GRU = {"policy": "gru"}
LINES = {
    **table3.LINES,
    "gumbel-gru": ("SkipRec-Gumbel-GRU", {**lines.GUMBEL, **_GRU}, True),
    "rl-gru": ("SkipRec-RL-GRU", {**lines.REINFORCE, **_GRU}, True),
}
NAMES = (lines.COUNTING, lines.FULL, *LINES)
DEFAULTS = lines.DEFAULTS
CLAIMS = (
    Claim(
        "The kind of the policy matters little",
        "Table 4 (ML20): MRR@5 0.1104 (CNN) and 0.1100 (GRU) by Gumbel, "
        "0.1101 and 0.1096 by reinforcement.",
        [stored_claims.against_full],
    ),
)
# MRR@5, HR@5, speed-up of inference.
PAPER: TableFigures = {
    "weishi": {
        "": {
            "NextItNet+": (0.1091, 0.1767, None, None, None),
            "SkipRec-Gumbel": (0.1121, 0.1826, None, None, None),
            "SkipRec-Gumbel-GRU": (0.1123, 0.1816, None, None, None),
            "SkipRec-RL": (0.1117, 0.1813, None, None, None),
            "SkipRec-RL-GRU": (0.1112, 0.1801, None, None, None),
            "Random policy": (0.1056, 0.1727, None, None, None),
        }
    },
    "ml20": {
        "": {
            "NextItNet+": (0.1067, 0.1784, None, None, None),
            "SkipRec-Gumbel": (0.1104, 0.18, None, None, None),
            "SkipRec-Gumbel-GRU": (0.11, 0.1818, None, None, None),
            "SkipRec-RL": (0.1101, 0.1793, None, None, None),
            "SkipRec-RL-GRU": (0.1096, 0.178, None, None, None),
            "Random policy": (0.1018, 0.1676, None, None, None),
        }
    },
}


def rows(choices: Choices) -> list[Row]:
    """What is counted, all blocks, then each policy."""
    return lines.rows(choices, PAPER, LINES)
