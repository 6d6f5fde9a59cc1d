r"""CpRec, Table 5: another model's items factorised.

GRU4Rec whose embedding (Bi), softmax (Bo) or both (Bio) have lower ranks for
rarer items.

    make reproduce-cprec-table5 DATASET=ml20
    make reproduce-cprec-table5 DATASET=ml1m RAW=interactions.csv.gz \
        PROTOCOL=clean SEEDS=0,1,2

Expected time on 2 cores with ML-1M under clean: about half an hour a line.
Expected numbers: the paper's, below; it has none of ML20.
"""

from experiments.papers.cprec import ways
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from experiments.reporting import stored_claims
from experiments.reporting.claims import Claim

NAME = "cprec_table5"
TITLE = "GRU4Rec's items factorised (CpRec, Table 5)"
KIND = "compressed"
USES = ("settings", "depths")
NAMES = ("counting", "full", "Bi", "Bo", "Bio")
DEFAULTS = ways.DEFAULTS
CLAIMS = (
    Claim(
        "Factorised items suit other models",
        "Table 5 (ML100): GRU4Rec's MRR@5 0.0986 in full, 0.0988 (Bi), 0.0995 "
        "(Bo), 0.1025 (Bio), with 57 against 14 M parameters.",
        [stored_claims.against_full],
    ),
)
# MRR@5, HR@5, million parameters, minutes of training, speed-up of
# inference.
PAPER: TableFigures = {
    "weishi": {
        "": {
            "GRU4Rec": (0.1008, 0.1654, 69.0, 21.0, None),
            "Bi-GRU4Rec": (0.1015, 0.1666, 39.0, 19.0, None),
            "Bo-GRU4Rec": (0.1039, 0.1705, 39.0, 7.0, None),
            "Bio-GRU4Rec": (0.1045, 0.1711, 9.0, 6.0, None),
        }
    },
    "ml100": {
        "": {
            "GRU4Rec": (0.0986, 0.1622, 57.0, 201.0, None),
            "Bi-GRU4Rec": (0.0988, 0.164, 35.0, 199.0, None),
            "Bo-GRU4Rec": (0.0995, 0.1627, 35.0, 74.0, None),
            "Bio-GRU4Rec": (0.1025, 0.1683, 14.0, 72.0, None),
        }
    },
}


def rows(choices: Choices) -> list[Row]:
    """What is counted, GRU4Rec in full, then each way."""
    return ways.rows(choices, PAPER, "gru4rec")
