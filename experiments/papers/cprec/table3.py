r"""CpRec, Table 3: what factorising items is worth, block-wise or not.

NextItNet whose embedding (Bi), softmax (Bo) or both (Bio) have lower ranks for
rarer items, and B1, whose items all have a quarter of the width. Kernels are
not shared.

    make reproduce-cprec-table3 DATASET=ml20
    make reproduce-cprec-table3 DATASET=ml1m RAW=interactions.csv.gz \
        PROTOCOL=clean SEEDS=0,1,2

Expected time on 2 cores with ML-1M under clean: about half an hour a line.
Expected numbers: the paper's, below.
"""

from experiments.papers.cprec import ways
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from experiments.reporting import stored_claims
from experiments.reporting.claims import Claim

NAME = "cprec_table3"
TITLE = "Items factorised (CpRec, Table 3)"
KIND = "compressed"
USES = ("settings", "depths")
NAMES = ("counting", "full", "B1", "Bi", "Bo", "Bio")
DEFAULTS = ways.DEFAULTS
CLAIMS = (
    Claim(
        "Ranks that fall with frequency are better than equal ones",
        "Table 3 (ML20): B1 is worst (MRR@5 0.0958), Bio best (0.1064) and "
        "smallest, in full 0.1057.",
        [stored_claims.against_full],
    ),
)
# MRR@5, HR@5, million parameters of both item layers, minutes of training,
# speed-up of inference.
PAPER: TableFigures = {
    "weishi": {
        "": {
            "NextItNet": (0.1053, 0.1721, 68.0, 27.0, None),
            "B1-NextItNet": (0.0959, 0.1582, 17.0, 18.0, None),
            "Bi-NextItNet": (0.1059, 0.1724, 38.0, 25.0, None),
            "Bo-NextItNet": (0.106, 0.1729, 38.0, 14.0, None),
            "Bio-NextItNet": (0.1068, 0.1734, 8.0, 12.0, None),
        }
    },
    "ml20": {
        "": {
            "NextItNet": (0.1057, 0.1755, 55.0, 104.0, None),
            "B1-NextItNet": (0.0958, 0.1603, 14.0, 79.0, None),
            "Bi-NextItNet": (0.1058, 0.1761, 34.0, 102.0, None),
            "Bo-NextItNet": (0.1063, 0.1766, 34.0, 66.0, None),
            "Bio-NextItNet": (0.1064, 0.1766, 12.0, 64.0, None),
        }
    },
    "tiktok": {
        "": {
            "NextItNet": (0.012, 0.0242, 527.0, 300.0, None),
            "B1-NextItNet": (0.0109, 0.0226, 132.0, 162.0, None),
            "Bi-NextItNet": (0.0117, 0.0239, 296.0, 278.0, None),
            "Bo-NextItNet": (0.0122, 0.0249, 296.0, 78.0, None),
            "Bio-NextItNet": (0.0123, 0.025, 66.0, 64.0, None),
        }
    },
    "ml100": {
        "": {
            "NextItNet": (0.109, 0.1781, 55.0, 489.0, None),
            "B1-NextItNet": (0.0917, 0.1619, 14.0, 439.0, None),
            "Bi-NextItNet": (0.1092, 0.1791, 34.0, 487.0, None),
            "Bo-NextItNet": (0.109, 0.178, 34.0, 402.0, None),
            "Bio-NextItNet": (0.1109, 0.1818, 12.0, 400.0, None),
        }
    },
}


def rows(choices: Choices) -> list[Row]:
    """What is counted, NextItNet in full, then each way."""
    return ways.rows(choices, PAPER)
