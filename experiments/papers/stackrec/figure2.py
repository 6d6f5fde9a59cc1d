r"""StackRec, Figure 2: how alike the outputs of the blocks are.

The observation that stacking rests on: after convergence the outputs of
neighbouring blocks are nearly the same. A cosine is taken at each position of
100 test sessions, of the D channels of two blocks' outputs, and averaged.

    make reproduce-figure2                             # ML20
    make reproduce-figure2 DATASET=ml1m RAW=interactions.csv.gz \
        SETTINGS=SASRec SEEDS=0,1,2 ARGS=--depths=4

Writes figure2-MODEL-BLOCKS.png and .json. Expected time on 2 cores with
ML-1M: 2 to 15 minutes a model, the deeper the longer; none where its run has
kept its model. Expected numbers: cosines of neighbours above 0.9 from block 2
on, block 1 unlike all others (8 blocks of NextItNet).
"""

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.reporting import figure_comparisons
from experiments.reporting.claims import Claim

NAME = "figure2"
TITLE = "How alike blocks are (StackRec, Figure 2)"
KIND = "similarity"
USES = ("settings", "depths")
DEFAULTS = {"settings": "NextItNet", "depths": "8"}
NAMES = ("NextItNet", "GRec", "SASRec")
CLAIMS = (
    Claim(
        "Blocks are alike after training",
        "Figure 2: cosine similarity of neighbouring blocks' outputs above "
        "0.9 from block 2 on; block 1 unlike all others.",
        [figure_comparisons.alike],
    ),
)


def rows(choices: Choices) -> list[Row]:
    """A model of each class and depth, from scratch on all data."""
    return [
        Row(
            family,
            "scratch",
            choices.recipe(
                choices.stage(depth),
                model=family.lower(),
                model_config=_config(choices, family),
            ),
            family=family,
        )
        for family in NAMES
        if family in choices.settings
        for depth in choices.depths
    ]


def _config(choices: Choices, family: str) -> dict[str, object]:
    """What the model is configured by: attention has no dilations."""
    config = dict(choices.options.get("model_config", {}))
    if family == "SASRec":
        config.pop("dilation_rates", None)
    return config
