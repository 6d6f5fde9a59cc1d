r"""Trains on anybody's own data: shallow, stack, fine-tune.

  nextitnet-tf train --raw=my.csv --output=results/my \
    --num_blocks=2,4,8

--num_blocks names the depths: the first is trained from scratch, each other
is stacked upon the one before and fine-tuned; a single depth is plain training.
--model says of what; NFM, Caser and GRU4Rec have no blocks.

The csv has a user, an item and a timestamp (or order) column; see
`nextitnet-tf prepare --help` for what else can be prepared.
Leaves OUTPUT/model.keras, which answers in the raw ids of the csv
(`nextitnet-tf recommend`), and run.json, which says how it was trained.

At the end it counts (Markov, ItemKNN, EASE), which takes seconds: is the model
above the best of that? And it says how much the model stores.
"""

import shutil
from pathlib import Path

from absl import flags as absl_flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf import training
from nextitnet_tf.commands import counting
from nextitnet_tf.commands import flags
from nextitnet_tf.commands import model_flags
from nextitnet_tf.commands import stored
from nextitnet_tf.training import trained

_FLOOR = absl_flags.DEFINE_boolean(
    "floor", True, "Counts, too, and says which of the two is better."
)
_MODEL = "model.keras"
absl_flags.adopt_module_key_flags(flags)
absl_flags.adopt_module_key_flags(model_flags)


def main() -> None:
    recipe = model_flags.recipe()
    folder = flags.sessions_folder()
    output = flags.output_folder()
    sessions = data.read_sessions(folder, recipe.protocol.item_ids)
    runs = training.run(
        recipe,
        sessions,
        output / "runs",
        strategy=distribution.make_strategy(flags.STRATEGY.value),
        needs_model=True,
    )
    best = trained.best_of(runs)
    _publish(best, output)
    for run in runs:
        print(
            f"{_shown(run)}: {command.metrics_line(run.summary['test'])}, "
            f"best after {run.summary['best_step']} steps"
        )
    if _FLOOR.value:
        print(counting.beside(best, sessions))
    print(stored.in_short(best, sessions))
    which = f" ({_shown(best)}, best on validation)" * (len(runs) > 1)
    print(f"protocol {recipe.protocol.name}; model in {output}/{_MODEL}{which}")


def _publish(run: training.Run, output: Path) -> None:
    """Copies a run's model, and what says how it was trained.

    The model last: a run.json that is not of the model beside it is told by
    the checksum in it.
    """
    for path in (run.folder / "run.json", run.model_path):
        with atomic_files.replacing(output / path.name) as partial:
            shutil.copyfile(path, partial)


def _shown(run: training.Run) -> str:
    count = run.recipe.stages[-1].num_blocks
    blocks = f"{count} block{'s' * (count > 1)}"
    is_deep = model_flags.has_blocks(run.recipe.model)
    return blocks if is_deep else run.recipe.model


def run() -> None:
    """Runs the command."""
    command.run(main)
