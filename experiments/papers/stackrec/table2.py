"""StackRec, Table 2: continual learning on ML20.

The training data grow: a shallow model was trained on an earlier fraction;
now there are more data and a deeper model is wanted. Train it from scratch,
go on with the shallow one, or stack?

    make reproduce-table2                              # ML20, downloads it
    make reproduce-table2 DATASET=ml1m RAW=interactions.csv.gz

Expected time on 2 cores with ML-1M: about 50 minutes for setting 40-60,
twice that for 60-80; ML20 wants a GPU. Expected numbers: the paper's, below
(MRR@5, HR@5, NDCG@5, speed-up; ML20, t = 20, 24 K items, 64 channels).

A machine without a GPU trains a fraction of the paper's depths:
ARGS=--divide_depth=2.

The paper trained on a 2018 `ml-latest` extract of 27.5 M actions that cannot
be had any more; `ml20` here is ml-20m, 20,000,263 ratings.
"""

import functools
from collections.abc import Sequence

from experiments.papers.growth import Growth
from experiments.papers.growth import Setting
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from experiments.reporting import comparisons
from experiments.reporting.claims import Claim
from nextitnet_tf.models import MODELS
from nextitnet_tf.recipe import Stage

NAME = "table"
TITLE = "Continual learning (StackRec, Table 2)"
KIND = "table"
USES = ("presets", "settings", "chain", "divide_depth", "measure_step_times")
DEFAULTS = {"presets": "release,paper,best"}

PAPER: TableFigures = {
    "ml20": {
        "100-100": {
            "MostPop": (0.0062, 0.0182, 0.0092, None),
            "NFM": (0.0360, 0.0665, 0.0435, None),
            "Caser": (0.0762, 0.1291, 0.0892, None),
            "GRU4Rec": (0.0786, 0.1357, 0.0929, None),
            "SNextItNet": (0.0838, 0.1431, 0.0984, None),
            "NextItNet": (0.0866, 0.1473, 0.1017, None),
        },
        "40-60": {
            "shallow": (0.0703, 0.1209, 0.0827, None),
            "scratch": (0.0757, 0.1288, 0.0889, 1.00),
            "continued": (0.0710, 0.1218, 0.0835, None),
            "cross": (0.0762, 0.1306, 0.0896, 2.50),
            "adjacent": (0.0766, 0.1306, 0.0899, 2.50),
        },
        "60-80": {
            "shallow": (0.0757, 0.1288, 0.0889, None),
            "scratch": (0.0816, 0.1379, 0.0955, 1.00),
            "continued": (0.0766, 0.1310, 0.0901, None),
            "cross": (0.0819, 0.1391, 0.0961, 2.05),
            "adjacent": (0.0822, 0.1402, 0.0965, 2.05),
        },
        "80-100": {
            "shallow": (0.0816, 0.1379, 0.0955, None),
            "scratch": (0.0866, 0.1473, 0.1017, 1.00),
            "continued": (0.0820, 0.1400, 0.0963, None),
            "cross": (0.0869, 0.1479, 0.1020, 3.21),
            "adjacent": (0.0872, 0.1480, 0.1022, 3.21),
        },
    },
    "kuaibao": {
        "100-100": {
            "MostPop": (0.0055, 0.0175, 0.0084, None),
            "NFM": (0.0301, 0.0578, 0.0369, None),
            "Caser": (0.0628, 0.1069, 0.0737, None),
            "GRU4Rec": (0.0634, 0.1074, 0.0744, None),
            "SNextItNet": (0.0667, 0.1096, 0.0772, None),
            "NextItNet": (0.0694, 0.1120, 0.0797, None),
        },
        "40-60": {
            "shallow": (0.0525, 0.0916, 0.0621, None),
            "scratch": (0.0558, 0.0974, 0.0660, 1.00),
            "continued": (0.0515, 0.0913, 0.0613, None),
            "cross": (0.0578, 0.0997, 0.0682, 2.45),
            "adjacent": (0.0581, 0.0997, 0.0683, 2.45),
        },
        "60-80": {
            "shallow": (0.0558, 0.0974, 0.0660, None),
            "scratch": (0.0642, 0.1060, 0.0746, 1.00),
            "continued": (0.0557, 0.0979, 0.0661, None),
            "cross": (0.0653, 0.1082, 0.0759, 2.45),
            "adjacent": (0.0658, 0.1083, 0.0763, 3.06),
        },
        "80-100": {
            "shallow": (0.0642, 0.1060, 0.0746, None),
            "scratch": (0.0694, 0.1120, 0.0797, 1.00),
            "continued": (0.0638, 0.1065, 0.0744, None),
            "cross": (0.0701, 0.1132, 0.0807, 2.71),
            "adjacent": (0.0708, 0.1139, 0.0814, 3.29),
        },
    },
}

SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(0.4, 0.6, 4, 8),
        Setting(0.6, 0.8, 8, 16),
        Setting(0.8, 1.0, 16, 32),
    )
}
# The models that are trained once, on all data.
BASELINES = "100-100"
NAMES = (BASELINES, *SETTINGS)
_BASELINES = ("nfm", "caser", "gru4rec")
_BASELINE_DEPTH = 32
# Not in the paper's table: SASRec as its own authors have it, and the same with
# an output of its own, because theirs ranks items of the history high, which
# they never count.
_SASREC = {"variant": "original", "use_alpha": False, "dropout_rate": 0.2}
_SASRECS = {
    "its authors'": {},
    "its authors', untied": {"tie_output": False},
}
CLAIMS = (
    Claim(
        "Deeper models are better when there are more data",
        "Table 2: MRR@5 0.0703, 0.0757, 0.0816, 0.0866 with 4, 8, 16, 32 "
        "blocks on 40, 60, 80, 100 % of ML20.",
        [
            functools.partial(
                comparisons.rises,
                steps=((4, 0.4), (8, 0.6), (16, 0.8), (32, 1.0)),
            )
        ],
        about={
            "role": ("shallow", "scratch"),
            "recommender": "nextitnet",
        },
    ),
    Claim(
        "Stacked models get as good as the deep model from scratch, 2 to 3 "
        "times sooner",
        "Table 2: StackA and StackC are a little better than from scratch "
        "in all settings, in 1/2.05 to 1/3.21 of the time.",
        [comparisons.against_scratch],
        about={"role": "stacked"},
        answers="stacking",
    ),
    Claim(
        "Going on with the shallow model is not enough",
        "Table 2: CL-NextItNet gains 0.0004 to 0.0009 over the shallow "
        "model and stays 0.0046 to 0.0050 below the deep one.",
        [comparisons.short_of_scratch],
        about={"role": "continued"},
    ),
    Claim(
        "Deep models beat the baselines",
        "Table 2, all data: MostPop 0.0062 < NFM 0.0360 < Caser 0.0762 < "
        "GRU4Rec 0.0786 < SNextItNet-32 0.0838 < NextItNet-32 0.0866. "
        "SASRec as its authors have it is not in it.",
        [comparisons.in_order],
        about={"role": "baseline"},
    ),
)


def rows(choices: Choices) -> list[Row]:
    """MostPop, the baselines, then the lines of each setting."""
    settings = [s for s in SETTINGS.values() if s.name in choices.settings]
    is_wanted = BASELINES in choices.settings
    return [
        _counted(choices),
        *(_baselines(choices) if is_wanted else []),
        *grown(choices, settings),
    ]


def grown(choices: Choices, settings: Sequence[Setting]) -> list[Row]:
    """Each setting's shallow and scratch models, then the stacked ones.

    Args:
        choices: what was asked for; of a chain, each setting is stacked upon
            the stacked model of the one before.
        settings: in order.
    """
    found: list[Row] = []
    before: dict[tuple[str, str], tuple[Stage, ...]] = {}
    for setting in settings:
        figures = choices.figures(PAPER, setting.name)
        growth = Growth(
            setting.name,
            setting,
            methods=("adjacent", "cross"),
            figures=figures,
            shows_ratio=True,
        )
        of_setting = growth.rows(choices, before)
        if choices.chain:
            before |= {
                (row.method, row.preset): row.recipe.stages
                for row in of_setting
                if row.method
            }
        small = setting.divided(choices.divide_depth)
        shallow, scratch, *_ = of_setting
        continued = Row(
            setting.name,
            "continued",
            choices.recipe(
                shallow.last,
                choices.stage(
                    small.num_blocks, setting.ratio_after, method="continue"
                ),
            ),
            figures.get("continued"),
            compared_with=scratch,
        )
        found += [*of_setting, continued]
    return found


def _counted(choices: Choices) -> Row:
    """MostPop, which every table has."""
    return Row(
        BASELINES,
        "baseline",
        choices.recipe(choices.stage(1), model="most_pop", model_config={}),
        choices.figures(PAPER, BASELINES).get("MostPop"),
    )


def _baselines(choices: Choices) -> list[Row]:
    figures = choices.figures(PAPER, BASELINES)
    width = {"embedding_dim": choices.embedding_dim}
    found = [
        Row(
            BASELINES,
            "baseline",
            choices.recipe(choices.stage(1), model=model, model_config=width),
            figures.get(MODELS[model].__name__),
        )
        for model in _BASELINES
    ]
    found += [
        Row(
            BASELINES,
            "baseline",
            choices.recipe(
                choices.stage(2),
                model="sasrec",
                model_config={**width, **_SASREC, **changes},
            ),
            note=note,
        )
        for note, changes in _SASRECS.items()
    ]
    if _BASELINE_DEPTH % choices.divide_depth:
        return found
    stage = choices.stage(_BASELINE_DEPTH // choices.divide_depth)
    without_alpha = Row(
        BASELINES,
        "baseline",
        choices.recipe(stage, config_changes={"use_alpha": False}),
        figures.get("SNextItNet"),
        "SNextItNet",
    )
    deep = Row(
        BASELINES,
        "baseline",
        choices.recipe(stage),
        figures.get("NextItNet"),
        without_alpha=without_alpha,
    )
    return [*found, without_alpha, deep]
