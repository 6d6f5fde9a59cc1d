"""StackRec in ten minutes: a small Table 2 on generated sessions.

  python -m experiments.quickstart

Generates sessions whose law needs depth, and whose best possible metrics are
known, counts, trains 2 -> 4 -> 8 blocks as in continual learning (from scratch,
stacked, continued), measures the time of a step of each depth, prints the table
with a sentence on what it shows, and leaves it in results/quickstart/ with a
picture of the convergence. An interrupted run goes on where it was.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from experiments import running
from experiments import target_flags
from experiments.papers import counted
from experiments.papers.growth import Setting
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.stackrec import table2
from experiments.reporting import clock
from experiments.reporting import in_short
from experiments.reporting import notes
from experiments.reporting import tables
from nextitnet_tf.commands import flag_values
from nextitnet_tf.commands import flags
from nextitnet_tf.preparation import synthetic
from nextitnet_tf.recipe import PROTOCOLS

TITLE = "Quickstart: continual learning on generated sessions"
SETTINGS = [Setting(0.5, 0.75, 2, 4), Setting(0.75, 1.0, 4, 8)]
# Small and quick to learn, so that ten models fit ten minutes.
OPTIONS: dict[str, Any] = {
    "model_config": {"embedding_dim": 32},
    "learning_rate": 3e-3,
    "max_steps": 1600,
    "eval_every": 100,
    "patience": 10,
}
# Half of them, and a test half as large, for the time.
_SESSIONS = {"num_rows": 100_000}
_TAKES = ("output", "seeds", "table_only")


def main() -> None:
    flag_values.check_used("quickstart", _TAKES)
    output = Path(flags.OUTPUT.value or "results/quickstart")
    output.mkdir(parents=True, exist_ok=True)
    folder = synthetic.prepare_synthetic(
        output / "deep", **{**synthetic.GENERATED["deep"], **_SESSIONS}
    )
    store = running.open_store(folder, output, ["frequency"])
    rows = make_rows(target_flags.seeds())
    times = output / clock.FILE_NAME

    def write() -> str:
        return tables.write(
            rows,
            store,
            output,
            TITLE,
            sentence=in_short.of_growth,
            measured=notes.SAME_RUN,
        )

    if not target_flags.TABLE_ONLY.value:
        running.train(rows, store, write)
        # One clock for all lines: that of this machine, now.
        clock.measure([row.recipe for row in rows], store, times)
    print(write())


def make_rows(seeds: Sequence[int]) -> list[Row]:
    """What is counted, and the lines of both settings."""
    asked = Choices(PROTOCOLS["clean"], presets=["best"], options=OPTIONS)
    of_seeds = [dataclasses.replace(asked, seed=seed) for seed in seeds]
    grown = [table2.grown(choices, SETTINGS) for choices in of_seeds]
    return [*counted.rows(asked, "counting"), *itertools.chain(*grown)]


if __name__ == "__main__":
    command.run(main, takes=_TAKES)
