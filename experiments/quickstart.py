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
from experiments import tables
from experiments.recipes import table2
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf.recipe import PROTOCOLS

TITLE = "Quickstart: continual learning on generated sessions"

_OUTPUT = flags.DEFINE_string(
    "output", "results/quickstart", "Folder of results."
)
SETTINGS = [
    table2.Setting(0.5, 0.75, 2, 4),
    table2.Setting(0.75, 1.0, 4, 8),
]


def main() -> None:
    output = Path(_OUTPUT.value)
    output.mkdir(parents=True, exist_ok=True)
    folder = synthetic.prepare_synthetic(output / "sessions", t=16)
    protocol = PROTOCOLS["clean"]
    sessions = {protocol.item_ids: data.read_sessions(folder)}
    rows = table2.make_rows(
        SETTINGS,
        protocol,
        presets=["best"],
        seed=0,
        # Small and quick to learn, so that ten models fit ten minutes.
        model_config={"embedding_dim": 32},
        learning_rate=3e-3,
        max_steps=800,
        eval_every=50,
        patience=4,
    )
    tables.run(rows, sessions, output, distribution.make_strategy(), TITLE)
    print(tables.write(rows, sessions, output, TITLE))


if __name__ == "__main__":
    command.run(main)
