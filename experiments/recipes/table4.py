"""StackRec, Table 4: what stacking must copy.

Only the embedding (StackE), the blocks with fresh ones on top (StackR), or
every block twice (StackC, StackA): 8 blocks on 60 % of the data, 16 on 80 %.

    make reproduce-table4                              # ML20
    make reproduce-table4 DATASET=ml1m RAW=interactions.csv.gz SEEDS=0,1,2

Expected time on 2 cores with ML-1M: 3 to 7 minutes a line, of which Table 2
has trained most. Expected numbers: the paper's, below.
"""

from collections.abc import Sequence

from experiments.recipes import rows
from experiments.recipes.rows import Row
from nextitnet_tf.recipe import Protocol

NAME = "table4"
TITLE = "What stacking copies (StackRec, Table 4)"
SETTING = rows.Setting(0.6, 0.8, 8, 16)
NAMES = (SETTING.name,)

PAPER: dict[str, rows.Figures] = {
    "ml20": {
        "60-80": {
            "NextItNet-16": (0.0816, None, None, 1.00),
            "StackE-Next-16": (0.0815, None, None, 1.20),
            "StackR-Next-16": (0.0807, None, None, 1.55),
            "StackC-Next-16": (0.0819, None, None, 2.05),
            "StackA-Next-16": (0.0822, None, None, 2.05),
        },
    },
    "kuaibao": {
        "60-80": {
            "NextItNet-16": (0.0642, None, None, 1.00),
            "StackE-Next-16": (0.0640, None, None, 1.15),
            "StackR-Next-16": (0.0613, None, None, 2.35),
            "StackC-Next-16": (0.0653, None, None, 2.45),
            "StackA-Next-16": (0.0658, None, None, 3.06),
        },
    },
}


def select(
    names: Sequence[str],
    protocol: Protocol,
    presets: Sequence[str] | None,
    seed: int,
    divide_depth: int = 1,
    **options,
) -> list[Row]:
    """The lines; see `table2.select`."""
    if SETTING.name not in names:
        return []
    return rows.growth(
        rows.Maker(protocol, seed, options),
        SETTING.name,
        SETTING,
        family="NextItNet",
        stacked_family="Next",
        methods=("embedding", "random", "cross", "adjacent"),
        presets=presets,
        divide_depth=divide_depth,
    )
