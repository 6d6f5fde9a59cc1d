r"""Between the original TF1 release's checkpoints and ours.

  python -m experiments.convert --checkpoint=Models/8_0.001_0.4_6000.ckpt \
    --sessions=data/release --output=model.keras
  python -m experiments.convert --model=model.keras --output=Models/mine.ckpt

--checkpoint reads a checkpoint of NextItNet, with or without alpha, and writes
a model.keras; --model writes a checkpoint that the release can read.
--sessions gives the model the raw ids of prepared sessions, numbered as the
release numbers them: then it can recommend, and
`python -m experiments.evaluate --protocol=release` gives the release's
metrics. --with_optimizer takes Adam's moments and step count along.
"""

from pathlib import Path

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import conversion
from experiments import flag_values

_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", None, "A TF1 checkpoint: its path without .index."
)
_MODEL = flags.DEFINE_string("model", None, "A model.keras.")
_OUTPUT = flags.DEFINE_string(
    "output", None, "What to write: a .keras file, or a prefix.", required=True
)
_DILATION_RATES = flags.DEFINE_list(
    "dilation_rates",
    None,
    "Dilation rates of the checkpoint, which does not store them; cycled over "
    "the blocks. The default is what its names say, else 1,4.",
)
_SESSIONS = flags.DEFINE_string(
    "sessions", None, "Folder of the prepared sessions it was trained on."
)
_WITH_OPTIMIZER = flags.DEFINE_boolean(
    "with_optimizer", False, "Also converts Adam's moments and step count."
)


def main() -> None:
    if (_CHECKPOINT.value is None) == (_MODEL.value is None):
        raise ValueError(
            "Expected either --checkpoint or --model. Received: "
            + ("neither" if _MODEL.value is None else "both")
        )
    if _CHECKPOINT.value is None:
        for flag in (_DILATION_RATES, _SESSIONS):
            if flag.value is not None:
                raise ValueError(
                    f"--{flag.name} goes with --checkpoint. Received: --model"
                )
        said = conversion.write_checkpoint(
            _MODEL.value, Path(_OUTPUT.value), _WITH_OPTIMIZER.value
        )
    else:
        said = conversion.write_model(
            _CHECKPOINT.value,
            Path(_OUTPUT.value),
            _WITH_OPTIMIZER.value,
            flag_values.whole_numbers(_DILATION_RATES),
            _SESSIONS.value,
        )
    print(said)


if __name__ == "__main__":
    command.run(main)
