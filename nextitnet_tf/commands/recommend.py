r"""What a user may want next, in the raw ids of the training data.

  nextitnet-tf recommend --model=results/my/model.keras \
    --history=1193,661,914 --k=10
  nextitnet-tf recommend --model=results/my/model.keras \
    --input=histories.txt
  nextitnet-tf recommend --model=results/my/model.keras \
    --input=histories.jsonl --output=answers.parquet

--history is one history, oldest item first; --input has one a line. Items are
separated by commas and quoted as in csv, within their line. One line a
history is printed, in the same form: the likeliest items. Unknown ids are
skipped and counted on stderr; a history without a known item gets the most
popular items. --explain puts before the items of a line which blocks of a
SkipRec ran for it, say 1011.

With --output, files of any size are answered block by block: lines as above,
`.jsonl` ({"user": 7, "history": [1193, 661]}) or `.parquet` (columns user and
history). The answers have scores, too, where they are no lines of csv. A
command that was interrupted goes on where it was.
"""

from absl import flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from nextitnet_tf.commands import answering

_MODEL = flags.DEFINE_string("model", None, "A model.keras.", required=True)
_HISTORY = flags.DEFINE_string(
    "history", None, "Items, comma separated, oldest first; may be empty."
)
_INPUT = flags.DEFINE_string("input", None, "File with a history a line.")
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "With --input: file that gets the answers, .jsonl, .parquet or lines of "
    "csv. The default is to print them.",
)
_USERS = flags.DEFINE_boolean(
    "users",
    False,
    "With --output: lines of text begin with their user, who is carried "
    "through. jsonl and parquet have a field `user`.",
)
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
    asked = _MODEL.value, _K.value, _EXCLUDE_SEEN.value
    if _OUTPUT.value is not None:
        if _INPUT.value is None or _EXPLAIN.value:
            raise ValueError(
                "--output takes --input=FILE, and no --explain. Received: "
                + ("no --input" if _INPUT.value is None else "--explain")
            )
        answering.answer_file(*asked, _INPUT.value, _OUTPUT.value, _USERS.value)
        return
    if _USERS.value:
        raise ValueError("--users needs --output=FILE. Received: no --output")
    lines = {"--history": _HISTORY.value}
    if _INPUT.value is not None:
        lines = answering.lines_of(_INPUT.value)
    answering.print_answers(
        *asked, lines, _EXPLAIN.value, is_file=_INPUT.value is not None
    )


def run() -> None:
    """Runs the command with the flags of the command line."""
    command.run(main)
