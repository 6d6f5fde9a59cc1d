r"""Continual learning (CL): a deeper model whenever the data have grown.

Reproduces StackRec's Table 2 on any data: a shallow model trained on an
early fraction is stacked (StackA, StackC) into one twice as deep and
fine-tuned on a larger fraction, against the deep model from scratch and the
shallow one continued.

  python -m experiments.continual_learning --dataset=ml1m \
    --raw=interactions.csv.gz --protocol=release --settings=40-60

Every stage is kept in a folder of its own below OUTPUT/runs; a command that
was interrupted goes on where it was. OUTPUT/table.md, table.json and
convergence.png are written anew after every line of the table.
"""

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import options
from experiments import step_times
from experiments import tables
from experiments.recipes import table2
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf.stacking import PRESETS

TITLE = "Continual learning (StackRec, Table 2)"

_SETTINGS = flags.DEFINE_list(
    "settings",
    list(table2.SETTINGS),
    f"Parts of the table, of {', '.join(table2.SETTINGS)}: from a shallow "
    "model on the first percentage of the training data to a deep one on "
    "the second.",
)
_PRESETS = flags.DEFINE_list(
    "presets",
    ["release", "best"],
    f"What stacking copies, of {', '.join(PRESETS)}; a line of the table each.",
)
_SEEDS = flags.DEFINE_list("seeds", ["0"], "One table line for each seed.")
_CHAIN = flags.DEFINE_boolean(
    "chain",
    False,
    "Stack each setting upon the stacked model of the setting before, "
    "instead of upon a shallow model trained from scratch.",
)
_TABLE_ONLY = flags.DEFINE_boolean(
    "table_only", False, "Train nothing: write the table of what is done."
)
_MEASURE = flags.DEFINE_boolean(
    "measure_step_times",
    False,
    "Train nothing: on an idle machine, measure a training step at each "
    "depth of the settings, into OUTPUT/step_times.json.",
)


def main() -> None:
    strategy = distribution.make_strategy(options.STRATEGY.value)
    settings = [_setting(name) for name in _SETTINGS.value]
    seeds = [command.whole_number("seeds", seed) for seed in _SEEDS.value]
    rows = [
        row
        for protocol in options.protocols()
        for seed in seeds
        for row in table2.make_rows(
            settings,
            protocol,
            _PRESETS.value,
            seed,
            _CHAIN.value,
            **options.recipe_options(),
        )
    ]
    folder = options.sessions_folder()
    output = options.output_folder()
    numberings = {row.recipe.protocol.item_ids for row in rows}
    sessions = {name: data.read_sessions(folder, name) for name in numberings}

    if _MEASURE.value:
        for protocol in options.protocols():
            recipe = next(
                r.recipe
                for r in reversed(rows)
                if r.recipe.protocol == protocol
            )
            step_times.measure(
                recipe,
                sorted(
                    {s.num_blocks for s in settings}
                    | {s.num_blocks_after for s in settings}
                ),
                sessions[protocol.item_ids],
                output / step_times.FILE_NAME,
            )
        return
    if not _TABLE_ONLY.value:
        tables.run(rows, sessions, output, strategy, TITLE)
    print(tables.write(rows, sessions, output, TITLE))


def _setting(name: str) -> table2.Setting:
    if name not in table2.SETTINGS:
        raise ValueError(
            f"--settings must be among {', '.join(table2.SETTINGS)}. "
            f"Received: {name}"
        )
    return table2.SETTINGS[name]


if __name__ == "__main__":
    command.run(main)
