r"""Continual learning (CL): a deeper model whenever the data have grown.

StackRec's first scenario, on any data: a shallow model trained on an early
fraction is stacked into a deeper one and fine-tuned on a larger fraction,
against the deep model from scratch.

  python -m experiments.continual_learning --dataset=ml1m \
    --raw=interactions.csv.gz --settings=40-60

--table=2 is the main comparison, with baselines and the shallow model
continued; 4 compares what is copied; 5 grows by half; 6 leaves alpha out; 7
stacks GRec, SASRec and SSE-PT. As `make reproduce-table2`, ..., but for
defaults: protocol `clean`, and of the presets the release's and the model's
best.
"""

from absl import flags as absl_flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from experiments import kinds
from experiments import papers
from experiments import target_flags

TABLES = ["2", "4", "5", "6", "7"]
_TABLE = absl_flags.DEFINE_enum(
    "table", "2", TABLES, "Which of the paper's tables."
)


def main() -> None:
    name = f"table{_TABLE.value}"
    print(kinds.run(papers.find(name), name, own=("table",)))


if __name__ == "__main__":
    tables = [papers.find(f"table{name}") for name in TABLES]
    command.run(main, takes=target_flags.taken_by(*tables))
