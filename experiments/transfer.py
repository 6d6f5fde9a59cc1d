r"""Transfer (TF): a model of one domain, fine-tuned for cold users of another.

StackRec's third scenario, on any two domains that share users. The source
domain is what --raw or --sessions has; the target domain is either another
csv of interactions (--target_raw), of which pairs are made (as `python -m
datasets.transfer_pairs` does), or a file of pairs in the release's format
`source items,,target items` (--pairs).

  python -m experiments.transfer --dataset=clicks --raw=source.csv.gz \
    --target_raw=target.csv.gz --divide_depth=4

--protocol=release fine-tunes as the release does: a table of vectors, one
uniform negative, the target ranked among 99 random items, source items looked
up by the numbers of the file of pairs. --protocol=clean, the default here: a
new softmax over the target's items, ranked among all of them, no user in both
training and test, source items by their own numbers. --fine_tuning=clean does
so after pre-training by protocol release; --tune_FIELD=VALUE changes a single
choice. Models are also fine-tuned without pre-training, and popularity is
ranked, to show what transfer is worth.

Writes OUTPUT/table3.md, table3.json and table3-convergence.png, as `make
reproduce-table3` does. A fine-tuned model answers with target items:

  python -m experiments.recommend --model=OUTPUT/runs/.../model.keras \
    --history=SOURCE,ITEMS
"""

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from experiments import kinds
from experiments import target_flags
from experiments.papers.stackrec import table3


def main() -> None:
    target_flags.apply_defaults(table3.DEFAULTS)
    print(kinds.run(table3, table3.NAME))


if __name__ == "__main__":
    command.run(main, takes=target_flags.taken_by(table3))
