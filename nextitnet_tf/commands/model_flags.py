"""The flags that say what a model is: its class, its depth, its arguments."""

import sys
from typing import Any

from absl import flags

from nextitnet_tf import paper_data
from nextitnet_tf.commands import flag_values
from nextitnet_tf.commands import flags as shared
from nextitnet_tf.compression import AUTO
from nextitnet_tf.layers.skip_policy import POLICIES
from nextitnet_tf.models import COUNTED
from nextitnet_tf.models import MODELS
from nextitnet_tf.models.sasrec import BLOCKS
from nextitnet_tf.models.skip_rec import OBJECTIVES
from nextitnet_tf.protocol import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.stacking import METHODS
from nextitnet_tf.stacking import PRESETS
from nextitnet_tf.training.trained import USUAL_DEPTHS
from nextitnet_tf.training.trained import has_blocks
from nextitnet_tf.training.trained import recipe_for
from nextitnet_tf.tuned import TUNED
from nextitnet_tf.tuned import TUNED_PROTOCOLS

# The models that are trained; others are counted.
_TRAINED = {n: model for n, model in MODELS.items() if n not in COUNTED}


def _in_short(of_class: type) -> str:
    """What a model is, by the head of its module ("Name: what it is.")."""
    head = (sys.modules[of_class.__module__].__doc__ or "").split("\n", 1)[0]
    return head.partition(": ")[2].rstrip(".")


NUM_BLOCKS = flags.DEFINE_list(
    "num_blocks",
    None,
    "Depths, from the first stage to the last. The default is the depth that "
    "the model was tuned with, under protocol clean ("
    + ", ".join(
        f"{name} {recipe.stages[0].num_blocks}"
        for name, recipe in TUNED.items()
        if recipe.model in _TRAINED
    )
    + f"), else {','.join(map(str, USUAL_DEPTHS))}.",
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
    "For all but caser and nfm: scores items by the item embedding itself, as "
    "sasrec and ssept do by default with --variant=original. It ranks the "
    "items of a history high: evaluate with --exclude_seen.",
)
COMPRESSION = flags.DEFINE_enum(
    "compression",
    None,
    [AUTO],
    "For all but caser and nfm: stores the model small, as CpRec does. auto "
    "gives the items of three clusters (a fifth; a fifth of the rest; the "
    "rest) vectors of full, a quarter and a sixteenth of the width, at both "
    "ends of the model, and two blocks that follow each other one kernel. The "
    "default is to store everything in full.",
)
SKIP_POLICY = flags.DEFINE_enum(
    "skip_policy",
    None,
    list(POLICIES),
    "For nextitnet and sasrec: a policy decides for each history which blocks "
    "run, as SkipRec's does, and is trained with the model. The default is to "
    "run them all.",
)
SKIP_OBJECTIVE = flags.DEFINE_enum(
    "skip_objective",
    None,
    list(OBJECTIVES),
    "With --skip_policy: how the policy is trained; the default is gumbel.",
)
SKIP_BLOCK_COST = flags.DEFINE_float(
    "skip_block_cost",
    None,
    "With --skip_policy: what running all blocks adds to the loss; the larger, "
    "the fewer run. The default is nothing.",
    lower_bound=0.0,
)
BLOCK = flags.DEFINE_enum(
    "block",
    None,
    list(BLOCKS),
    "For sasrec and ssept: the residual block, transformer by default; gated "
    "multiplies what each branch adds by a gate of the block's input; plus "
    "makes sasrec SASRec+, SkipRec's Transformer.",
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
    "For all but grec: share of values that is dropped in training. The "
    "default of nextitnet, sasrec and gru4rec is what was tuned (under "
    "protocol release 0), of ssept 0, of caser 0.5, of nfm 0.2.",
    lower_bound=0.0,
    upper_bound=0.99,
)
EMBEDDING_DROPOUT_RATE = flags.DEFINE_float(
    "embedding_dropout_rate",
    None,
    "For gru4rec: share of the items' vectors that is dropped in training.",
    lower_bound=0.0,
    upper_bound=0.99,
)
SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of initial weights and of the order of rows."
)


