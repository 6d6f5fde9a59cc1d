r"""A trained model, written for processes that have not this package.

  nextitnet-tf export --model=results/my/model.keras --output=served/my/1
  nextitnet-tf export --model=results/my/model.keras --output=my-onnx \
    --format=onnx

A SavedModel, which TensorFlow and TensorFlow Serving answer from, takes
histories of raw ids with their lengths, `k` and `exclude_seen`, and returns
raw ids with their scores. An ONNX model, which onnxruntime answers from
without TensorFlow, has the model's own ids in and out; items.csv beside it
says which raw id each is. Both answer as `nextitnet-tf recommend` does.
"""

import logging
import warnings

from absl import flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from nextitnet_tf.models import exported
from nextitnet_tf.models import saved

_MODEL = flags.DEFINE_string("model", None, "A model.keras.", required=True)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder that is not there yet.", required=True
)
_FORMAT = flags.DEFINE_enum(
    "format", "saved_model", list(exported.FORMATS), "What to write."
)


def main() -> None:
    _silence_what_is_of_no_use()
    model = saved.load_model(_MODEL.value)
    model.export_recommender(_OUTPUT.value, _FORMAT.value)
    vocabulary = model.vocabulary
    print(
        f"wrote {_OUTPUT.value}: a {type(model).__name__} as {_FORMAT.value}, "
        f"k of 1 to {vocabulary.num_items}, the latest "
        f"{model.history_vocabulary.history_length} items of a history count"
    )


def _silence_what_is_of_no_use() -> None:
    """Remarks of the libraries that write, on their own internals."""
    for name in ("tensorflow", "tf2onnx"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="keras|tf2onnx")


def run() -> None:
    """Runs the command with the flags of the command line."""
    command.run(main)
