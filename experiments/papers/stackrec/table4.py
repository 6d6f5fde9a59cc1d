"""StackRec, Table 4: what stacking must copy.

Only the embedding (StackE), the blocks with fresh ones on top (StackR), or
every block twice (StackC, StackA): 8 blocks on 60 % of the data, 16 on 80 %.

    make reproduce-table4                              # ML20
    make reproduce-table4 DATASET=ml1m RAW=interactions.csv.gz SEEDS=0,1,2

Expected time on 2 cores with ML-1M: 3 to 7 minutes a line, of which Table 2
has trained most. Expected numbers: the paper's, below.
"""

from experiments.papers.growth import Growth
from experiments.papers.growth import Setting
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from experiments.reporting import comparisons
from experiments.reporting.claims import Claim

NAME = "table4"
TITLE = "What stacking copies (StackRec, Table 4)"
KIND = "table"
USES = ("presets", "settings", "divide_depth", "measure_step_times")
DEFAULTS = {"presets": "release,paper,best"}
SETTING = Setting(0.6, 0.8, 8, 16)
NAMES = (SETTING.name,)

PAPER: TableFigures = {
    "ml20": {
        "60-80": {
            "scratch": (0.0816, None, None, 1.00),
            "embedding": (0.0815, None, None, 1.20),
            "random": (0.0807, None, None, 1.55),
            "cross": (0.0819, None, None, 2.05),
            "adjacent": (0.0822, None, None, 2.05),
        },
    },
    "kuaibao": {
        "60-80": {
            "scratch": (0.0642, None, None, 1.00),
            "embedding": (0.0640, None, None, 1.15),
            "random": (0.0613, None, None, 2.35),
            "cross": (0.0653, None, None, 2.45),
            "adjacent": (0.0658, None, None, 3.06),
        },
    },
}
CLAIMS = (
    Claim(
        "StackA and StackC beat StackR and StackE",
        "Table 4: 2.05x, against 1.20x (StackE) and 1.55x (StackR), which "
        "end below the model from scratch.",
        [comparisons.against_scratch, comparisons.seed_by_seed],
        about={"role": "stacked"},
    ),
)


def rows(choices: Choices) -> list[Row]:
    """The lines of the one setting, if it is asked for."""
    if SETTING.name not in choices.settings:
        return []
    return Growth(
        SETTING.name,
        SETTING,
        methods=("embedding", "random", "cross", "adjacent"),
        figures=choices.figures(PAPER, SETTING.name),
    ).rows(choices)
