r"""Trains on anybody's own data: shallow, stack, fine-tune.

  python -m experiments.train --raw=my.csv --output=results/my \
    --num_blocks=2,4,8

--num_blocks names the depths: the first is trained from scratch, each other
is stacked upon the one before (at most doubled) and fine-tuned; a single
depth is plain training. --model says of what; NFM, Caser and GRU4Rec are
baselines without blocks, and take no --num_blocks.

The csv has a user, an item and a timestamp (or order) column; see
`python -m datasets.prepare --help` for what else can be prepared.
Leaves OUTPUT/model.keras, which answers in the raw ids of the csv:

  python -m experiments.recommend --model=results/my/model.keras --history=...
"""

import shutil
from typing import Any

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import options
from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf import training
from nextitnet_tf.models import MODELS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.stacking import METHODS
from nextitnet_tf.stacking import PRESETS

_NUM_BLOCKS = flags.DEFINE_list(
    "num_blocks", ["2", "4", "8"], "Depths, from the first stage to the last."
)
_METHOD = flags.DEFINE_enum(
    "method", "adjacent", list(METHODS), "How blocks are stacked."
)
_PRESET = flags.DEFINE_enum(
    "preset",
    None,
    list(PRESETS),
    "What stacking copies (best, all but alpha; of sasrec and ssept paper, "
    "everything).",
)
_MODEL = flags.DEFINE_enum(
    "model",
    "nextitnet",
    ["nextitnet", "grec", "sasrec", "ssept", "gru4rec", "caser", "nfm"],
    "nextitnet: dilated convolutions; grec: the same, trained on masked "
    "sessions; sasrec: a Transformer; ssept: one that knows the user (needs "
    "--split=rows under protocol clean); gru4rec: a recurrent network; caser: "
    "convolutions over the latest items; nfm: a factorization machine.",
)
_VARIANT = flags.DEFINE_enum(
    "variant",
    None,
    ["stackrec", "original"],
    "Of grec, sasrec and ssept: as in StackRec's release (the default), or as "
    "in the model's own paper, without alpha unless --use_alpha says so.",
)
_TIE_OUTPUT = flags.DEFINE_boolean(
    "tie_output",
    None,
    "Of sasrec and ssept: score items by the item embedding itself (with "
    "--variant=original, else not). Ranks the items of a history high: "
    "evaluate with --exclude_seen.",
)
_MASK_FRACTION = flags.DEFINE_float(
    "mask_fraction", None, "Of grec: share of a session that is masked (0.2)."
)
_NUM_HEADS = flags.DEFINE_integer(
    "num_heads",
    None,
    "Of sasrec and ssept: attention heads (1).",
    lower_bound=1,
)
_DROPOUT_RATE = flags.DEFINE_float(
    "dropout_rate",
    None,
    "Of all but nextitnet and grec (sasrec and ssept 0, their authors take 0.2 "
    "to 0.5; gru4rec 0, caser 0.5, nfm 0.2).",
    lower_bound=0.0,
    upper_bound=0.99,
)
# Which flags configure which model.
_CONVOLUTIONAL = ("embedding_dim", "dilation_rates", "use_alpha")
_TRANSFORMER = (
    "embedding_dim",
    "use_alpha",
    "variant",
    "tie_output",
    "num_heads",
    "dropout_rate",
)
_BASELINE = ("embedding_dim", "dropout_rate")
_WITHOUT_BLOCKS = ("gru4rec", "caser", "nfm")
_CONFIGURE = {
    "nextitnet": _CONVOLUTIONAL,
    "grec": (*_CONVOLUTIONAL, "variant", "mask_fraction"),
    "sasrec": _TRANSFORMER,
    "ssept": _TRANSFORMER,
    "gru4rec": _BASELINE,
    "caser": _BASELINE,
    "nfm": _BASELINE,
}
_SEED = flags.DEFINE_integer("seed", 0, "Of weights and order of rows.")

flags.adopt_module_key_flags(options)


def main() -> None:
    recipe = _recipe()
    folder = options.sessions_folder()
    output = options.output_folder()
    sessions = data.read_sessions(folder, recipe.protocol.item_ids)
    runs = training.run(
        recipe,
        sessions,
        output / "runs",
        strategy=distribution.make_strategy(options.STRATEGY.value),
        needs_model=True,
    )
    with atomic_files.replacing(output / "model.keras") as partial:
        shutil.copyfile(runs[-1].folder / "model.keras", partial)
    for stage in runs:
        summary = stage.summary
        print(
            f"{_shown(summary['stage'])}: "
            f"{command.metrics_line(summary['test'])}, "
            f"best after {summary['best_step']} steps"
        )
    print(f"protocol {recipe.protocol.name}; model in {output}/model.keras")


def _shown(stage: dict[str, Any]) -> str:
    if _MODEL.value in _WITHOUT_BLOCKS:
        return _MODEL.value
    return f"{stage['num_blocks']} blocks"


def _recipe() -> Recipe:
    depths = [
        command.whole_number("num_blocks", text) for text in _NUM_BLOCKS.value
    ]
    if _MODEL.value in _WITHOUT_BLOCKS:
        if _NUM_BLOCKS.present:
            raise ValueError(
                f"--model={_MODEL.value} has no blocks. "
                f"Received: --num_blocks={','.join(_NUM_BLOCKS.value)}"
            )
        depths = [1]
    stages = tuple(
        Stage(
            depth,
            method=None if i == 0 else _METHOD.value,
            preset=_PRESET.value or MODELS[_MODEL.value].best_preset,
            **options.budget(),
        )
        for i, depth in enumerate(depths)
    )
    recipe_options = options.recipe_options()
    recipe_options["model_config"] = _model_config(
        recipe_options["model_config"]
    )
    return Recipe(
        stages=stages,
        protocol=options.protocol(),
        model=_MODEL.value,
        seed=_SEED.value,
        **recipe_options,
    )


def _model_config(common: dict[str, Any]) -> dict[str, Any]:
    """What the flags say of the model, and of it alone."""
    config = {
        **common,
        **{
            flag.name: flag.value
            for flag in (
                _VARIANT,
                _TIE_OUTPUT,
                _MASK_FRACTION,
                _NUM_HEADS,
                _DROPOUT_RATE,
            )
            if flag.value is not None
        },
    }
    if _VARIANT.value == "original" and not options.USE_ALPHA.present:
        config["use_alpha"] = False
    known = ("dtype", *_CONFIGURE[_MODEL.value])
    for name in set(config) - set(known):
        if flags.FLAGS[name].present:
            raise ValueError(
                f"--model={_MODEL.value} is configured by "
                f"{', '.join(f'--{flag}' for flag in known)}. "
                f"Received: --{name}={flags.FLAGS[name].value}"
            )
    return {name: config[name] for name in known if name in config}


if __name__ == "__main__":
    command.run(main)
