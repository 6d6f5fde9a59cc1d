r"""Looks for the settings of a model: one factor at a time, then together.

  python -m experiments.tune --dataset=ml1m --raw=interactions.csv.gz \
    --model=nextitnet --trials=20

Begins with the plain model under protocol `clean`, changes one factor at a
time (dropout, learning rate, width, ...), then takes those that helped
together. The validation decides, by the ranking without seen items. Writes
OUTPUT/tuning-MODEL.md and .json after each trial. A trial is a run in
OUTPUT/runs: start the command again and it goes on where it was. How long
histories are is decided when they are prepared (--t). With --start=tuned the
search begins with what `make train` takes by default.
"""

import dataclasses
import math
import sys

from absl import flags as absl_flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from experiments import running
from experiments.reporting import search_table
from nextitnet_tf import training
from nextitnet_tf import tuning
from nextitnet_tf.commands import flag_values
from nextitnet_tf.commands import flags
from nextitnet_tf.commands import model_flags
from nextitnet_tf.commands import strategies
from nextitnet_tf.recipe import Recipe

_TRIALS = absl_flags.DEFINE_integer(
    "trials", 20, "Recipes that are tried at most.", lower_bound=1
)
_START = absl_flags.DEFINE_enum(
    "start", "plain", ["plain", "tuned"], "Where the search begins."
)
_TAKES = (
    *("trials", "start", "model", "seed", *flags.DATA, "output", "strategy"),
    *("max_steps", "eval_every", "patience", "budget_in"),
)


def main() -> None:
    flag_values.check_used("tune", _TAKES)
    strategy = strategies.of_one_process("tune")
    start = tuning.start_of(
        model_flags.MODEL.value, _START.value == "tuned", **flags.budget()
    )
    start = dataclasses.replace(start, seed=model_flags.SEED.value)
    output = flags.output_folder()
    store = running.open_store(
        flags.sessions_folder(), output, [start.protocol.item_ids]
    )
    trials: list[tuning.Trial] = []

    def evaluate(recipe: Recipe) -> float:
        if len(trials) >= _TRIALS.value:
            raise tuning.OutOfTrials
        sessions = store.sessions_of(recipe)
        try:
            (run,) = training.run(
                recipe, sessions, store.folder, strategy=strategy
            )
        except FloatingPointError as error:
            if not trials:  # nothing can be compared with the start
                raise
            print(f"passed over: {error}", file=sys.stderr)
            return -math.inf
        return run.summary["best_validation"]

    def report(trial: tuning.Trial) -> None:
        if math.isfinite(trial.value):
            trials.append(trial)
            print(f"[{len(trials)}] {trial.value:.4f}", file=sys.stderr)
            search_table.write(trials, store, output, start.model)

    tuning.search(start, tuning.factors_of(start), evaluate, report)
    print(search_table.write(trials, store, output, start.model))


if __name__ == "__main__":
    command.run(main, takes=_TAKES)
