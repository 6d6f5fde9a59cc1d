r"""Where paper and release differ, what we do, and what it changes.

  python -m experiments.fidelity --dataset=ml1m --raw=interactions.csv.gz \
    --seeds=0,1,2

Trains protocol `release` with one thing changed at a time, a model for each
change and seed, and writes --document (the list of differences with the
measured effects) and OUTPUT/fidelity.json (the numbers behind it). Models
that Table 2 has trained in the same OUTPUT are not trained again, and an
interrupted command goes on where it was.
"""

from pathlib import Path

from absl import flags as absl_flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from experiments import running
from experiments import target_flags
from experiments.papers.rows import Choices
from experiments.papers.stackrec import divergences
from experiments.reporting import divergence_table
from nextitnet_tf import paper_data
from nextitnet_tf.commands import flag_values
from nextitnet_tf.commands import flags
from nextitnet_tf.commands import strategies

_DOCUMENT = absl_flags.DEFINE_string(
    "document",
    None,
    "Where the list of differences goes: by default OUTPUT/fidelity.md, and "
    "docs/fidelity.md from results/ml1m.",
)
# The protocol is always the release's.
_USES = {"document", *target_flags.EVERY_TARGET} - {"protocol", *flags.FIELDS}
for _name in sorted(_USES - {"document"}):
    absl_flags.declare_key_flag(_name)


def main() -> None:
    flag_values.check_used("fidelity", sorted(_USES))
    target_flags.apply_defaults({"seeds": "0,1,2"})
    # The same budget as Table 2, or its models could not be shared.
    options = {
        **flags.budget(paper_data.budget(flags.dataset_name())),
        **flags.recipe_options(),
    }
    changes = [
        change
        for seed in target_flags.seeds()
        for change in divergences.changes(
            Choices(divergences.RELEASE, seed, options=options)
        )
    ]
    strategies.of_one_process("fidelity")
    output = flags.output_folder()
    store = running.open_store(flags.sessions_folder(), output)
    document = output / "fidelity.md"
    if output == Path("results/ml1m"):
        document = Path("docs/fidelity.md")
    if _DOCUMENT.value is not None:
        document = Path(_DOCUMENT.value)

    def write() -> str:
        return divergence_table.write(changes, store, output, document)

    if not target_flags.TABLE_ONLY.value:
        rows = [row for c in changes for row in (c.base, c.row)]
        running.train(rows, store, write)
    print(write())


if __name__ == "__main__":
    command.run(main)
