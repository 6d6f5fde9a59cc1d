r"""Accuracy: models trained as `make train` does, beside counting.

NextItNet, SASRec and GRU4Rec with the settings of `nextitnet_tf.tuned`, and
the counted models with the best of a few settings each. `sparse` are the same
models with what is better where items have few interactions.

    make reproduce-accuracy DATASET=ml1m RAW=interactions.csv.gz SEEDS=0,1,2
    make reproduce-accuracy DATASET=beauty RAW=interactions.csv.gz \
        SEEDS=0,1,2 ARGS=--time=file \
        SETTINGS=counting,nextitnet,sasrec,gru4rec,sparse
    make reproduce-accuracy DATASET=globo RAW=interactions.csv.gz \
        ARGS="--min_users_per_item=5 --sampled_fraction=0.2 --max_steps=6000 \
        --eval_every=1000"

Expected time on 2 cores with ML-1M: 10 to 15 minutes a model and seed,
counting a minute in all. Expected numbers (ML-1M, MRR@5 without seen items):
EASE 0.083, NextItNet, SASRec and GRU4Rec 0.087 to 0.089, one standard error
of the test 0.003. With Globo as above: 15 to 20 minutes a model, counting five
in all; one seed, Markov 0.232, SASRec 0.246, NextItNet 0.237, GRU4Rec 0.224.
With Beauty, whose test is small (one standard error 0.006): Markov 0.073, and
of `sparse`, three seeds, SASRec 0.074 (NDCG@10 0.100, Markov 0.091), NextItNet
0.061, five minutes a model.
"""

import dataclasses

from experiments.papers import counted
from experiments.papers.rows import BUDGET
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.reporting import figure_comparisons
from experiments.reporting.claims import Claim
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.tuned import SPARSE
from nextitnet_tf.tuned import TUNED

NAME = "accuracy"
TITLE = "Trained models and counting"
KIND = "against_counting"
USES = ("settings", *BUDGET)
HAS_OWN_RECIPES = True
_MODELS = ("nextitnet", "sasrec", "gru4rec")
NAMES = ("counting", *_MODELS, "sparse")
CLAIMS = (
    Claim(
        "Is training worth it",
        "",
        [figure_comparisons.in_short],
        answers="counting",
    ),
)
DEFAULTS = {
    "protocol": "clean",
    "settings": ",".join(["counting", *_MODELS]),
}


def rows(choices: Choices) -> list[Row]:
    """What is counted, then what is trained."""
    found = counted.tried_rows(choices) + [
        Row(name, "baseline", recipe_of(name, choices))
        for name in _MODELS
        if name in choices.settings
    ]
    if "sparse" in choices.settings:
        for name, arguments in SPARSE.items():
            recipe = recipe_of(name, choices)
            config = {**recipe.model_config, **arguments}
            recipe = dataclasses.replace(recipe, model_config=config)
            note = ", ".join(f"{n}={v}" for n, v in arguments.items())
            found.append(Row("sparse", "baseline", recipe, note=note))
    return found


def recipe_of(
    model: str, choices: Choices, num_blocks: int | None = None
) -> Recipe:
    """A model's tuned recipe, under protocol, seed and budget asked for.

    Args:
        model: by name.
        choices: what was asked for.
        num_blocks: another depth than the tuned one.
    """
    recipe = TUNED[model]
    stage = recipe.stages[0]
    if num_blocks is not None:
        stage = dataclasses.replace(stage, num_blocks=num_blocks)
    # A sampled softmax has no smoothed labels.
    smoothing = recipe.label_smoothing
    return dataclasses.replace(
        recipe,
        stages=(choices.stage_like(stage),),
        protocol=choices.protocol,
        seed=choices.seed,
        label_smoothing=0.0 if choices.protocol.sampled_fraction else smoothing,
    )
