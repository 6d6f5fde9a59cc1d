r"""Continual learning (CL): a deeper model whenever the data have grown.

Reproduces StackRec's Table 2 on any data: a shallow model trained on an
early fraction is stacked (StackA, StackC) into one twice as deep and
fine-tuned on a larger fraction, against the deep model from scratch and the
shallow one continued.

  python -m experiments.continual_learning --dataset=ml1m \
    --raw=interactions.csv.gz --protocol=release --settings=40-60

Every stage is kept in a folder of its own below OUTPUT/runs; a command that
was interrupted goes on where it was. OUTPUT/table.md, table.json and
convergence.png show every line that is done there, and are written anew after
each.
"""

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import options
from experiments import step_times
from experiments import table_options
from experiments import tables
from experiments.recipes import table2
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf.recipe import PROTOCOLS
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
_CHAIN = flags.DEFINE_boolean(
    "chain",
    False,
    "Stack each setting upon the stacked model of the setting before, "
    "instead of upon a shallow model trained from scratch.",
)
_MEASURE = flags.DEFINE_boolean(
    "measure_step_times",
    False,
    "Train nothing: on an idle machine, measure a training step at each "
    "depth of the settings, into OUTPUT/step_times.json.",
)

flags.adopt_module_key_flags(options)
flags.adopt_module_key_flags(table_options)


def main() -> None:
    strategy = distribution.make_strategy(options.STRATEGY.value)
    settings = [_setting(name) for name in _SETTINGS.value]
    seeds = table_options.seeds(default=[0])
    protocols = options.protocols()
    rows = _make_rows(
        settings, protocols, _PRESETS.value, seeds, chains=[_CHAIN.value]
    )
    if not settings or not rows:
        raise ValueError(
            "Expected at least one setting and protocol. Received: "
            f"settings={_SETTINGS.value}, protocol={options.PROTOCOL.value}"
        )
    folder = options.sessions_folder()
    output = options.output_folder()
    sessions = {
        name: data.read_sessions(folder, name)
        for name in ("first_appearance", "frequency")
    }
    if _MEASURE.value:
        depths = {s.num_blocks for s in settings}
        depths |= {s.num_blocks_after for s in settings}
        for protocol in protocols:
            step_times.measure(
                next(
                    row.recipe
                    for row in rows
                    if row.recipe.protocol == protocol and row.role == "scratch"
                ),
                sorted(depths),
                sessions[protocol.item_ids],
                output / step_times.FILE_NAME,
            )
    # The table also shows what other commands have done in this folder.
    shown = _make_rows(
        list(table2.SETTINGS.values()),
        list(dict.fromkeys([*PROTOCOLS.values(), *protocols])),
        list(PRESETS),
        sorted({*seeds, *tables.find_seeds(output)}),
        chains=[False, True],
    )

    def write_table() -> str:
        return tables.write(shown, sessions, output, TITLE)

    if not (table_options.TABLE_ONLY.value or _MEASURE.value):
        tables.run(rows, sessions, output, strategy, write_table)
    print(write_table())


def _make_rows(settings, protocols, presets, seeds, chains) -> list[table2.Row]:
    """The lines of all protocols and seeds, each line once."""
    budget = table2.BUDGETS.get(options.dataset_name(), table2.BUDGETS[""])
    found = [
        row
        for protocol in protocols
        for chain in chains
        for seed in seeds
        for row in table2.make_rows(
            settings,
            protocol,
            presets,
            seed,
            chain,
            **options.budget(budget),
            **options.recipe_options(),
        )
    ]
    return [row for i, row in enumerate(found) if row not in found[:i]]


def _setting(name: str) -> table2.Setting:
    if name not in table2.SETTINGS:
        raise ValueError(
            f"--settings must be among {', '.join(table2.SETTINGS)}. "
            f"Received: {name}"
        )
    return table2.SETTINGS[name]


if __name__ == "__main__":
    command.run(main)
