r"""Training from scratch (TS): a deep model sooner, by way of shallow ones.

StackRec's second scenario, on any data: a shallow model is trained for a few
steps, stacked (StackA), trained for a few more, stacked again, and then to
convergence, against the deep model trained directly. All stages count.

  python -m experiments.from_scratch --dataset=ml1m \
    --raw=interactions.csv.gz --depths=4,8,16 --steps=1000,1000

Beside the fixed schedule (--steps again for another) a second one decides by
itself: a stage ends when its validation curve flattens, at the first
evaluation that is no better than the best so far, or at the third in a row
(--stage_patience=3). As `make reproduce-figure6`, but under protocol `clean`.
"""

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from experiments import kinds
from experiments import target_flags
from experiments.papers.stackrec import figure6


def main() -> None:
    target_flags.apply_defaults(figure6.DEFAULTS)
    print(kinds.run(figure6, figure6.NAME))


if __name__ == "__main__":
    command.run(main, takes=target_flags.taken_by(figure6))
