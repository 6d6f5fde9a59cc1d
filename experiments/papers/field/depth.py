r"""Depth: what more blocks are worth, beside counting.

NextItNet and SASRec, plain or gated, at several depths, trained as
`make reproduce-accuracy` trains them, on any data; `DATASET=deep` is
generated sessions whose law needs depth, with the best possible value known.

    make reproduce-depth DATASET=deep SEEDS=0,1,2
    make reproduce-depth DATASET=ml1m RAW=interactions.csv.gz SEEDS=0,1,2

Expected time on 2 cores: of `deep` 2 to 10 minutes a NextItNet, the deeper
the longer; of ML-1M 9 to 40 minutes. Expected numbers: none are published.
"""

import dataclasses
from typing import Any

from experiments.papers import counted
from experiments.papers.field import accuracy
from experiments.papers.rows import Choices
from experiments.papers.rows import Row

NAME = "depth"
TITLE = "Accuracy by depth"
KIND = "against_counting"
USES = ("settings", "depths")
HAS_OWN_RECIPES = True
# Model, what it is called, and its arguments beside the tuned ones.
_MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "nextitnet": ("nextitnet", "NextItNet", {}),
    "sasrec": ("sasrec", "SASRec", {}),
    "gated": ("sasrec", "gated SASRec", {"block": "gated"}),
}
NAMES = ("counting", *_MODELS)
DEFAULTS = {
    "protocol": "clean",
    "depths": "2,4,8,16",
    "settings": "counting,nextitnet,sasrec",
}
# Where there are more data than a model can learn by heart nothing is dropped
# out; of generated sessions a narrow model knows as much as a wide one.
_OF_DATA: dict[str, dict[str, Any]] = {
    "deep": {"dropout_rate": 0.0, "embedding_dim": 32},
}
# What deep models know of generated sessions beyond shallow ones they learn
# late, at a rate that does not fall, from whole sessions.
_RECIPES: dict[str, dict[str, Any]] = {
    "deep": {"learning_rate": 3e-3, "decay": "constant"},
}
_STAGES = {"deep": {"max_steps": 32, "patience": 32}}
_WHOLE_SESSIONS = ("deep",)


def rows(choices: Choices) -> list[Row]:
    """What is counted, then each model from shallow to deep."""
    found = counted.tried_rows(choices)
    changes = _OF_DATA.get(choices.dataset, {})
    for name in choices.settings:
        if name not in _MODELS:
            continue
        model, family, own = _MODELS[name]
        for depth in sorted(choices.depths):
            recipe = accuracy.recipe_of(model, choices, depth)
            (stage,) = recipe.stages
            budget = _STAGES.get(choices.dataset, {})
            if choices.dataset in _WHOLE_SESSIONS:
                protocol = dataclasses.replace(recipe.protocol, recut=False)
                recipe = dataclasses.replace(recipe, protocol=protocol)
            recipe = dataclasses.replace(
                recipe,
                stages=(dataclasses.replace(stage, **budget),),
                model_config={**recipe.model_config, **changes, **own},
                **_RECIPES.get(choices.dataset, {}),
            )
            found.append(Row(name, "baseline", recipe, family=family))
    return found
