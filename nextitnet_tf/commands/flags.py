"""The flags that commands share: which data, which recipe, where to.

A command says which of them it takes (`flag_values.check_used`).
"""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from nextitnet_tf import paper_data
from nextitnet_tf import recipe
from nextitnet_tf.commands import downloads
from nextitnet_tf.commands import flag_values
from nextitnet_tf.commands import preparation_flags
from nextitnet_tf.preparation import prepare
from nextitnet_tf.preparation import raw_files
from nextitnet_tf.preparation import sessions as sessions_on_disk
from nextitnet_tf.preparation import synthetic

# --- which data ------------------------------------------------------------

DATASET = flags.DEFINE_string(
    "dataset",
    None,
    "Name of the data. ml20 is downloaded unless --raw says where it is, "
    "synthetic and deep (whose law needs depth) are generated; any other "
    "name needs --raw or --sessions. By default the name of the raw file.",
)
RAW = flags.DEFINE_string(
    "raw",
    None,
    "Raw data: a csv of interactions (gz too) or of sessions, parquet, "
    "MovieLens' zip, folder or ratings file, or another of --format.",
)
SESSIONS = flags.DEFINE_string(
    "sessions",
    None,
    "Folder of prepared sessions, by default data/DATASET: what --raw is "
    "prepared into, or what `nextitnet-tf prepare` made.",
)
# How raw data become sessions.
preparation_flags.define_flags()


