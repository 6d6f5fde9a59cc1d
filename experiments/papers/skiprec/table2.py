r"""SkipRec, Table 2: blocks that a policy leaves out.

NextItNet with alpha (NextItNet+), all of whose blocks run, and a policy that
decides for each user which of them do: trained by Gumbel draws or by
reinforcement, from the start or upon a trained backbone (w/ pre); beside them
older models and NextItNet without alpha.

    make reproduce-skiprec-table2 DATASET=ml20
    make reproduce-skiprec-table2 DATASET=deep SEEDS=0,1,2 ARGS=--depths=16

Expected time on 2 cores with `deep` and 16 blocks: six minutes a stage, three
times that by reinforcement. Expected numbers: the paper's, below.
"""

from experiments.papers.cprec import ways
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from experiments.papers.skiprec import lines
from experiments.reporting import stored_claims
from experiments.reporting.claims import Claim

NAME = "skiprec_table2"
TITLE = "Blocks left out (SkipRec, Table 2)"
KIND = "compressed"
USES = ("settings", "depths")
LINES = {
    "gumbel": ("SkipRec-Gumbel", lines.GUMBEL, False),
    "gumbel-pre": ("Gumbel w/ pre", lines.GUMBEL, True),
    "rl": ("SkipRec-RL", lines.REINFORCE, False),
    "rl-pre": ("RL w/ pre", lines.REINFORCE, True),
}
NAMES = (lines.COUNTING, "baselines", lines.FULL, *LINES)
DEFAULTS = lines.DEFAULTS
CLAIMS = (
    Claim(
        "A policy is as good with fewer blocks, and better upon a trained "
        "backbone",
        "Table 2 (ML20): MRR@5 0.1067 with all blocks, 0.1091 (Gumbel) and "
        "0.1104 (w/ pre) at 1.9 and 1.7 times the speed, 0.1087 and 0.1101 by "
        "reinforcement at 2.3 times.",
        [stored_claims.against_full],
    ),
)
# MRR@5, HR@5, speed-up of inference.
PAPER: TableFigures = {
    "weishi": {
        "": {
            "MostPop": (0.005, 0.0187, None, None, None),
            "NFM": (0.0734, 0.1307, None, None, None),
            "GRU4Rec": (0.1001, 0.1649, None, None, None),
            "Caser": (0.0911, 0.1498, None, None, None),
            "NextItNet": (0.1025, 0.1669, None, None, None),
            "NextItNet+": (0.1091, 0.1767, None, None, 1.0),
            "SkipRec-Gumbel": (0.1105, 0.1796, None, None, 1.66),
            "Gumbel w/ pre": (0.1121, 0.1826, None, None, 1.74),
            "SkipRec-RL": (0.1098, 0.1788, None, None, 2.0),
            "RL w/ pre": (0.1117, 0.1813, None, None, 2.01),
        }
    },
    "ml20": {
        "": {
            "MostPop": (0.0044, 0.0134, None, None, None),
            "NFM": (0.0483, 0.0856, None, None, None),
            "GRU4Rec": (0.0938, 0.1577, None, None, None),
            "Caser": (0.0915, 0.1509, None, None, None),
            "NextItNet": (0.1019, 0.1686, None, None, None),
            "NextItNet+": (0.1067, 0.1784, None, None, 1.0),
            "SkipRec-Gumbel": (0.1091, 0.1783, None, None, 1.92),
            "Gumbel w/ pre": (0.1104, 0.18, None, None, 1.72),
            "SkipRec-RL": (0.1087, 0.1773, None, None, 2.28),
            "RL w/ pre": (0.1101, 0.1793, None, None, 2.3),
        }
    },
    "ml100": {
        "": {
            "MostPop": (0.004, 0.0124, None, None, None),
            "NFM": (0.0341, 0.0573, None, None, None),
            "GRU4Rec": (0.0973, 0.1611, None, None, None),
            "Caser": (0.0927, 0.1505, None, None, None),
            "NextItNet": (0.1073, 0.1752, None, None, None),
            "NextItNet+": (0.1117, 0.1819, None, None, 1.0),
            "SkipRec-Gumbel": (0.1122, 0.1827, None, None, 1.35),
            "Gumbel w/ pre": (0.1147, 0.1862, None, None, 1.3),
            "SkipRec-RL": (0.1111, 0.1799, None, None, 2.08),
            "RL w/ pre": (0.1136, 0.1852, None, None, 2.03),
        }
    },
}


def rows(choices: Choices) -> list[Row]:
    """What is counted, older models, all blocks, then each policy."""
    counted, rest = [], lines.rows(choices, PAPER, LINES)
    while rest and rest[0].setting == lines.COUNTING:
        counted.append(rest.pop(0))
    if "baselines" not in choices.settings:
        return counted + rest
    older = [
        ways.row(choices, "baselines", model=model, figures=PAPER)
        for model in ("nfm", "gru4rec", "caser")
    ]
    plain = lines.row(
        choices,
        "baselines",
        "NextItNet",
        config={"use_alpha": False},
        figures=PAPER,
    )
    return [*counted, *older, plain, *rest]
