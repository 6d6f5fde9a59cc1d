r"""What a user may want next, in the raw ids of the training data.

  nextitnet-tf recommend --model=results/my/model.keras \
    --history=1193,661,914 --k=10
  nextitnet-tf recommend --model=results/my/model.keras \
    --input=histories.txt

--history is one history, oldest item first; --input has one a line. Items are
separated by commas and quoted as in csv, within their line. One line a
history is printed, in the same form: the likeliest items. Unknown ids are
skipped and counted on stderr; a history without a known item gets the most
popular items. --explain puts before the items of a line which blocks of a
SkipRec ran for it, say 1011.
"""

import csv
import sys

from absl import flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from nextitnet_tf import histories
from nextitnet_tf.models import saved

_MODEL = flags.DEFINE_string("model", None, "A model.keras.", required=True)
_HISTORY = flags.DEFINE_string(
    "history", None, "Items, comma separated, oldest first; may be empty."
)
_INPUT = flags.DEFINE_string("input", None, "File with a history a line.")
_K = flags.DEFINE_integer("k", 10, "Items a history gets.", lower_bound=1)
_EXCLUDE_SEEN = flags.DEFINE_boolean(
    "exclude_seen", True, "Leave out the items of the history itself."
)
_EXPLAIN = flags.DEFINE_boolean(
    "explain",
    False,
    "Of a model that was trained with --skip_policy: begin each line with "
    "which blocks ran for its history, 1, and which were skipped, 0.",
)


def main() -> None:
    if (_HISTORY.value is None) == (_INPUT.value is None):
        raise ValueError(
            "Expected either --history or --input. Received: "
            + ("neither" if _HISTORY.value is None else "both")
        )
    if _INPUT.value is None:
        lines = {"--history": _HISTORY.value}
    else:
        lines = histories.read_lines(_INPUT.value)
    model = saved.load_model(_MODEL.value)
    vocabulary = model.history_vocabulary
    known = {} if vocabulary is None else vocabulary.ids
    answers = model.recommend(
        [histories.parse(line, place, known) for place, line in lines.items()],
        k=_K.value,
        exclude_seen=_EXCLUDE_SEEN.value,
        explain=_EXPLAIN.value,
    )
    if _EXPLAIN.value:
        items, choices = answers
        blocks = ("".join(map(str, row)) for row in choices)
        answers = [[b, *row] for b, row in zip(blocks, items, strict=True)]
    for raw in (raw for answer in answers for raw in answer):
        if {"\n", "\r"} & set(str(raw)):
            raise ValueError(
                "Expected item ids without line ends, to print a history a "
                f"line; in Python `recommend` has them. Received: {raw!r}"
            )
    csv.writer(sys.stdout, lineterminator="\n").writerows(answers)


def run() -> None:
    """Runs the command with the flags of the command line."""
    command.run(main)