def preparation(usual: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What flags and data set say of how raw data become sessions.

    Args:
        usual: for what no flag says.
    """
    t = paper_data.session_length(DATASET.value or "")
    of_data = {} if t is None else {"t": t}
    return {**of_data, **(usual or {}), **preparation_flags.given()}


DATA = ("dataset", "raw", "sessions", *preparation_flags.NAMES)
OUTPUT = flags.DEFINE_string(
    "output", None, "Folder of results, by default results/DATASET."
)
RESULTS = flags.DEFINE_string("results", "results", "Folder of all results.")

# --- how they become numbers, and how long -----------------------------------

PROTOCOL = flags.DEFINE_list(
    "protocol",
    ["clean"],
    "How data become numbers: 'release' as the original TF1 release does, "
    "'clean' without its flaws, 'cprec_release' as CpRec's release does, "
    "'skiprec_release' as SkipRec's, 'skiprec_paper' with its paper's split, "
    "'leave_one_out' as the field publishes, "
    "'temporal' what comes after by what came before; tables take several, "
    "comma separated. Any field of a protocol can be changed "
    "by the flag of its name.",
)
STRATEGY = flags.DEFINE_enum(
    "strategy",
    "default",
    ["default", "mirrored", "multi_worker"],
    "tf.distribute: one device; all GPUs (all logical CPU devices where there "
    "is none) sharing each batch; or those of all workers in TF_CONFIG.",
)
_STAGE_DEFAULTS = recipe.Stage(num_blocks=1)
MAX_STEPS = flags.DEFINE_integer(
    "max_steps",
    None,
    "Training steps of a stage at most; the default is "
    f"{_STAGE_DEFAULTS.max_steps:,}, of the paper's data sets 300,000.",
    lower_bound=1,
)
EVAL_EVERY = flags.DEFINE_integer(
    "eval_every",
    None,
    "Training steps between two evaluations; the default is "
    f"{_STAGE_DEFAULTS.eval_every}, of the paper's data sets 6,000.",
    lower_bound=1,
)
PATIENCE = flags.DEFINE_integer(
    "patience",
    None,
    "Evaluations without a better MRR@5 before a stage stops; the default is "
    f"{_STAGE_DEFAULTS.patience}, of the paper's data sets 8.",
    lower_bound=1,
)
BATCH_SIZE = flags.DEFINE_integer(
    "batch_size",
    None,
    "Sessions a step, over all devices; the default is 256, of "
    "--dataset=coldrec 64.",
    lower_bound=1,
)
BUDGET_IN = flags.DEFINE_enum(
    "budget_in",
    None,
    ["steps", "passes"],
    "What --max_steps and --eval_every count: training steps, or passes over "
    "the training sessions.",
)
LEARNING_RATE = flags.DEFINE_float(
    "learning_rate",
    None,
    "Adam's learning rate; where nobody says, 0.001. A model that is tuned has "
    "its own default, like the flags that follow (train under protocol clean; "
    "docs/accuracy.md).",
    lower_bound=0.0,
)
DECAY = flags.DEFINE_enum(
    "decay",
    None,
    list(recipe.DECAYS),
    "Whether the learning rate falls to a hundredth over a stage's steps, or "
    "over the second half of them; where nobody says, it is constant.",
)
WEIGHT_DECAY = flags.DEFINE_float(
    "weight_decay",
    None,
    "AdamW's decay of matrices and tables; the default is none.",
    lower_bound=0.0,
)
LABEL_SMOOTHING = flags.DEFINE_float(
    "label_smoothing",
    None,
    "Share of a target that is spread over all items; the default is none.",
    lower_bound=0.0,
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
    "Dilation rates, cycled over the blocks: a block of rate q convolves at q "
    "and 2q. The default is 1,4, of --dataset=kuaibao 1,2.",
)
USE_ALPHA = flags.DEFINE_boolean(
    "use_alpha",
    True,
    "Scales residual branches by a learned alpha (Eq. 3 of StackRec).",
)
DTYPE = flags.DEFINE_enum(
    "dtype",
    None,
    ["float32", "mixed_bfloat16", "mixed_float16"],
    "Arithmetic of blocks and logits, by default float32; weights, loss and "
    "optimizer are float32 in any case. The mixed ones are for accelerators.",
)


FIELDS = flag_values.define_fields(
    recipe.Protocol, recipe.PROTOCOLS, prefix="", what="the protocol"
)
_RECIPE = (
    *("protocol", *FIELDS, "strategy", "max_steps", "eval_every", "patience"),
    *("budget_in", "batch_size", "learning_rate", "decay", "weight_decay"),
    *("label_smoothing", "embedding_dim", "dilation_rates", "use_alpha"),
    "dtype",
)
TRAINING = (*DATA, "output", *_RECIPE)


def protocols(
    named: Mapping[str, recipe.Protocol] = recipe.PROTOCOLS,
) -> list[recipe.Protocol]:
    """The protocols the flags ask for, with what flags and data set change.

    Args:
        named: what each is where nobody says.
    """
    for name in PROTOCOL.value:
        if name not in named:
            raise ValueError(
                f"--protocol must be among {', '.join(named)}. Received: {name}"
            )
    changes = {
        **paper_data.protocol_changes(DATASET.value or ""),
        **flag_values.given(FIELDS),
    }
    if changes.get("reshuffle") is False:  # then nothing is cut anew
        changes.setdefault("recut", False)
    return [
        dataclasses.replace(protocol, **changes)
        for name, protocol in named.items()
        if name in PROTOCOL.value
    ]


def protocol(
    named: Mapping[str, recipe.Protocol] = recipe.PROTOCOLS,
) -> recipe.Protocol:
    """The one protocol the flags ask for; see `protocols`."""
    found = protocols(named)
    if len(found) != 1:
        raise ValueError(
            f"--protocol takes one name here. Received: {PROTOCOL.value}"
        )
    return found[0]


def budget(default: Mapping[str, int] | None = None) -> dict[str, Any]:
    """max_steps, eval_every and patience of a `Stage`, as far as known.

    Args:
        default: for what no flag says.

    Raises:
        ValueError: passes are to be counted, but the default counts steps.
    """
    holders = {
        flag.name: flag for flag in (MAX_STEPS, EVAL_EVERY, PATIENCE, BUDGET_IN)
    }
    said = flag_values.given(holders)
    missing = {"max_steps", "eval_every"} - said.keys()
    if default is not None and said.get("budget_in") == "passes" and missing:
        raise ValueError(
            "--budget_in=passes needs --max_steps and --eval_every here, whose "
            "defaults are training steps. Received: no "
            + " and no ".join(f"--{name}" for name in sorted(missing))
        )
    return {**(default or {}), **said}


def optimization() -> dict[str, Any]:
    """What flags say of the optimizer and the loss, batches apart."""
    said = (LEARNING_RATE, DECAY, WEIGHT_DECAY, LABEL_SMOOTHING)
    return flag_values.given({flag.name: flag for flag in said})


def recipe_options() -> dict[str, Any]:
    """What flags and data set say of a `Recipe`."""
    usual = paper_data.recipe_options(DATASET.value or "")
    rates = usual["dilation_rates"]
    if DILATION_RATES.value is not None:
        rates = flag_values.whole_numbers(DILATION_RATES)
    return {
        "batch_size": BATCH_SIZE.value or usual["batch_size"],
        **optimization(),
        "model_config": {
            "embedding_dim": EMBEDDING_DIM.value,
            "dilation_rates": rates,
            "use_alpha": USE_ALPHA.value,
            # Unsaid, it is no part of what names a run.
            **({"dtype": DTYPE.value} if DTYPE.value else {}),
        },
    }


# --- folders ---------------------------------------------------------------


def dataset_name() -> str:
    """What the data are called, in folders and tables."""
    if DATASET.value:
        if not re.fullmatch(r"\w[\w.-]*", DATASET.value):
            raise ValueError(
                "A data set names folders: expected letters, digits, '.', '_' "
                f"and '-'. Received: --dataset={DATASET.value}"
            )
        return DATASET.value
    if source := SESSIONS.value or RAW.value:
        return raw_files.name_of(source)
    raise ValueError(
        "Expected --raw=FILE, --sessions=FOLDER or --dataset=ml20. "
        "Received: none of them"
    )


def is_generated() -> bool:
    """Whether the data are drawn from a law: by their name, without a file."""
    return RAW.value is None and DATASET.value in synthetic.GENERATED


def sessions_folder(
    usual: Mapping[str, Any] | None = None,
    suffix: str = "",
    as_found: bool = False,
) -> Path:
    """Prepared sessions; prepares them first if need be.

    Args:
        usual: how, as far as no flag says.
        suffix: of the folder's name, unless --sessions says it.
        as_found: takes what was prepared of the raw file, if no flag says how.
    """
    name = dataset_name()
    folder = Path(SESSIONS.value or f"data/{name}{suffix}")
    how = preparation(usual)
    raw = RAW.value
    if raw is None and name in synthetic.GENERATED:
        law = synthetic.GENERATED[name]
        return synthetic.prepare_synthetic(folder, **{**law, **how})
    if raw is None and (SESSIONS.value or (folder / "meta.json").is_file()):
        _check_prepared(folder)
        return folder
    if raw is None and name == "ml20":
        raw = downloads.download_ml20(Path("data/raw"))
    if raw is None:
        raise ValueError(
            f"--dataset={name} needs --raw=FILE, or --sessions=FOLDER if it "
            "was prepared before. Received: neither"
        )
    as_found &= not preparation_flags.given()
    if as_found and sessions_on_disk.is_of(folder, raw):
        return folder
    return prepare(raw, folder, **how)


def _check_prepared(folder: Path) -> None:
    """Raises if sessions that are there are not as the flags ask."""
    for name, value in preparation_flags.given().items():
        if name != "t":
            raise ValueError(
                f"--{name} says how a raw file is prepared: expected "
                f"--raw=FILE with it. Received: --{name}={value} and the "
                f"prepared sessions in {folder}"
            )
    sessions_on_disk.check_folder(folder, preparation_flags.given().get("t"))


def output_folder(is_made: bool = True) -> Path:
    """Where results go; made if need be, or left as it is."""
    folder = Path(OUTPUT.value or f"results/{dataset_name()}")
    if is_made:
        folder.mkdir(parents=True, exist_ok=True)
    return folder
