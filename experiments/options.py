"""The flags that entry points share: which data, which protocol, how long."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from datasets import movielens
from datasets import prepare
from datasets import sessions as sessions_on_disk
from datasets import synthetic
from experiments import command
from experiments.recipes import paper_data
from nextitnet_tf import recipe

DATASET = flags.DEFINE_string(
    "dataset",
    None,
    "Name of the data: ml20 is downloaded unless --raw says where it is, "
    "synthetic is generated; any other name needs --raw or --sessions. "
    "Default: the name of the raw file.",
)
RAW = flags.DEFINE_string(
    "raw",
    None,
    "Raw data: a csv of interactions (gz too), a csv of sessions, or "
    "MovieLens' zip, folder or ratings file.",
)
SESSIONS = flags.DEFINE_string(
    "sessions",
    None,
    "Folder of prepared sessions (default data/DATASET): what --raw is "
    "prepared into, or what `python -m datasets.prepare` made.",
)
T = flags.DEFINE_integer(
    "t",
    None,
    "Length of a session, in items (20; of a csv of sessions, its widest "
    "line); longer histories are cut.",
)
FORCE = flags.DEFINE_boolean(
    "force",
    False,
    "Prepare the sessions again if they were prepared in another way.",
)
OUTPUT = flags.DEFINE_string(
    "output", None, "Folder of results (default results/DATASET)."
)
PROTOCOL = flags.DEFINE_list(
    "protocol",
    ["clean"],
    "How data become numbers: 'release' as the original TF1 release does, "
    "'clean' without its flaws; tables take both, comma separated. Any field "
    "can be changed by a flag of its name.",
)
STRATEGY = flags.DEFINE_enum(
    "strategy",
    "default",
    ["default", "mirrored"],
    "tf.distribute: one device, or all GPUs (all logical CPU devices where "
    "there is none) sharing each batch.",
)
_STAGE_DEFAULTS = recipe.Stage(num_blocks=1)
MAX_STEPS = flags.DEFINE_integer(
    "max_steps",
    None,
    f"Training steps a stage at most ({_STAGE_DEFAULTS.max_steps}).",
    lower_bound=1,
)
EVAL_EVERY = flags.DEFINE_integer(
    "eval_every",
    None,
    f"Training steps between two evaluations ({_STAGE_DEFAULTS.eval_every}).",
    lower_bound=1,
)
PATIENCE = flags.DEFINE_integer(
    "patience",
    None,
    "Evaluations without a better MRR@5 before a stage stops "
    f"({_STAGE_DEFAULTS.patience}).",
    lower_bound=1,
)
BATCH_SIZE = flags.DEFINE_integer(
    "batch_size",
    None,
    "Sessions a step, over all devices (256; of --dataset=coldrec 64).",
    lower_bound=1,
)
LEARNING_RATE = flags.DEFINE_float(
    "learning_rate", 1e-3, "Of Adam.", lower_bound=0.0
)
EMBEDDING_DIM = flags.DEFINE_integer(
    "embedding_dim",
    64,
    "Width of embedding and hidden states.",
    lower_bound=1,
)
DILATION_RATES = flags.DEFINE_list(
    "dilation_rates",
    None,
    "Cycled over the blocks; a block of rate q convolves at q and 2q (1,4; of "
    "--dataset=kuaibao 1,2).",
)
USE_ALPHA = flags.DEFINE_boolean(
    "use_alpha", True, "Scale residual branches by a learned alpha (Eq. 3)."
)
DTYPE = flags.DEFINE_enum(
    "dtype",
    None,
    ["float32", "mixed_bfloat16", "mixed_float16"],
    "Arithmetic of blocks and logits; weights, loss and optimizer are float32 "
    "in any case (float32). The mixed ones are for accelerators.",
)

# One flag a field of the protocol, None for "as the protocol has it".
_FIELDS = {
    field.name: (
        flags.DEFINE_boolean
        if field.type in (bool, "bool")
        else flags.DEFINE_float
        if field.type in (float, "float")
        else flags.DEFINE_string
    )(
        field.name,
        None,
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


def protocols() -> list[recipe.Protocol]:
    """The protocols the flags ask for."""
    for name in PROTOCOL.value:
        if name not in recipe.PROTOCOLS:
            raise ValueError(
                f"--protocol must be among {', '.join(recipe.PROTOCOLS)}. "
                f"Received: {name}"
            )
    return [p for p in all_protocols() if p.name in PROTOCOL.value]


def all_protocols() -> list[recipe.Protocol]:
    """Every protocol, with what flags and data set change of it."""
    changes = paper_data.protocol_changes(DATASET.value or "")
    changes |= {
        name: flag.value
        for name, flag in _FIELDS.items()
        if flag.value is not None
    }
    return [
        dataclasses.replace(protocol, **changes)
        for protocol in recipe.PROTOCOLS.values()
    ]


def protocol() -> recipe.Protocol:
    """The one protocol the flags ask for."""
    found = protocols()
    if len(found) != 1:
        raise ValueError(
            f"--protocol takes one name here. Received: {PROTOCOL.value}"
        )
    return found[0]


def budget(default: Mapping[str, int] | None = None) -> dict[str, Any]:
    """max_steps, eval_every and patience of a `Stage`, as far as known.

    Args:
        default: for what no flag says.
    """
    given = {
        flag.name: flag.value
        for flag in (MAX_STEPS, EVAL_EVERY, PATIENCE)
        if flag.value is not None
    }
    return {**(default or {}), **given}


def batch_size() -> int:
    """Sessions a step: the flag's, else the data set's."""
    usual = paper_data.recipe_options(DATASET.value or "")
    return BATCH_SIZE.value or usual["batch_size"]


def recipe_options() -> dict:
    """What flags and data set say of a `Recipe`."""
    usual = paper_data.recipe_options(DATASET.value or "")
    return {
        "batch_size": batch_size(),
        "learning_rate": LEARNING_RATE.value,
        "model_config": {
            "embedding_dim": EMBEDDING_DIM.value,
            "dilation_rates": (
                usual["dilation_rates"]
                if DILATION_RATES.value is None
                else [
                    command.whole_number("dilation_rates", q)
                    for q in DILATION_RATES.value
                ]
            ),
            "use_alpha": USE_ALPHA.value,
            # Unsaid, it is no part of what names a run.
            **({"dtype": DTYPE.value} if DTYPE.value else {}),
        },
    }


def dataset_name() -> str:
    """What the data are called, in folders and tables."""
    if DATASET.value:
        return DATASET.value
    source = RAW.value or SESSIONS.value
    if not source:
        raise ValueError(
            "Expected --raw=FILE, --sessions=FOLDER or --dataset=ml20. "
            "Received: none of them"
        )
    return Path(source).name.split(".")[0] or "data"


def sessions_folder() -> Path:
    """Prepared sessions; prepares them first if need be."""
    name = dataset_name()
    folder = Path(SESSIONS.value or f"data/{name}")
    t = T.value or paper_data.session_length(DATASET.value or "")
    choices: dict[str, Any] = {} if t is None else {"t": t}
    raw = RAW.value
    if raw is None and name == "synthetic":
        return synthetic.prepare_synthetic(folder, force=FORCE.value, **choices)
    if raw is None and (SESSIONS.value or (folder / "meta.json").is_file()):
        sessions_on_disk.check_folder(folder, T.value)
        return folder
    if raw is None and name == "ml20":
        raw = movielens.download_ml20(Path("data/raw"))
    if raw is None:
        raise ValueError(
            f"--dataset={name} needs --raw=FILE, or --sessions=FOLDER if it "
            "was prepared before. Received: neither"
        )
    return prepare.prepare(raw, folder, force=FORCE.value, **choices)


def output_folder() -> Path:
    """Where results go; made if need be."""
    folder = Path(OUTPUT.value or f"results/{dataset_name()}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