def recipe() -> Recipe:
    """What the flags ask to be trained.

    What no flag says is what `nextitnet_tf.tuned` has of the model, if it has
    something and the protocol is `clean`; else the defaults of the flags.

    Raises:
        ValueError: flags of another model.
    """
    tuned = TUNED.get(MODEL.value)
    of_flags = shared.recipe_options()
    config = of_flags.pop("model_config")
    is_tuned = tuned is not None and shared.PROTOCOL.value == ["clean"]
    protocol = shared.protocol(TUNED_PROTOCOLS if is_tuned else PROTOCOLS)
    options = {**of_flags, **shared.budget(None if is_tuned else {})}
    if is_tuned:
        # What a flag or the data set says; the rest is what was tuned.
        data_set = shared.DATASET.value or ""
        plain, known = map(paper_data.recipe_options, ("", data_set))
        is_usual = known["batch_size"] == plain["batch_size"]
        if not shared.BATCH_SIZE.present and is_usual:
            del options["batch_size"]
        config = {
            name: value
            for name, value in config.items()
            if flags.FLAGS[name].present or known.get(name) != plain.get(name)
        }
    return recipe_for(
        MODEL.value,
        _depths(),
        method=METHOD.value,
        preset=PRESET.value,
        protocol=protocol,
        seed=SEED.value,
        model_config=_model_config(config),
        **options,
    )


def _depths() -> list[int] | None:
    """What --num_blocks says, if it says something."""
    if NUM_BLOCKS.value is None:
        return None
    if not has_blocks(MODEL.value):
        raise ValueError(
            f"--model={MODEL.value} has no blocks. "
            f"Received: --num_blocks={','.join(NUM_BLOCKS.value)}"
        )
    return flag_values.whole_numbers(NUM_BLOCKS)


def _model_config(common: dict[str, Any]) -> dict[str, Any]:
    """What the flags say of the model, and of it alone."""
    own = (
        *(VARIANT, BLOCK, TIE_OUTPUT, COMPRESSION),
        *(MASK_FRACTION, NUM_HEADS, DROPOUT_RATE, EMBEDDING_DROPOUT_RATE),
    )
    config = {**common, **flag_values.given({flag.name: flag for flag in own})}
    if VARIANT.value == "original" and not shared.USE_ALPHA.present:
        config["use_alpha"] = False
    arguments = _TRAINED[MODEL.value].arguments()
    usual = shared.recipe_options()["model_config"]
    names = [*{**usual, "dtype": None}, *(flag.name for flag in own)]
    if not _TRAINED[MODEL.value].is_compressible:
        arguments -= {"compression"}
    known = [n for n in names if n == "dtype" or n in arguments]
    for name in set(config) - set(known):
        if flags.FLAGS[name].present:
            raise ValueError(
                f"--model={MODEL.value} is configured by "
                f"{', '.join(f'--{flag}' for flag in known)}. "
                f"Received: --{name}={flags.FLAGS[name].value}"
            )
    skip = _skip()
    return {
        **{name: config[name] for name in known if name in config},
        **({"skip": skip} if skip else {}),
    }


def _skip() -> dict[str, Any]:
    """Arguments of a `SkipRec` around the model, if there is to be one."""
    own = {"objective": SKIP_OBJECTIVE, "block_cost": SKIP_BLOCK_COST}
    given = {n: flag.value for n, flag in own.items() if flag.value is not None}
    if SKIP_POLICY.value is None:
        for name in given:
            raise ValueError(
                f"--skip_{name} needs --skip_policy. Received: no --skip_policy"
            )
        return {}
    return {"policy": SKIP_POLICY.value, **given}
