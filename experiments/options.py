"""The flags that entry points share: which data, which protocol, how long."""

import dataclasses
from pathlib import Path

from absl import flags

from datasets import movielens
from datasets import prepare
try:
    from datasets import synthetic
except ImportError:
    synthetic=None
from nextitnet_tf import recipe

DATASET = flags.DEFINE_string(
    "dataset", "ml20",
    "Name of the data: ml20 is downloaded unless --raw says where it is; "
    "synthetic is generated; any other name needs --raw.",
)
RAW = flags.DEFINE_string(
    "raw", None,
    "Raw data: a csv of interactions (gz too), a csv of sessions, or "
    "MovieLens' zip, folder or ratings file.",
)
SESSIONS = flags.DEFINE_string(
    "sessions", None,
    "Folder of prepared sessions (default data/DATASET): what --raw is "
    "prepared into, or what `python -m datasets.prepare` made.",
)
T = flags.DEFINE_integer(
    "t", 20, "Length of a session, in items; longer histories are cut."
)
OUTPUT = flags.DEFINE_string(
    "output", None, "Folder of results (default results/DATASET)."
)
PROTOCOL = flags.DEFINE_enum(
    "protocol", "clean", list(recipe.PROTOCOLS),
    "How data become numbers: 'release' as the original TF1 release does, "
    "'clean' without its flaws. Any field of it can be changed by a flag.",
)
STRATEGY = flags.DEFINE_enum(
    "strategy", "default", ["default", "mirrored"],
    "tf.distribute: one device, or all GPUs (all logical CPU devices where "
    "there is none) sharing each batch.",
)
_STAGE_DEFAULTS = recipe.Stage(num_blocks=1)
MAX_STEPS = flags.DEFINE_integer(
    "max_steps", _STAGE_DEFAULTS.max_steps, "Training steps a stage at most.",
    lower_bound=1,
)
EVAL_EVERY = flags.DEFINE_integer(
    "eval_every", _STAGE_DEFAULTS.eval_every,
    "Training steps between two evaluations.", lower_bound=1,
)
PATIENCE = flags.DEFINE_integer(
    "patience", _STAGE_DEFAULTS.patience,
    "Evaluations without a better MRR@5 before a stage stops.", lower_bound=1,
)
BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", 256, "Sessions a step, over all devices.", lower_bound=1
)
LEARNING_RATE = flags.DEFINE_float(
    "learning_rate", 1e-3, "Of Adam.", lower_bound=0.0
)
EMBEDDING_DIM = flags.DEFINE_integer(
    "embedding_dim", 64, "Width of embedding and hidden states.",
    lower_bound=1,
)
DILATION_RATES = flags.DEFINE_list(
    "dilation_rates", ["1", "4"],
    "Cycled over the blocks; a block of rate q convolves at q and 2q.",
)
USE_ALPHA = flags.DEFINE_boolean(
    "use_alpha", True, "Scale residual branches by a learned alpha (Eq. 3)."
)

# One flag a field of the protocol, None for "as the protocol has it".
_FIELDS = {
    field.name: (
        flags.DEFINE_boolean if field.type in (bool, "bool")
        else flags.DEFINE_float if field.type in (float, "float")
        else flags.DEFINE_string
    )(
        field.name, None,
        "Changes the protocol: "
        + ", ".join(
            f"{getattr(p, field.name)} in {name}"
            for name, p in recipe.PROTOCOLS.items()
        )
        + " (see the Protocol class).",
    )
    for field in dataclasses.fields(recipe.Protocol)
    if field.name != "name"
}


def protocol() -> recipe.Protocol:
    """The protocol the flags ask for."""
    changes = {
        name: flag.value
        for name, flag in _FIELDS.items()
        if flag.value is not None
    }
    return dataclasses.replace(recipe.PROTOCOLS[PROTOCOL.value], **changes)


def recipe_options() -> dict:
    """The flags that every stage and recipe of an entry point take."""
    return {
        "max_steps": MAX_STEPS.value,
        "eval_every": EVAL_EVERY.value,
        "patience": PATIENCE.value,
        "batch_size": BATCH_SIZE.value,
        "learning_rate": LEARNING_RATE.value,
        "model_config": {
            "embedding_dim": EMBEDDING_DIM.value,
            "dilation_rates": [
                whole_number("dilation_rates", q) for q in DILATION_RATES.value
            ],
            "use_alpha": USE_ALPHA.value,
        },
    }


def sessions_folder() -> Path:
    """Prepared sessions; prepares them first if need be."""
    folder = Path(SESSIONS.value or f"data/{DATASET.value}")
    if DATASET.value == "synthetic" and not RAW.value:
        return synthetic.prepare_synthetic(folder, t=T.value)
    if RAW.value:
        return prepare.prepare(RAW.value, folder, t=T.value)
    if SESSIONS.value:
        return folder
    if DATASET.value == "ml20":
        archive = movielens.download_ml20(Path("data/raw"))
        return prepare.prepare(archive, folder, t=T.value)
    raise ValueError(
        f"--dataset={DATASET.value} needs --raw=FILE (or --sessions=FOLDER, "
        "prepared before). Received: neither"
    )


def output_folder() -> Path:
    """Where results go; made if need be."""
    folder = Path(OUTPUT.value or f"results/{DATASET.value}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def whole_number(name: str, text: str) -> int:
    """One value of a list flag of whole numbers."""
    try:
        return int(text)
    except ValueError:
        raise ValueError(
            f"--{name} takes whole numbers. Received: {text!r}"
        ) from None
