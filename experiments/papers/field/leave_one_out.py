r"""Leave-one-out: models beside the values that others have published.

Each user's last item is the test, the last but one validates, all others are
trained on; the target is ranked among all items that the user has not seen.
No item and no user is filtered.

    make reproduce-leave-one-out DATASET=beauty RAW=interactions.csv.gz \
        SEEDS=0,1,2 ARGS=--time=file
    make reproduce-leave-one-out DATASET=ml1m RAW=interactions.csv.gz

    make reproduce-leave-one-out DATASET=beauty RAW=interactions.csv.gz \
        SETTINGS=counting,nextitnet,grec,gru4rec,ssept,gated ARGS=--time=file

Expected time on 2 cores with Amazon Beauty (5-core, 22,363 users): 5 minutes
a seed of SASRec of width 64, 20 of width 256, 5 to 15 of the others; counting
takes seconds, EASE a few minutes. Expected numbers: the published ones, below
(HR@10, NDCG@10). Sources differ in the width of the first: both are run. ML-1M
has ties in time, so that its last items are partly arbitrary.
"""

from typing import Any

from experiments.papers import counted
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from nextitnet_tf.recipe import Stage

NAME = "leave_one_out"
TITLE = "Leave-one-out"
KIND = "published"
USES = ("settings",)
# Model, what it is called, blocks, arguments: beside SASRec.
_OTHERS: dict[str, tuple[str, str, int, dict[str, Any]]] = {
    "nextitnet": ("nextitnet", "NextItNet", 4, {}),
    "grec": ("grec", "GRec", 4, {}),
    "gru4rec": ("gru4rec", "GRU4Rec", 1, {}),
    "ssept": ("ssept", "SSE-PT", 2, {}),
    "gated": ("sasrec", "gated SASRec", 2, {"block": "gated"}),
}
NAMES = ("counting", "sasrec-64", "sasrec-256", *_OTHERS)
DEFAULTS = {"protocol": "leave_one_out", "settings": "counting,sasrec-64"}

# HR@10 and NDCG@10, by who reports what.
PAPER: TableFigures = {
    "beauty": {
        "published": {
            "SASRec, cross-entropy": (0.0921, 0.0531),
            "SASRec, as usually reported": (0.0605, 0.0318),
        },
    },
    "ml1m": {
        "published": {
            "SASRec, full cross-entropy": (0.3152, 0.1821),
            "gSASRec": (0.3003, 0.1726),
            "eSASRec": (0.3133, 0.1772),
            "HSTU, 8 blocks": (0.3294, 0.1893),
        },
    },
}
# How histories are kept: length of the published models, and one target.
PREPARATION: dict[str, Any] = {
    "min_users_per_item": 0,
    "min_items_per_user": 0,
    "min_length": 1,
}
LENGTH = {"beauty": 50, "ml1m": 200}
_USUAL_LENGTH = 50
# Blocks, share of dropout, steps of about a pass over the users.
_OF_DATA = {"beauty": (1, 0.2, 175), "ml1m": (2, 0.1, 144)}
_BATCH_SIZE = 128
_PATIENCE = 10
_PASSES = 40


def preparation(dataset: str) -> dict[str, Any]:
    """How a data set is prepared, unless flags say."""
    return {**PREPARATION, "t": LENGTH.get(dataset, _USUAL_LENGTH) + 1}


def rows(choices: Choices) -> list[Row]:
    """Counting, and SASRec as its authors have it, with a softmax."""
    found = []
    if "counting" in choices.settings:
        found = counted.rows(choices, "counting")
    found += [
        _sasrec(choices, width)
        for width in (64, 256)
        if f"sasrec-{width}" in choices.settings
    ]
    return found + [
        _other(choices, name) for name in _OTHERS if name in choices.settings
    ]


def _sasrec(choices: Choices, width: int) -> Row:
    """As its authors have it, but for the softmax."""
    blocks, dropout, steps = _of_data(choices)
    usual = Stage(
        blocks,
        max_steps=_PASSES * steps,
        eval_every=steps,
        patience=_PATIENCE,
    )
    return Row(
        f"sasrec-{width}",
        "baseline",
        choices.recipe(
            choices.stage_like(usual),
            model="sasrec",
            batch_size=_BATCH_SIZE,
            model_config={
                "embedding_dim": width,
                "variant": "original",
                "use_alpha": False,
                "dropout_rate": dropout,
            },
        ),
        note=f"width {width}",
    )


def _other(choices: Choices, name: str) -> Row:
    """Another model of width 64, with as much dropout and time."""
    _, dropout, _ = _of_data(choices)
    model, family, depth, config = _OTHERS[name]
    usual = Stage(
        depth,
        max_steps=_PASSES,
        eval_every=1,
        patience=_PATIENCE,
        budget_in="passes",
    )
    return Row(
        name,
        "baseline",
        choices.recipe(
            choices.stage_like(usual),
            model=model,
            batch_size=_BATCH_SIZE,
            model_config={"embedding_dim": 64, **config}
            | ({} if model == "grec" else {"dropout_rate": dropout}),
        ),
        family=family,
    )


def _of_data(choices: Choices) -> tuple[int, float, int]:
    return _OF_DATA.get(choices.figures_of or "", _OF_DATA["beauty"])
