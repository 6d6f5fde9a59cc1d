"""The flags that say what a model is: its class, its depth, its arguments."""

import sys
from typing import Any

from absl import flags

from experiments import flag_values
from experiments import flags as shared
from nextitnet_tf.models import MODELS
from nextitnet_tf.models.sasrec import BLOCKS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.stacking import METHODS
from nextitnet_tf.stacking import PRESETS

# The models that are trained; others are counted.
_TRAINED = {
    name: of_name
    for name, of_name in MODELS.items()
    if not hasattr(of_name, "adapt")
}


def _in_short(of_class: type) -> str:
    """What a model is, by the head of its module ("Name: what it is.")."""
    head = (sys.modules[of_class.__module__].__doc__ or "").split("\n", 1)[0]
    return head.partition(": ")[2].rstrip(".")


NUM_BLOCKS = flags.DEFINE_list(
    "num_blocks",
    ["2", "4", "8"],
    "Depths, from the first stage to the last.",
)
METHOD = flags.DEFINE_enum(
    "method", "adjacent", list(METHODS), "How blocks are stacked."
)
PRESET = flags.DEFINE_enum(
    "preset",
    None,
    list(PRESETS),
    "What stacking copies. The default is what is best for the model: all but "
    "alpha; of sasrec and ssept everything (paper).",
)
MODEL = flags.DEFINE_enum(
    "model",
    "nextitnet",
    list(_TRAINED),
    "; ".join(
        f"{name}: {_in_short(of_name)}" for name, of_name in _TRAINED.items()
    )
    + ". ssept needs --split=rows under protocol clean.",
)
VARIANT = flags.DEFINE_enum(
    "variant",
    None,
    ["stackrec", "original"],
    "For grec, sasrec and ssept: as in StackRec's release (the default), or as "
    "in the model's own paper, without alpha unless --use_alpha says so.",
)
TIE_OUTPUT = flags.DEFINE_boolean(
    "tie_output",
    None,
    "For sasrec and ssept: scores items by the item embedding itself. The "
    "default is to do so with --variant=original only. It ranks the items of "
    "a history high: evaluate with --exclude_seen.",
)
BLOCK = flags.DEFINE_enum(
    "block",
    None,
    list(BLOCKS),
    "For sasrec and ssept: the residual block, transformer by default; gated "
    "multiplies what each branch adds by a gate of the block's input.",
)
MASK_FRACTION = flags.DEFINE_float(
    "mask_fraction",
    None,
    "For grec: share of a session that is masked; the default is 0.2.",
)
NUM_HEADS = flags.DEFINE_integer(
    "num_heads",
    None,
    "For sasrec and ssept: attention heads; the default is 1.",
    lower_bound=1,
)
DROPOUT_RATE = flags.DEFINE_float(
    "dropout_rate",
    None,
    "For all but nextitnet and grec: share of values that is dropped. The "
    "default of sasrec and ssept is 0 (their authors take 0.2 to 0.5), of "
    "gru4rec 0, of caser 0.5, of nfm 0.2.",
    lower_bound=0.0,
    upper_bound=0.99,
)
SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of initial weights and of the order of rows."
)


def recipe() -> Recipe:
    """What the flags ask to be trained.

    Raises:
        ValueError: flags of another model.
    """
    options = shared.recipe_options()
    options["model_config"] = _model_config(options["model_config"])
    return Recipe(
        stages=tuple(
            Stage(
                depth,
                method=METHOD.value if i else None,
                preset=PRESET.value,
                **shared.budget(),
            )
            for i, depth in enumerate(_depths())
        ),
        protocol=shared.protocol(),
        model=MODEL.value,
        seed=SEED.value,
        **options,
    )


def has_blocks(model: str) -> bool:
    """Whether a model, by its name, has a depth."""
    return "num_blocks" in MODELS[model].arguments()


def _depths() -> list[int]:
    if has_blocks(MODEL.value):
        return flag_values.whole_numbers(NUM_BLOCKS)
    if NUM_BLOCKS.present:
        raise ValueError(
            f"--model={MODEL.value} has no blocks. "
            f"Received: --num_blocks={','.join(NUM_BLOCKS.value)}"
        )
    return [1]


def _model_config(common: dict[str, Any]) -> dict[str, Any]:
    """What the flags say of the model, and of it alone."""
    own = (
        *(VARIANT, BLOCK, TIE_OUTPUT),
        *(MASK_FRACTION, NUM_HEADS, DROPOUT_RATE),
    )
    config = {**common, **flag_values.given({flag.name: flag for flag in own})}
    if VARIANT.value == "original" and not shared.USE_ALPHA.present:
        config["use_alpha"] = False
    arguments = _TRAINED[MODEL.value].arguments()
    names = [*common, *(flag.name for flag in own)]
    known = [n for n in names if n == "dtype" or n in arguments]
    for name in set(config) - set(known):
        if flags.FLAGS[name].present:
            raise ValueError(
                f"--model={MODEL.value} is configured by "
                f"{', '.join(f'--{flag}' for flag in known)}. "
                f"Received: --{name}={flags.FLAGS[name].value}"
            )
    return {name: config[name] for name in known if name in config}
