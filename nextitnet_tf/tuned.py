"""How each model is trained where nobody says how.

Settings that validated best among some fifty trials on MovieLens 1M, one seed
each: rows of 20, the ranking without seen items. GRU4Rec is half as wide as in
its best trial, for a third of the time. What they come to over seeds stands in
`docs/accuracy.md`; `make tune` searches for better ones. Their budgets count
passes, to fit data of any size.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from nextitnet_tf.protocol import PROTOCOLS
from nextitnet_tf.protocol import Protocol
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage

# Cutting histories at new places in each pass was worth most in those trials;
# early stopping looks at what a user would see. Who is in which part of the
# split, and what is reported, is as in the protocol of that name.
TUNED_PROTOCOLS: Mapping[str, Protocol] = {
    **PROTOCOLS,
    "clean": dataclasses.replace(
        PROTOCOLS["clean"], recut=True, stop_on_unseen=True
    ),
}


def _recipe(model: str, num_blocks: int, passes: int, **options) -> Recipe:
    stage = Stage(
        num_blocks,
        max_steps=passes,
        eval_every=1,
        patience=10,
        budget_in="passes",
    )
    return Recipe(
        stages=(stage,),
        protocol=TUNED_PROTOCOLS["clean"],
        model=model,
        decay="cosine",
        **options,
    )


# By the model's name. Others have the defaults of `Recipe` and `Stage`.
TUNED: Mapping[str, Recipe] = {
    "nextitnet": _recipe(
        "nextitnet",
        4,
        passes=40,
        learning_rate=4e-3,
        model_config={"embedding_dim": 64, "dropout_rate": 0.3},
    ),
    "sasrec": _recipe(
        "sasrec",
        2,
        passes=40,
        learning_rate=2e-3,
        model_config={"embedding_dim": 64, "dropout_rate": 0.2},
    ),
    "gru4rec": _recipe(
        "gru4rec",
        1,
        passes=30,
        learning_rate=2e-3,
        label_smoothing=0.1,
        model_config={
            "embedding_dim": 128,
            "dropout_rate": 0.4,
            "embedding_dropout_rate": 0.3,
        },
    ),
}
# Data with fewer interactions an item are sparse: there, arguments beside those
# above validated better (Amazon Beauty, 23 an item, one seed each; MovieLens 1M
# has 305, Globo 193, where they were not tried). An output tied to the items'
# vectors has half the numbers to learn; of NextItNet and GRU4Rec it was worse
# there.
SPARSE_BELOW = 50
SPARSE: Mapping[str, Mapping[str, Any]] = {
    "nextitnet": {"dropout_rate": 0.5},
    "sasrec": {"dropout_rate": 0.5, "tie_output": True},
}
# What validated best there.
SPARSE_MODEL = "sasrec"
# Arguments of the counted models that are tried: the ones that validate best
# speak for the model.
COUNTED_SETTINGS: Mapping[str, list[dict[str, Any]]] = {
    "most_pop": [{}],
    "markov": [
        {"order": 1},
        *({"order": 5, "decay": decay} for decay in (0.5, 0.7, 0.85)),
    ],
    "item_knn": [{"decay": decay} for decay in (0.5, 0.7, 0.85)],
    "ease": [{"ridge": ridge, "decay": 0.7} for ridge in (100.0, 300.0)],
}
# Beyond, EASE's matrix of items by items takes longer than a few seconds.
_EASE_ITEMS = 5_000


def counted_in_seconds(num_items: int) -> list[str]:
    """Names of the models that count on data of so many items in seconds."""
    return [
        model
        for model in COUNTED_SETTINGS
        if model != "ease" or num_items <= _EASE_ITEMS
    ]
