r"""Trains on anybody's own data: shallow, stack, fine-tune.

  nextitnet-tf train --raw=my.csv --num_blocks=2,4,8
  nextitnet-tf train --raw=newer.csv --from=results/my/model.keras

--num_blocks names the depths: the first is trained from scratch, each other
is stacked upon the one before and fine-tuned; a single depth is plain training.
--model says of what; NFM, Caser and GRU4Rec have no blocks.
The csv has a user, an item and a timestamp (or order) column (see
`nextitnet-tf prepare --help`).
Leaves OUTPUT/model.keras, which answers in the raw ids of the csv
(`nextitnet-tf recommend`), model_card.md for who uses it, and run.json, which
says how it was trained. Of several depths it is the one that validates best.

--from goes on with a model, on data with other items, too.

At the end it counts (Markov, ItemKNN, EASE): is the model above the best of
that? And it says how much the model stores.
"""

import sys

from absl import flags as absl_flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.commands import dry_run
from nextitnet_tf.commands import finished
from nextitnet_tf.commands import flags
from nextitnet_tf.commands import model_flags
from nextitnet_tf.commands import remarks
from nextitnet_tf.commands import starting
from nextitnet_tf.commands import strategies

_FLOOR = absl_flags.DEFINE_boolean(
    "floor", True, "Counts, too, and says which of the two is better."
)
_DRY_RUN = absl_flags.DEFINE_boolean(
    "dry_run",
    False,
    "Trains a few steps of each depth, says what all of them would take, and "
    "leaves nothing but the prepared data.",
)
absl_flags.adopt_module_key_flags(flags)
absl_flags.adopt_module_key_flags(model_flags)
absl_flags.adopt_module_key_flags(starting)


def main() -> None:
    strategy = (
        strategies.of_one_process("--dry_run")
        if _DRY_RUN.value
        else strategies.chosen()
    )
    source = starting.read()
    recipe = starting.recipe(source)
    usual = {"t": source.t} if source and source.t else None
    folder = strategies.sessions_folder(usual)
    output = flags.output_folder(is_made=False)
    sessions = data.read_sessions(folder, recipe.protocol.item_ids)
    if source:
        sessions = starting.sessions_for(source, recipe, sessions, output)
    for remark in remarks.on(sessions, recipe) * strategies.is_chief():
        print(remark, file=sys.stderr)
    if _DRY_RUN.value:
        print(dry_run.shown(recipe, sessions))
        return
    flags.output_folder()
    runs = training.run(
        recipe,
        sessions,
        output / "runs",
        strategy=strategy,
        needs_model=True,
    )
    strategies.leave_the_rest_to_the_chief()
    finished.report(runs, sessions, output, _FLOOR.value)


def run() -> None:
    """Runs the command."""
    command.run(main)
