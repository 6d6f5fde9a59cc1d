r"""What a user may want next, in the raw ids of the training data.

  python -m experiments.recommend --model=results/my/model.keras \
    --history=1193,661,914 --k=10
  python -m experiments.recommend --model=results/my/model.keras \
    --input=histories.txt

--history is one history, oldest item first; --input has one a line, items
separated by commas. Prints one line a history: the likeliest items, comma
separated. Unknown ids are skipped and counted on stderr; a history without a
known item gets the most popular items.
"""

import csv
import sys
from pathlib import Path

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from nextitnet_tf import training

_MODEL = flags.DEFINE_string("model", None, "A model.keras.", required=True)
_HISTORY = flags.DEFINE_string(
    "history", None, "Items, comma separated, oldest first; may be empty."
)
_INPUT = flags.DEFINE_string("input", None, "File with a history a line.")
_K = flags.DEFINE_integer("k", 10, "Items a history gets.", lower_bound=1)
_EXCLUDE_SEEN = flags.DEFINE_boolean(
    "exclude_seen", True, "Leave out the items of the history itself."
)


def main() -> None:
    if (_HISTORY.value is None) == (_INPUT.value is None):
        raise ValueError(
            "Expected either --history or --input. Received: "
            + ("neither" if _HISTORY.value is None else "both")
        )
    if _INPUT.value is None:
        lines = [_HISTORY.value]
    else:
        text = Path(_INPUT.value).read_text(encoding="utf-8-sig")
        lines = text.splitlines()
    if not lines:
        raise ValueError(
            "Expected a history a line, an empty line for a user without one. "
            f"Received: {_INPUT.value}, an empty file"
        )
    # As csv, so that what is printed can be read again.
    histories = [
        [field.strip() for field in fields if field.strip()]
        for line in lines
        for fields in (next(csv.reader([line]), []),)
    ]
    model = training.load_model(_MODEL.value)
    answers = model.recommend(
        histories, k=_K.value, exclude_seen=_EXCLUDE_SEEN.value
    )
    csv.writer(sys.stdout, lineterminator="\n").writerows(answers)


if __name__ == "__main__":
    command.run(main)
