"""The floors: models that are counted, with the settings that are tried."""

import dataclasses
from typing import Any

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage

FAMILIES = {
    "most_pop": "MostPop",
    "markov": "Markov",
    "item_knn": "ItemKNN",
    "ease": "EASE",
}
# Of these, the one that validates best speaks for the model.
_TRIED: dict[str, list[dict[str, Any]]] = {
    "most_pop": [{}],
    "markov": [
        {"order": 1},
        *({"order": 5, "decay": decay} for decay in (0.5, 0.7, 0.85)),
    ],
    "item_knn": [{"decay": decay} for decay in (0.5, 0.7, 0.85)],
    "ease": [{"ridge": ridge, "decay": 0.7} for ridge in (100.0, 300.0)],
}


def rows(choices: Choices, setting: str) -> list[Row]:
    """Every model with its usual settings, and nothing else."""
    return [_row(choices, setting, model, {}) for model in FAMILIES]


def tried_rows(choices: Choices, setting: str) -> list[Row]:
    """Every model with each of the settings that are tried."""
    return [
        _row(choices, setting, model, config)
        for model, configs in _TRIED.items()
        for config in configs
    ]


def _row(
    choices: Choices, setting: str, model: str, config: dict[str, Any]
) -> Row:
    note = ", ".join(f"{name} {value:g}" for name, value in config.items())
    recipe = Recipe(
        (Stage(1),), choices.protocol, model, config, seed=choices.seed
    )
    return Row(setting, "baseline", recipe, family=FAMILIES[model], note=note)


def without_seed(row: Row) -> Row:
    """The same row; counting draws nothing, so that one seed is all."""
    return dataclasses.replace(
        row, recipe=dataclasses.replace(row.recipe, seed=0)
    )
