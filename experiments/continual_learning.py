r"""Continual learning (CL): a deeper model whenever the data have grown.

Reproduces StackRec's Table 2 on any data: a shallow model trained on an
early fraction is stacked (StackA, StackC) into one twice as deep and
fine-tuned on a larger fraction, against the deep model from scratch and the
shallow one continued.

  python -m experiments.continual_learning --dataset=ml1m \
    --raw=interactions.csv.gz --settings=40-60

Every stage is kept in a folder of its own below OUTPUT/runs; a command that
was interrupted goes on where it was. OUTPUT/table.md, table.json and
convergence.png are written anew after every line of the table.
"""

import dataclasses
import sys
from pathlib import Path

from absl import flags

from experiments import command
from experiments import options
from experiments import step_times
from experiments.recipes import table2
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf import training
from nextitnet_tf.stacking import PRESETS

_SETTINGS = flags.DEFINE_list(
    "settings",
    list(table2.SETTINGS),
    f"Parts of the table, of {', '.join(table2.SETTINGS)}: from a shallow "
    "model on the first percentage of the training data to a deep one on "
    "the second.",
)
_PRESETS = flags.DEFINE_list(
    "presets", ["release", "best"],
    f"What stacking copies, of {', '.join(PRESETS)}; a row of the table "
    "each.",
)
_SEEDS = flags.DEFINE_list("seeds", ["0"], "One table row for each seed.")
_CHAIN = flags.DEFINE_boolean(
    "chain", False,
    "Stack each setting upon the stacked model of the setting before, "
    "instead of upon a shallow model trained from scratch.",
)
_MEASURE = flags.DEFINE_boolean(
    "measure_step_times", False,
    "Train nothing: measure the time of a training step at each depth, on "
    "an idle machine, into OUTPUT/step_times.json, and write the table of "
    "what is done.",
)


def main() -> int:
    protocol = options.protocol()
    settings = [_setting(name) for name in _SETTINGS.value]
    rows = [
        row
        for seed in _SEEDS.value
        for row in table2.make_rows(
            settings,
            protocol,
            _PRESETS.value,
            options.whole_number("seeds", seed),
            _CHAIN.value,
            **options.recipe_options(),
        )
    ]
    strategy = distribution.make_strategy(options.STRATEGY.value)
    output = options.output_folder()
    sessions = data.read_sessions(options.sessions_folder(), protocol.item_ids)
    if _MEASURE.value:
        depths = sorted(
            {s.num_blocks for s in settings}
            | {s.num_blocks_after for s in settings}
        )
        step_times.measure(
            rows[-1].recipe, depths, sessions, output / step_times.FILE_NAME
        )
        return 0
    for i, row in enumerate(rows):
        print(
            f"[{i + 1}/{len(rows)}] {row.setting}: {row.label} "
            f"{row.preset} (protocol {protocol.name}, seed {row.recipe.seed})",
            file=sys.stderr,
            flush=True,
        )
        training.run(
            row.recipe, sessions, output / "runs", strategy=strategy
        )
    return 0


def _setting(name: str) -> table2.Setting:
    if name not in table2.SETTINGS:
        raise ValueError(
            f"--settings must be among {', '.join(table2.SETTINGS)}. "
            f"Received: {name}"
        )
    return table2.SETTINGS[name]


if __name__ == "__main__":
    command.run(main)
