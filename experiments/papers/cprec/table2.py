r"""CpRec, Table 2: small models beside full ones.

NextItNet in full, CpRec (items and kernels stored small) with each way of
sharing kernels, older models, and what is as small in other ways: fewer
channels, rows of 8 and 4 bits.

    make reproduce-cprec-table2 DATASET=ml20
    make reproduce-cprec-table2 DATASET=ml1m RAW=interactions.csv.gz \
        PROTOCOL=clean SEEDS=0,1,2

Expected time on 2 cores with ML-1M under clean: about half an hour a line.
Expected numbers: the paper's, below.
"""

import dataclasses

from experiments.papers import counted
from experiments.papers.cprec import ways
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from experiments.reporting import stored_claims
from experiments.reporting.claims import Claim

NAME = "cprec_table2"
TITLE = "Stored small (CpRec, Table 2)"
KIND = "compressed"
USES = ("settings", "depths")
NAMES = ("counting", "baselines", "full", *ways.SHARING, "rivals")
DEFAULTS = ways.DEFAULTS
CLAIMS = (
    Claim(
        "CpRec is four to eight times smaller, faster and no worse",
        "Table 2 (ML20): 62 M parameters against 13 to 15 M, MRR@5 0.1057 "
        "against 0.1011 (Cl) to 0.1063 (Ab), inference 2.4 times faster, "
        "training in 62 % of the time.",
        [stored_claims.against_full],
        answers="compression",
    ),
)
# MRR@5, HR@5, million parameters, minutes of training, speed-up of
# inference.
PAPER: TableFigures = {
    "weishi": {
        "": {
            "MostPop": (0.005, 0.0187, None, None, None),
            "GRU4Rec": (0.1008, 0.1654, None, None, None),
            "Caser": (0.091, 0.1497, None, None, None),
            "NextItNet": (0.1053, 0.1721, 74.0, 27.0, 1.0),
            "CpRec-Cl": (0.1043, 0.1705, 9.0, 12.0, 2.8),
            "CpRec-Cb": (0.1071, 0.1736, 9.0, 12.0, 2.8),
            "CpRec-Al": (0.1056, 0.1719, 11.0, 12.0, 2.8),
            "CpRec-Ab": (0.1069, 0.1742, 11.0, 12.0, 2.8),
        }
    },
    "ml20": {
        "": {
            "MostPop": (0.0044, 0.0134, None, None, None),
            "GRU4Rec": (0.0946, 0.1583, None, None, None),
            "Caser": (0.0922, 0.1511, None, None, None),
            "NextItNet": (0.1057, 0.1755, 62.0, 104.0, 1.0),
            "CpRec-Cl": (0.1011, 0.1689, 13.0, 64.0, 2.4),
            "CpRec-Cb": (0.1049, 0.1747, 14.0, 64.0, 2.4),
            "CpRec-Al": (0.104, 0.1729, 15.0, 64.0, 2.4),
            "CpRec-Ab": (0.1063, 0.1765, 15.0, 64.0, 2.4),
        }
    },
    "tiktok": {
        "": {
            "MostPop": (0.0006, 0.0017, None, None, None),
            "GRU4Rec": (0.011, 0.023, None, None, None),
            "Caser": (0.0074, 0.0146, None, None, None),
            "NextItNet": (0.012, 0.0242, 539.0, 300.0, 1.0),
            "CpRec-Cl": (0.013, 0.0255, 66.0, 64.0, 9.4),
            "CpRec-Cb": (0.0133, 0.0269, 67.0, 64.0, 9.4),
            "CpRec-Al": (0.013, 0.0262, 72.0, 64.0, 9.4),
            "CpRec-Ab": (0.0129, 0.0254, 72.0, 64.0, 9.4),
        }
    },
    "ml100": {
        "": {
            "MostPop": (0.004, 0.0124, None, None, None),
            "GRU4Rec": (0.0986, 0.1622, None, None, None),
            "Caser": (0.0941, 0.1549, None, None, None),
            "NextItNet": (0.109, 0.1781, 80.0, 489.0, 1.0),
            "CpRec-Cl": (0.102, 0.1674, 13.0, 400.0, 1.5),
            "CpRec-Cb": (0.107, 0.1761, 13.0, 400.0, 1.5),
            "CpRec-Al": (0.1076, 0.176, 25.0, 400.0, 1.5),
            "CpRec-Ab": (0.1111, 0.1819, 25.0, 400.0, 1.5),
        }
    },
}


def rows(choices: Choices) -> list[Row]:
    """What is counted, older models, NextItNet in full, then what is small."""
    full = ways.row(choices, "full", figures=PAPER)
    found = counted.tried_rows(choices)
    if "baselines" in choices.settings:
        found += [
            ways.row(choices, "baselines", model=model, figures=PAPER)
            for model in ("caser", "gru4rec")
        ]
    if "full" in choices.settings:
        found.append(full)
    found += [
        ways.row(
            choices,
            name,
            f"Bio-{name}",
            f"CpRec-{name}",
            figures=PAPER,
            compared_with=full,
        )
        for name in ways.SHARING
        if name in choices.settings
    ]
    if "rivals" in choices.settings:
        found += rivals(choices, full)
    return found


def rivals(choices: Choices, full: Row) -> list[Row]:
    """What is as small as CpRec-Ab by other means."""
    sizes = choices.num_items, choices.depths[0]
    budget = ways.num_parameters(*sizes, choices.embedding_dim, "Bio-Ab")
    narrow = ways.row(
        choices,
        "rivals",
        embedding_dim=ways.width_within(*sizes, budget),
        compared_with=full,
    )
    note = f"width {narrow.recipe.model_config['embedding_dim']}"
    return [
        dataclasses.replace(narrow, note=note),
        *(
            dataclasses.replace(
                full, setting="rivals", served_as=bits, compared_with=full
            )
            for bits in ("int8", "int4")
        ),
    ]
