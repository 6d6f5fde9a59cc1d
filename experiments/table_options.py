"""The flags that the commands which write tables share."""

from collections.abc import Sequence

from absl import flags

from experiments import command
from experiments.recipes import table2
from experiments.recipes import table4
from experiments.recipes import table5
from experiments.recipes import table6
from experiments.recipes import table7
from nextitnet_tf import stacking

TABLES = {"2": table2, "4": table4, "5": table5, "6": table6, "7": table7}

SETTINGS = flags.DEFINE_list(
    "settings",
    None,
    "Parts of the table (all): "
    + "; ".join(
        f"of table {number} {', '.join(table.NAMES)}"
        for number, table in TABLES.items()
    )
    + ". 40-60 goes from a shallow model on the first 40 % of the training "
    "data to a deep one on 60 %.",
)
SEEDS = flags.DEFINE_list(
    "seeds", None, "Everything is trained once for each seed."
)
PRESETS = flags.DEFINE_list(
    "presets",
    None,
    f"What stacking copies, of {', '.join(stacking.PRESETS)}; lines of their "
    "own each (tables, transfer: release,best, of Transformers release,paper; "
    "from_scratch: best).",
)
DIVIDE_DEPTH = flags.DEFINE_integer(
    "divide_depth",
    1,
    "Train the paper's depths divided by this, where they are too deep for "
    "the machine; labels show the depths that were trained.",
    lower_bound=1,
)
DEPTHS = flags.DEFINE_list(
    "depths",
    None,
    "Numbers of blocks; of from_scratch those of each stage (the paper's).",
)
RESULTS = flags.DEFINE_string("results", "results", "Folder of all results.")
TABLE_ONLY = flags.DEFINE_boolean(
    "table_only", False, "Train nothing: write what is done."
)


def seeds(default: list[int]) -> list[int]:
    """The seeds asked for.

    Args:
        default: if no flag says.

    Raises:
        ValueError: none, or one that is no whole number.
    """
    if SEEDS.value is None:
        return default
    if not SEEDS.value:
        raise ValueError("Expected at least one seed. Received: --seeds=")
    return [command.whole_number("seeds", seed) for seed in SEEDS.value]


def presets(default: list[str]) -> list[str]:
    """The presets of stacking asked for.

    Args:
        default: if no flag says.
    """
    return default if PRESETS.value is None else PRESETS.value


def depths(default: Sequence[int]) -> list[int]:
    """The numbers of blocks asked for.

    Args:
        default: if no flag says.
    """
    if DEPTHS.value is None:
        return list(default)
    return [command.whole_number("depths", depth) for depth in DEPTHS.value]
