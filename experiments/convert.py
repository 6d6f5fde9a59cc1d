r"""Between the original TF1 release's checkpoints and ours.

  python -m experiments.convert --checkpoint=Models/8_0.001_0.4_6000.ckpt \
    --sessions=data/release --output=model.keras
  python -m experiments.convert --model=model.keras --output=Models/mine.ckpt

The former is a checkpoint of NextItNet, with or without alpha; the latter one
that the release can read. With --sessions the model knows raw ids: then it can
recommend, and `evaluate --protocol=release` gives the release's metrics.
"""

import sys
from pathlib import Path

from absl import flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from nextitnet_tf import data
from nextitnet_tf import release
from nextitnet_tf.commands import flag_values
from nextitnet_tf.models import saved

_STRINGS = {
    "checkpoint": "A TF1 checkpoint: its path without .index.",
    "model": "A model.keras.",
    "output": "What to write: a .keras file, or a prefix.",
    "sessions": "Folder of the prepared sessions it was trained on.",
}
_CHECKPOINT, _MODEL, _OUTPUT, _SESSIONS = (
    flags.DEFINE_string(name, None, text) for name, text in _STRINGS.items()
)
flags.mark_flag_as_required("output")
_DILATION_RATES = flags.DEFINE_list(
    "dilation_rates",
    None,
    "Dilation rates of the checkpoint, which does not store them, cycled over "
    "the blocks; by default what its names say, else 1,4.",
)
_WITH_OPTIMIZER = flags.DEFINE_boolean(
    "with_optimizer", False, "Also converts Adam's moments and step count."
)


def main() -> None:
    if (_CHECKPOINT.value is None) == (_MODEL.value is None):
        got = "neither" if _MODEL.value is None else "both"
        raise ValueError(f"Expected --checkpoint or --model. Received: {got}")
    if _MODEL.value is None:
        _write_model(_CHECKPOINT.value, Path(_OUTPUT.value))
    else:
        flag_values.check_used("--model", ("model", "output", "with_optimizer"))
        _write_checkpoint(_MODEL.value, Path(_OUTPUT.value))


def _write_checkpoint(path: str, output: Path) -> None:
    model = saved.load_model(path, _WITH_OPTIMIZER.value)
    if model.vocabulary is not None and model.vocabulary.padding_id == 0:
        print(
            "note: items are numbered by frequency (protocol clean), not by "
            "first appearance: the release would take them for others",
            file=sys.stderr,
        )
    release.save_checkpoint(model, output)
    prefix = release.bare_prefix(output)
    print(f"wrote {prefix}.index and {prefix}.data-00000-of-00001")


def _write_model(checkpoint: str, output: Path) -> None:
    if output.suffix != ".keras":
        raise ValueError(f"--output must end in .keras. Received: {output}")
    rates = tuple(flag_values.whole_numbers(_DILATION_RATES)) or None
    model = release.load_checkpoint(checkpoint, rates, _WITH_OPTIMIZER.value)
    if _SESSIONS.value is not None:
        sessions = data.read_sessions(_SESSIONS.value, "first_appearance")
        if sessions.num_items != model.num_items:
            raise ValueError(
                f"Expected {model.num_items:,} items with padding. Received: "
                f"--sessions={_SESSIONS.value} with {sessions.num_items:,}"
            )
        model.vocabulary = sessions.vocabulary
    saved.save_model(model, output)
    print(
        f"wrote {output}: {len(model.blocks)} blocks, "
        f"{model.embedding_dim} channels, {model.num_items:,} items, "
        f"dilation rates {', '.join(map(str, model.dilation_rates))}"
    )


if __name__ == "__main__":
    command.run(main)
