"""The flags of tables and figures, and what they ask of a target."""

from collections.abc import Collection
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from absl import flags

from experiments.papers.rows import Choices
from nextitnet_tf import paper_data
from nextitnet_tf import recipe
from nextitnet_tf import stacking
from nextitnet_tf.commands import flag_values
from nextitnet_tf.commands import flags as shared

# The setting of a table that trains nothing: its floors are counted.
COUNTING = "counting"
SETTINGS = flags.DEFINE_list(
    "settings",
    None,
    "Parts of the target, by default all of them. 40-60 goes from a shallow "
    "model on the first 40 % of the training data to a deep one on 60 %; "
    f"{COUNTING}, of a table, trains none of its rows.",
)
SEEDS = flags.DEFINE_list(
    "seeds", ["0"], "Everything is trained once for each seed."
)
PRESETS = flags.DEFINE_list(
    "presets",
    None,
    f"What stacking copies, of {', '.join(stacking.PRESETS)}; each has lines "
    "of its own. By default what the release copies and what is best for the "
    "model.",
)
DIVIDE_DEPTH = flags.DEFINE_integer(
    "divide_depth",
    1,
    "Trains the paper's depths divided by this, where they are too deep for "
    "the machine; labels show the depths that were trained.",
    lower_bound=1,
)
CHAIN = flags.DEFINE_boolean(
    "chain",
    False,
    "Stacks each setting upon the stacked model of the setting before, "
    "instead of upon a shallow model trained from scratch.",
)
DEPTHS = flags.DEFINE_list(
    "depths", None, "Numbers of blocks; of Figure 6 those of each stage."
)
RATIOS = flags.DEFINE_list("ratios", None, "Fractions of the training data.")
STEPS = flags.DEFINE_multi_string(
    "steps",
    None,
    "Training steps of each stage but the last, in a fixed schedule; given "
    "again, it makes a line more. The default is the release's on ML20, and "
    "1,000 each elsewhere.",
)
STAGE_PATIENCE = flags.DEFINE_list(
    "stage_patience",
    ["1"],
    "Evaluations in a row without a better one that end a stage of the "
    "schedule that decides; a line each.",
)
TABLE_ONLY = flags.DEFINE_boolean(
    "table_only", False, "Trains nothing: what is done is written down."
)
MEASURE_STEP_TIMES = flags.DEFINE_boolean(
    "measure_step_times",
    False,
    "Trains nothing: measures, on an idle machine, a training step at each "
    "depth of the settings, into OUTPUT/step_times.json.",
)
# --- of transfer -----------------------------------------------------------
TARGET_RAW = flags.DEFINE_string(
    "target_raw",
    None,
    "Csv of interactions of the target domain, by users of --raw.",
)
PAIRS = flags.DEFINE_string(
    "pairs", None, "File of `source items,,target items`, a user a line."
)
MAX_TARGETS = flags.DEFINE_integer(
    "max_targets",
    3,
    "With --target_raw: users with more target items are not cold, and left "
    "out.",
    lower_bound=1,
)
FINE_TUNING = flags.DEFINE_enum(
    "fine_tuning",
    None,
    list(recipe.FINE_TUNINGS),
    "How to fine-tune, by default as --protocol does.",
)
TUNE = flag_values.define_fields(
    recipe.FineTuning, recipe.FINE_TUNINGS, "tune_", what="the fine-tuning"
)
# What every target takes, and what some do (`USES` of a target).
EVERY_TARGET = (*shared.TRAINING, "seeds", "table_only")
# The same of a target whose recipes say all but protocol and seed themselves.
_OF_OWN_RECIPES = (
    *(*shared.DATA, "output", "protocol", *shared.FIELDS, "strategy"),
    *("seeds", "table_only"),
)


def taken_by(*targets: ModuleType) -> list[str]:
    """Names of the flags that targets take, each once."""
    found: dict[str, None] = {}
    for target in targets:
        uses = getattr(target, "USES", ())
        tuning = [flag.name for flag in TUNE.values()] if "tune" in uses else []
        is_free = not getattr(target, "HAS_OWN_RECIPES", False)
        usual = EVERY_TARGET if is_free else _OF_OWN_RECIPES
        refused = {"tune", *getattr(target, "REFUSES", ())}
        for name in (*uses, *usual, *tuning):
            if name not in refused:
                found[name] = None
    return list(found)


def apply_defaults(defaults: Mapping[str, str]) -> None:
    """Sets what nobody has said.

    Args:
        defaults: texts by the names of flags.
    """
    for name, text in defaults.items():
        flag = flags.FLAGS[name]
        if not flag.present:
            flag.parse(text)


def check(target: ModuleType, name: str, own: Collection[str] = ()) -> None:
    """Raises ValueError if flags ask for what a target has not.

    Args:
        target: its module.
        name: what it is called.
        own: flags of the command itself.
    """
    flag_values.check_used(f"Target {name}", [*own, *taken_by(target)])
    names = getattr(target, "NAMES", ())
    if target.KIND == "table":
        names = (COUNTING, *names)
    for setting in SETTINGS.value or ():
        if setting not in names:
            raise ValueError(
                f"--settings must be among {', '.join(names)}. "
                f"Received: {setting}"
            )


def seeds() -> list[int]:
    """The seeds asked for.

    Raises:
        ValueError: none, or one that is no whole number.
    """
    if not SEEDS.value:
        raise ValueError("Expected at least one seed. Received: --seeds=")
    return flag_values.whole_numbers(SEEDS)


def choices(target: ModuleType) -> Choices:
    """What the flags ask of a target, but for protocol and seed."""
    dataset = shared.dataset_name()
    depths = flag_values.whole_numbers(DEPTHS)
    schedules: list[Any] = []
    if hasattr(target, "schedule_of"):
        name = shared.DATASET.value or ""
        schedules = [target.schedule_of(name, len(depths) - 1)]
    if STEPS.value is not None:
        schedules = [
            flag_values.parse("steps", line.split(","), int)
            for line in STEPS.value
        ]
    names = list(getattr(target, "NAMES", ()))
    return Choices(
        protocol=recipe.PROTOCOLS["clean"],
        settings=names if SETTINGS.value is None else SETTINGS.value,
        presets=PRESETS.value,
        divide_depth=DIVIDE_DEPTH.value,
        chain=CHAIN.value,
        depths=depths,
        ratios=flag_values.numbers(RATIOS),
        schedules=schedules,
        patiences=flag_values.whole_numbers(STAGE_PATIENCE),
        dataset=dataset,
        is_generated=shared.is_generated(),
        figures_of=(
            dataset
            if dataset in getattr(target, "PAPER", {})
            else paper_data.comparable(dataset)
        ),
        options={
            **shared.budget(paper_data.budget(dataset)),
            **shared.recipe_options(),
        },
    )
