"""Converts between the TF1 release's checkpoints and saved models."""

import sys
from collections.abc import Sequence
from pathlib import Path

from nextitnet_tf import data
from nextitnet_tf import release
from nextitnet_tf.models import saved

_NUMBERING = (
    "note: this model numbers items by frequency (protocol clean), the release "
    "by first appearance in its csv: it would take the rows for other items"
)


def write_checkpoint(path: str, output: Path, with_optimizer: bool) -> str:
    """A saved model as a checkpoint that the release can read.

    Args:
        path: of the model.
        output: prefix of the checkpoint.
        with_optimizer: whether Adam's moments and step count go along.

    Returns:
        What to say of it.
    """
    model = saved.load_model(path, with_optimizer)
    if model.vocabulary is not None and model.vocabulary.padding_id == 0:
        print(_NUMBERING, file=sys.stderr)
    release.save_checkpoint(model, output)
    prefix = release.bare_prefix(output)
    return f"wrote {prefix}.index and {prefix}.data-00000-of-00001"


def write_model(
    checkpoint: str,
    output: Path,
    with_optimizer: bool,
    dilation_rates: Sequence[int] = (),
    sessions_folder: str | None = None,
) -> str:
    """A checkpoint of the release as a saved model.

    Args:
        checkpoint: its prefix.
        output: a .keras file.
        with_optimizer: whether Adam's moments and step count go along.
        dilation_rates: none for what the checkpoint's names say.
        sessions_folder: gives the model raw ids.

    Returns:
        What to say of it.

    Raises:
        ValueError: another kind of output, or sessions of other items.
    """
    if output.suffix != ".keras":
        raise ValueError(
            f"--output must end in .keras. Received: --output={output}"
        )
    model = release.load_checkpoint(
        checkpoint, tuple(dilation_rates) or None, with_optimizer=with_optimizer
    )
    if sessions_folder is not None:
        sessions = data.read_sessions(sessions_folder, "first_appearance")
        if sessions.num_items != model.num_items:
            raise ValueError(
                f"Expected the {model.num_items:,} items of the checkpoint, "
                "padding included. Received: "
                f"--sessions={sessions_folder} with {sessions.num_items:,}"
            )
        model.vocabulary = sessions.vocabulary
    saved.save_model(model, output)
    return (
        f"wrote {output}: {len(model.blocks)} blocks, "
        f"{model.embedding_dim} channels, {model.num_items:,} items, "
        f"dilation rates {', '.join(map(str, model.dilation_rates))}"
    )
