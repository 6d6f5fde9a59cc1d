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

import sys
from pathlib import Path

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from nextitnet_tf import data
from nextitnet_tf import release
from nextitnet_tf import training

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
    "Of the checkpoint, which does not store them; cycled over the blocks. "
    "Default: what its names say, else 1,4.",
)
_SESSIONS = flags.DEFINE_string(
    "sessions", None, "Folder of the prepared sessions it was trained on."
)
_WITH_OPTIMIZER = flags.DEFINE_boolean(
    "with_optimizer", False, "Also convert Adam's moments and step count."
)


def main() -> None:
    if (_CHECKPOINT.value is None) == (_MODEL.value is None):
        raise ValueError(
            "Expected either --checkpoint or --model. Received: "
            + ("neither" if _MODEL.value is None else "both")
        )
    output = Path(_OUTPUT.value)
    if _CHECKPOINT.value is None:
        for flag in (_DILATION_RATES, _SESSIONS):
            if flag.value is not None:
                raise ValueError(
                    f"--{flag.name} goes with --checkpoint. Received: --model"
                )
        model = training.load_model(_MODEL.value, _WITH_OPTIMIZER.value)
        vocabulary = model.vocabulary
        if vocabulary is not None and vocabulary.padding_id == 0:
            print(
                "note: this model numbers items by frequency (protocol "
                "clean), the release by first appearance in its csv: it "
                "would take the rows for other items",
                file=sys.stderr,
            )
        release.save_checkpoint(model, output)
        output = Path(release.bare_prefix(output))
        print(f"wrote {output}.index and {output}.data-00000-of-00001")
        return
    if output.suffix != ".keras":
        raise ValueError(
            f"--output must end in .keras. Received: --output={output}"
        )
    rates = _DILATION_RATES.value
    model = release.load_checkpoint(
        _CHECKPOINT.value,
        rates
        and tuple(command.whole_number("dilation_rates", r) for r in rates),
        with_optimizer=_WITH_OPTIMIZER.value,
    )
    if _SESSIONS.value is not None:
        sessions = data.read_sessions(_SESSIONS.value, "first_appearance")
        if sessions.num_items != model.num_items:
            raise ValueError(
                f"Expected the {model.num_items:,} items of the checkpoint, "
                "padding included. Received: "
                f"--sessions={_SESSIONS.value} with {sessions.num_items:,}"
            )
        model.vocabulary = sessions.vocabulary
    training.save_model(model, output)
    print(
        f"wrote {output}: {len(model.blocks)} blocks, "
        f"{model.embedding_dim} channels, {model.num_items:,} items, "
        f"dilation rates {', '.join(map(str, model.dilation_rates))}"
    )


if __name__ == "__main__":
    command.run(main)
