"""StackRec in ten minutes: a small Table 2 on generated sessions.

  python -m experiments.quickstart

Generates sessions whose best possible metrics are known, trains
2 -> 4 -> 8 blocks as in continual learning (from scratch, stacked, continued),
prints the table and leaves it in results/quickstart/ with a picture of the
convergence. An interrupted run goes on where it was.
"""

from pathlib import Path

from absl import flags

from datasets import synthetic
from experiments import command  # first: it quietens TensorFlow
from experiments import table_options
from experiments import tables
from experiments.recipes import rows
from experiments.recipes import table2
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf.recipe import PROTOCOLS

TITLE = "Quickstart: continual learning on generated sessions"

_OUTPUT = flags.DEFINE_string(
    "output", "results/quickstart", "Folder of results."
)
flags.adopt_module_key_flags(table_options)

SETTINGS = [
    rows.Setting(0.5, 0.75, 2, 4),
    rows.Setting(0.75, 1.0, 4, 8),
]


def main() -> None:
    output = Path(_OUTPUT.value)
    output.mkdir(parents=True, exist_ok=True)
    folder = synthetic.prepare_synthetic(output / "sessions", t=16)
    sessions = {"frequency": data.read_sessions(folder)}
    lines = [
        row
        for seed in table_options.seeds(default=[0])
        for row in _make_rows(seed)
    ]

    def write_table() -> str:
        return tables.write(lines, sessions, output, TITLE)

    if not table_options.TABLE_ONLY.value:
        strategy = distribution.make_strategy()
        tables.run(lines, sessions, output, strategy, write_table)
    print(write_table())


def _make_rows(seed: int) -> list[rows.Row]:
    return table2.make_rows(
        SETTINGS,
        PROTOCOLS["clean"],
        presets=["best"],
        seed=seed,
        # Small and quick to learn, so that ten models fit ten minutes.
        model_config={"embedding_dim": 32},
        learning_rate=3e-3,
        max_steps=800,
        eval_every=50,
        patience=4,
    )


if __name__ == "__main__":
    command.run(main)
