r"""Trains on anybody's own data: shallow, stack, fine-tune.

  python -m experiments.train --raw=my.csv --output=results/my \
    --num_blocks=2,4,8

--num_blocks names the depths: the first is trained from scratch, each other
is stacked upon the one before (at most doubled) and fine-tuned; a single
depth is plain training. The csv has a user, an item and a timestamp (or
order) column; see `python -m datasets.prepare --help` for what else can be
prepared. Leaves OUTPUT/model.keras, which answers in the raw ids of the csv:

  python -m experiments.recommend --model=results/my/model.keras --history=...
"""

import shutil

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import options
from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf import training
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
    "preset", "best", list(PRESETS), "What stacking copies."
)
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
            f"{summary['stage']['num_blocks']} blocks: "
            f"{command.metrics_line(summary['test'])}, "
            f"best after {summary['best_step']} steps"
        )
    print(f"protocol {recipe.protocol.name}; model in {output}/model.keras")


def _recipe() -> Recipe:
    depths = [
        command.whole_number("num_blocks", text) for text in _NUM_BLOCKS.value
    ]
    stages = tuple(
        Stage(
            depth,
            method=None if i == 0 else _METHOD.value,
            preset=_PRESET.value,
            **options.budget(),
        )
        for i, depth in enumerate(depths)
    )
    return Recipe(
        stages=stages,
        protocol=options.protocol(),
        seed=_SEED.value,
        **options.recipe_options(),
    )


if __name__ == "__main__":
    command.run(main)
