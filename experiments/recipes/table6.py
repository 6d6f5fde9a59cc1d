"""StackRec, Table 6: what alpha is worth.

NextItNet with blocks of Eq. 3 (a learned alpha scales each residual branch)
and of Eq. 2 (none): 8 blocks on 80 % of the data, 16 on all of it.

    make reproduce-table6                              # ML20
    make reproduce-table6 DATASET=ml1m RAW=interactions.csv.gz SEEDS=0,1,2

Expected time on 2 cores with ML-1M: 3 to 7 minutes a line. Expected numbers:
the paper's, below.
"""

from collections.abc import Sequence

from experiments.recipes import rows
from experiments.recipes.rows import Row
from nextitnet_tf.recipe import Protocol

NAME = "table6"
TITLE = "With and without alpha (StackRec, Table 6)"
SETTING = rows.Setting(0.8, 1.0, 8, 16)
NAMES = ("without alpha", "with alpha")

PAPER: dict[str, rows.Figures] = {
    "ml20": {
        "without alpha": {
            "NextItNet-8": (0.0785, None, None, None),
            "NextItNet-16": (0.0832, None, None, 1.00),
            "StackC-Next-16": (0.0836, None, None, 2.21),
            "StackA-Next-16": (0.0840, None, None, 2.46),
        },
        "with alpha": {
            "NextItNet-8": (0.0797, None, None, None),
            "NextItNet-16": (0.0847, None, None, 1.00),
            "StackC-Next-16": (0.0850, None, None, 2.19),
            "StackA-Next-16": (0.0852, None, None, 2.27),
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
    maker = rows.Maker(protocol, seed, options)
    return [
        row
        for name in NAMES
        if name in names
        for row in rows.growth(
            maker,
            name,
            SETTING,
            family="NextItNet",
            stacked_family="Next",
            methods=("cross", "adjacent"),
            presets=presets,
            divide_depth=divide_depth,
            config_changes={"use_alpha": name == "with alpha"},
        )
    ]
