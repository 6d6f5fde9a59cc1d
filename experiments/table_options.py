"""The flags that the commands which write tables share."""

from absl import flags

from experiments import command
from nextitnet_tf import stacking

SEEDS = flags.DEFINE_list(
    "seeds", None, "Everything is trained once for each seed."
)
PRESETS = flags.DEFINE_list(
    "presets",
    None,
    f"What stacking copies, of {', '.join(stacking.PRESETS)}; lines of their "
    "own each (tables, transfer: release,best; from_scratch: best).",
)
DIVIDE_DEPTH = flags.DEFINE_integer(
    "divide_depth",
    1,
    "Train the paper's depths divided by this, where they are too deep for "
    "the machine; labels show the depths that were trained.",
    lower_bound=1,
)
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
