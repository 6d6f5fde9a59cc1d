r"""StackRec, Table 5: growth short of doubling.

32 blocks on 80 % of the data, 48 on all of it: the top 16 blocks are doubled.

    make reproduce-table5 DATASET=kuaibao RAW=kuaibao.csv
    make reproduce-table5 DATASET=ml1m RAW=interactions.csv.gz \
        ARGS=--divide_depth=8

Expected time on 2 cores with ML-1M: hours at the paper's depths, 2 to 4
minutes a line at an eighth of them (4, 6, 8 blocks). Expected numbers: the
paper's, below, which has this table for Kuaibao only.
"""

from collections.abc import Sequence

from experiments.recipes import rows
from experiments.recipes.rows import Row
from nextitnet_tf.recipe import Protocol

NAME = "table5"
TITLE = "Growth short of doubling (StackRec, Table 5)"
SETTING = rows.Setting(0.8, 1.0, 32, 48)
_DOUBLE = 64
NAMES = (SETTING.name,)

PAPER: dict[str, rows.Figures] = {
    "kuaibao": {
        "80-100": {
            "NextItNet-32": (0.0669, 0.1093, 0.0773, None),
            "NextItNet-48": (0.0703, 0.1133, 0.0809, 1.00),
            "NextItNet-64": (0.0709, 0.1140, 0.0815, 1.00),
            "StackC-Next-48": (0.0719, 0.1146, 0.0824, 2.41),
            "StackA-Next-48": (0.0725, 0.1151, 0.0830, 2.41),
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
    maker = rows.Maker(protocol, seed, options)
    found = rows.growth(
        maker,
        SETTING.name,
        SETTING,
        family="NextItNet",
        stacked_family="Next",
        methods=("cross", "adjacent"),
        presets=presets,
        divide_depth=divide_depth,
    )
    depth = _DOUBLE // divide_depth
    found.insert(
        2,
        Row(
            SETTING.name,
            f"NextItNet-{depth}",
            "scratch",
            maker.recipe(maker.stage(depth, 1.0)),
            f"NextItNet-{_DOUBLE}",
        ),
    )
    return found
