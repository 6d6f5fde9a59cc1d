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
a seed of SASRec of width 64, 20 of width 256, 10 to 20 of the others; counting
takes a minute, EASE some minutes; with ML-1M two hours of SASRec. Expected
numbers (HR@10, NDCG@10): the published ones, below; on Beauty we have 0.092
and 0.055, of width 256 0.092 and 0.056, three seeds each (results/beauty), on
Amazon's games, by the same command, 0.113 and 0.062, one seed (results/games),
on ML-1M 0.290 and 0.165, with a falling rate 0.288 and 0.164, one seed
(results/ml1m). Sources differ in the width of the first: both are run.

ML-1M has ties in time, so that its last items are partly arbitrary, and what is
published depends on the order in which somebody's file has them. How much, two
more files show, of which SASRec learns the latest 50 items (half an hour each):

    python -m datasets.order_ties --raw=interactions.csv.gz --output=by_item.csv
    make reproduce-leave-one-out DATASET=ml1m_50_by_item RAW=by_item.csv \
        ARGS=--time=file

and so with `--fill` and DATASET=ml1m_50_filled, beside DATASET=ml1m_50 of the
file as it is. Of a file a third of whose times is missing we have HR@10 and
NDCG@10 of 0.254 and 0.140 as it is, 0.255 and 0.142 with the ties that are
known in the order of their items, and 0.279 and 0.160 where a missing time is
that of the rating before: one seed each, counting 0.214, 0.218 and 0.217. An
order that is the same for all users can be learned, by SASRec more than by
counting.
"""

import dataclasses
from collections.abc import Mapping
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
_TIED = {"tie_output": True}
_ORIGINAL = {"variant": "original", "use_alpha": False}
_FAST = {"learning_rate": 4e-3, "decay": "cosine"}
# Beside SASRec, by setting: model, what it is called, blocks, arguments,
# and what else of the recipe is not as SASRec's. Outputs are tied where they
# can be, as SASRec's is: with so few interactions an item it is worth much.
_OTHERS: dict[str, tuple[str, str, int, dict[str, Any], dict[str, Any]]] = {
    "nextitnet": (
        "nextitnet",
        "NextItNet",
        4,
        _TIED | {"dropout_rate": 0.4},
        _FAST,
    ),
    "grec": ("grec", "GRec", 4, _TIED, _FAST),
    "gru4rec": ("gru4rec", "GRU4Rec", 1, _TIED, _FAST),
    "ssept": ("ssept", "SSE-PT", 1, _ORIGINAL, {}),
    "gated": ("sasrec", "gated SASRec", 1, _ORIGINAL | {"block": "gated"}, {}),
}
NAMES = (
    *("counting", "sasrec-64", "sasrec-256", "sasrec-64-falling"),
    *_OTHERS,
)
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
# MovieLens 1M, shorter, with its ties as the file has them and by item.
_SHORT = ("ml1m_50", "ml1m_50_by_item", "ml1m_50_filled")
LENGTH = {"beauty": 50, "ml1m": 200, **dict.fromkeys(_SHORT, 50)}
_USUAL_LENGTH = 50
_BATCH_SIZE = 128
_PATIENCE = 10


@dataclasses.dataclass(frozen=True)
class _Usual:
    """How models are trained on a data set, where nobody says.

    Attributes:
        num_blocks: of SASRec.
        dropout_rate: of all models that have one.
        passes: over the users, at most.
        eval_every: passes between two evaluations.
        steps: of about a pass.
        options: of the `Recipe`.
    """

    num_blocks: int = 1
    dropout_rate: float = 0.2
    passes: int = 40
    eval_every: int = 1
    steps: int = 175
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)


_USUAL = _Usual()
_ML1M = _Usual(
    num_blocks=2, dropout_rate=0.1, passes=120, eval_every=3, steps=48
)
_OF_DATA = {
    "ml1m": _ML1M,
    **dict.fromkeys(
        _SHORT, dataclasses.replace(_ML1M, passes=50, eval_every=2)
    ),
}


def _falling(usual: _Usual) -> _Usual:
    """At twice the rate, which falls, over three quarters of the passes."""
    return dataclasses.replace(
        usual,
        dropout_rate=0.2,
        passes=usual.passes * 3 // 4,
        eval_every=max(1, usual.eval_every * 2 // 3),
        options={"learning_rate": 2e-3, "decay": "cosine"},
    )


def preparation(dataset: str) -> dict[str, Any]:
    """How a data set is prepared, unless flags say."""
    return {**PREPARATION, "t": LENGTH.get(dataset, _USUAL_LENGTH) + 1}


def rows(choices: Choices) -> list[Row]:
    """Counting, and SASRec as its authors have it, with a softmax."""
    usual = _usual(choices)
    of_sasrec = {
        "sasrec-64": (64, usual, "width 64"),
        "sasrec-256": (256, usual, "width 256"),
        "sasrec-64-falling": (64, _falling(usual), "width 64, falling rate"),
    }
    return [
        *counted.tried_rows(choices),
        *(
            _sasrec(choices, name, *of_sasrec[name])
            for name in of_sasrec
            if name in choices.settings
        ),
        *(
            _other(choices, name)
            for name in _OTHERS
            if name in choices.settings
        ),
    ]


def _sasrec(
    choices: Choices, name: str, width: int, usual: _Usual, note: str
) -> Row:
    """As its authors have it, but for the softmax."""
    every = usual.eval_every * usual.steps
    stage = Stage(
        usual.num_blocks,
        max_steps=usual.passes * usual.steps,
        eval_every=every,
        patience=_PATIENCE,
    )
    return Row(
        name,
        "baseline",
        choices.recipe(
            choices.stage_like(stage),
            model="sasrec",
            batch_size=_BATCH_SIZE,
            **_options(choices, usual.options),
            model_config={
                "embedding_dim": width,
                "variant": "original",
                "use_alpha": False,
                "dropout_rate": usual.dropout_rate,
            },
        ),
        note=note,
    )


def _other(choices: Choices, name: str) -> Row:
    """Another model of width 64."""
    usual = _usual(choices)
    model, family, depth, config, options = _OTHERS[name]
    stage = Stage(
        depth,
        # At four times the rate half of the passes are enough.
        max_steps=usual.passes // (2 if options is _FAST else 1),
        eval_every=usual.eval_every,
        patience=_PATIENCE,
        budget_in="passes",
    )
    dropout = {"dropout_rate": usual.dropout_rate}
    return Row(
        name,
        "baseline",
        choices.recipe(
            choices.stage_like(stage),
            model=model,
            batch_size=_BATCH_SIZE,
            model_config={"embedding_dim": 64, **dropout, **config},
            **_options(choices, options),
        ),
        family=family,
    )


def _usual(choices: Choices) -> _Usual:
    return _OF_DATA.get(choices.dataset, _USUAL)


def _options(choices: Choices, own: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a recipe, but for those that were asked for."""
    return {k: v for k, v in own.items() if k not in choices.options}
