r"""StackRec, Figure 1: accuracy by depth, with little and with all data.

NextItNet of several depths, each from scratch on 40 % and on 100 % of the
training data. The paper's point: with more data deeper models pay.

    make reproduce-figure1                             # ML20
    make reproduce-figure1 DATASET=ml1m RAW=interactions.csv.gz \
        ARGS=--depths=2,4,8,16

Expected time on 2 cores with ML-1M: 2 to 15 minutes a point, the deeper the
longer. Expected numbers: the figure itself has none; of Table 2, 0.0703 with
4 blocks on 40 % and 0.0866 with 32 on 100 % of ML20.
"""

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.reporting import figure_comparisons
from experiments.reporting.claims import Claim

NAME = "figure1"
TITLE = "Accuracy by depth (StackRec, Figure 1)"
KIND = "by_depth"
USES = ("depths", "ratios")
DEFAULTS = {"depths": "4,8,16,32", "ratios": "0.4,1.0"}
CLAIMS = (
    Claim(
        "More data call for deeper models",
        "Figure 1, is about 40 and 100 % of ML20; it gives no numbers.",
        [figure_comparisons.by_depth],
    ),
)


def rows(choices: Choices) -> list[Row]:
    """One row a depth and fraction of the data, the cheapest first."""
    return [
        Row(
            f"{ratio:.0%}",
            "scratch",
            choices.recipe(choices.stage(depth, ratio)),
        )
        for depth in sorted(choices.depths)
        for ratio in sorted(choices.ratios)
    ]
