r"""SkipRec, Table 3: a policy that learns, and one that draws.

Upon a trained NextItNet+: the learned policies, and one that runs each block
with probability 1/2, whoever asks.

    make reproduce-skiprec-table3 DATASET=ml20
    make reproduce-skiprec-table3 DATASET=deep SEEDS=0,1,2 ARGS=--depths=16

Expected time: Table 2's, whose runs it takes, and one more. Expected numbers:
the paper's, below. A random policy at the rate of the learned one is in
`reproduce-skiprec-rivals`.
"""

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from experiments.papers.skiprec import lines
from experiments.reporting import stored_claims
from experiments.reporting.claims import Claim

NAME = "skiprec_table3"
TITLE = "A random policy (SkipRec, Table 3)"
KIND = "compressed"
USES = ("settings", "depths")
LINES = {
    "gumbel-pre": ("SkipRec-Gumbel", lines.GUMBEL, True),
    "rl-pre": ("SkipRec-RL", lines.REINFORCE, True),
    "random": ("Random policy", {"policy": "random"}, True),
}
NAMES = (lines.COUNTING, lines.FULL, *LINES)
DEFAULTS = lines.DEFAULTS
CLAIMS = (
    Claim(
        "A learned policy beats a random one",
        "Table 3 (ML20): MRR@5 0.1104 and 0.1101 against 0.1018, all blocks "
        "0.1067.",
        [stored_claims.against_full],
    ),
)
# MRR@5, HR@5, speed-up of inference.
PAPER: TableFigures = {
    "weishi": {
        "": {
            "NextItNet+": (0.1091, 0.1767, None, None, None),
            "SkipRec-Gumbel": (0.1121, 0.1826, None, None, None),
            "SkipRec-RL": (0.1117, 0.1813, None, None, None),
            "Random policy": (0.1056, 0.1727, None, None, None),
        }
    },
    "ml20": {
        "": {
            "NextItNet+": (0.1067, 0.1784, None, None, None),
            "SkipRec-Gumbel": (0.1104, 0.18, None, None, None),
            "SkipRec-RL": (0.1101, 0.1793, None, None, None),
            "Random policy": (0.1018, 0.1676, None, None, None),
        }
    },
}


def rows(choices: Choices) -> list[Row]:
    """What is counted, all blocks, then each policy."""
    return lines.rows(choices, PAPER, LINES)
