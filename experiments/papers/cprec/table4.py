r"""CpRec, Table 4: what sharing kernels costs.

NextItNet whose blocks share kernels: all of them (Cl, Cb), or two by two (Al,
Ab). Items are stored in full.

    make reproduce-cprec-table4 DATASET=ml20
    make reproduce-cprec-table4 DATASET=ml1m RAW=interactions.csv.gz \
        PROTOCOL=clean SEEDS=0,1,2

Expected time on 2 cores with ML-1M under clean: about half an hour a line.
Expected numbers: the paper's, below. Where depth pays (`DATASET=deep`, 16
blocks, the command in results/deep/commands.json, 50 minutes on one core),
three seeds, MRR@5 without seen items: .2254 in full, Ab .2211 (not told apart),
Al .2145, Cb .1891, Cl .1783 (all below).
"""

from experiments.papers.cprec import ways
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from experiments.reporting import stored_claims
from experiments.reporting.claims import Claim

NAME = "cprec_table4"
TITLE = "Kernels shared (CpRec, Table 4)"
KIND = "compressed"
USES = ("settings", "depths")
NAMES = ("counting", "full", *ways.SHARING)
DEFAULTS = ways.DEFAULTS
CLAIMS = (
    Claim(
        "Sharing kernels of adjacent blocks costs nothing",
        "Table 4 (ML20): Ab 0.1062 against 0.1057 in full; Cb (0.1037) above "
        "Cl (0.1006), which hurts.",
        [stored_claims.against_full],
    ),
)
# MRR@5, HR@5, million parameters of the blocks, minutes of training, speed-up
# of inference.
PAPER: TableFigures = {
    "weishi": {
        "": {
            "NextItNet": (0.1053, 0.1721, 6.0, None, None),
            "Cl-NextItNet": (0.1021, 0.1669, 1.0, None, None),
            "Cb-NextItNet": (0.1047, 0.171, 2.0, None, None),
            "Al-NextItNet": (0.1042, 0.1699, 3.0, None, None),
            "Ab-NextItNet": (0.1057, 0.1727, 3.0, None, None),
        }
    },
    "ml20": {
        "": {
            "NextItNet": (0.1057, 0.1755, 6.0, None, None),
            "Cl-NextItNet": (0.1006, 0.1678, 1.0, None, None),
            "Cb-NextItNet": (0.1037, 0.1728, 2.0, None, None),
            "Al-NextItNet": (0.1037, 0.173, 3.0, None, None),
            "Ab-NextItNet": (0.1062, 0.1762, 3.0, None, None),
        }
    },
    "tiktok": {
        "": {
            "NextItNet": (0.012, 0.0242, 13.0, None, None),
            "Cl-NextItNet": (0.0119, 0.0241, 1.0, None, None),
            "Cb-NextItNet": (0.012, 0.0243, 2.0, None, None),
            "Al-NextItNet": (0.0118, 0.024, 6.0, None, None),
            "Ab-NextItNet": (0.0122, 0.0247, 6.0, None, None),
        }
    },
    "ml100": {
        "": {
            "NextItNet": (0.109, 0.1781, 25.0, None, None),
            "Cl-NextItNet": (0.1007, 0.1656, 1.0, None, None),
            "Cb-NextItNet": (0.1048, 0.1735, 2.0, None, None),
            "Al-NextItNet": (0.1077, 0.1762, 13.0, None, None),
            "Ab-NextItNet": (0.1101, 0.1812, 13.0, None, None),
        }
    },
}


def rows(choices: Choices) -> list[Row]:
    """What is counted, NextItNet in full, then each scheme."""
    return ways.rows(choices, PAPER)
