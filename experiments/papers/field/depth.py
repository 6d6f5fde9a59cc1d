r"""Depth: what more blocks are worth, beside counting.

NextItNet and SASRec, plain or gated, at several depths, trained as
`make reproduce-accuracy` trains them, on any data; `DATASET=deep` is
generated sessions whose law is more than a shallow model of width 32 can hold,
with the best possible value known.

    make reproduce-depth DATASET=deep SEEDS=0,1,2
    make reproduce-depth DATASET=ml1m RAW=interactions.csv.gz SEEDS=0,1,2

Expected time on 2 cores of `deep`: 2 to 6 minutes a NextItNet, the deeper the
longer; of ML-1M 9 to 40 minutes. Expected numbers: none are published; of
`deep` we have MRR@5 without seen items .1968, .2125, .2212 and .2287 of
NextItNet with 2, 4, 8 and 16 blocks, three seeds, each above the one before;
SASRec rises in the same way below it, .1860, .1971, .2075 and .2185, and a
gated SASRec between both, .1961, .2062, .2149 and .2231. Of ML-1M 4 blocks are
as good as 32, and where 100 items of each user count (`--t=100
--protocol=leave_one_out --budget_in=passes --max_steps=50 --eval_every=2`, one
seed, half an hour a model on one core) .1004, .1006 and .1009 with 2, 4 and 8,
Markov .0972. Of Globo, news, with the arguments of `make reproduce-accuracy`
(`--sampled_fraction=0.2 --max_steps=6000`), one seed, up to half an hour a
model: NextItNet .2351, .2373 and .2391 with 2, 4 and 8 blocks, SASRec .2460 and
.2497 with 2 and 8, counting .2315; 4 and 8 are above 2 by their 95 % range over
sessions.
"""

import dataclasses
from typing import Any

from experiments.papers import counted
from experiments.papers.field import accuracy
from experiments.papers.rows import BUDGET
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.reporting import figure_comparisons
from experiments.reporting.claims import Claim
from nextitnet_tf.recipe import Recipe

NAME = "depth"
TITLE = "Accuracy by depth"
KIND = "against_counting"
USES = ("settings", "depths", *BUDGET)
HAS_OWN_RECIPES = True
# Model, what it is called, and its arguments beside the tuned ones.
_MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "nextitnet": ("nextitnet", "NextItNet", {}),
    "sasrec": ("sasrec", "SASRec", {}),
    "gated": ("sasrec", "gated SASRec", {"block": "gated"}),
}
NAMES = ("counting", *_MODELS)
CLAIMS = (
    Claim(
        "Is depth worth it", "", [figure_comparisons.beyond], answers="depth"
    ),
)
DEFAULTS = {
    "protocol": "clean",
    "depths": "2,4,8,16",
    "settings": "counting,nextitnet,sasrec",
}


def rows(choices: Choices) -> list[Row]:
    """What is counted, then each model from shallow to deep."""
    found = counted.tried_rows(choices)
    for name in choices.settings:
        if name not in _MODELS:
            continue
        model, family, own = _MODELS[name]
        for depth in sorted(choices.depths):
            recipe = accuracy.recipe_of(model, choices, depth)
            if choices.is_generated:
                recipe = _of_generated(recipe, choices)
            recipe = dataclasses.replace(
                recipe, model_config={**recipe.model_config, **own}
            )
            found.append(Row(name, "baseline", recipe, family=family))
    return found


def _of_generated(recipe: Recipe, choices: Choices) -> Recipe:
    """The recipe, as generated sessions call for it.

    None needs dropout there, and narrow models have reason to be deep.
    """
    (stage,) = recipe.stages
    stage = dataclasses.replace(
        stage, max_steps=8, eval_every=1, patience=8, budget_in="passes"
    )
    return dataclasses.replace(
        recipe,
        stages=(choices.stage_like(stage),),
        learning_rate=3e-3,
        decay="constant",
        model_config={
            **recipe.model_config,
            "dropout_rate": 0.0,
            "embedding_dim": 32,
        },
    )
