"""The floors: models that are counted, with the settings that are tried."""

from typing import Any

from experiments.papers.rows import Choices
from experiments.papers.rows import Row

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


# Beyond, EASE's matrix of items by items takes longer than a few seconds.
_EASE_ITEMS = 5_000


def rows(choices: Choices, setting: str, num_items: int) -> list[Row]:
    """What is a matter of seconds: the models with their usual settings.

    Args:
        choices: what was asked for.
        setting: of the rows.
        num_items: of the data; EASE is left out where there are many.
    """
    return [
        _row(choices, setting, model, {})
        for model in FAMILIES
        if model != "ease" or num_items <= _EASE_ITEMS
    ]


def usual_rows(choices: Choices, setting: str) -> list[Row]:
    """Every model with its usual settings."""
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
    # Counting draws nothing: one seed is all.
    recipe = choices.recipe(
        choices.stage(1), model=model, model_config=config, seed=0
    )
    return Row(setting, "baseline", recipe, family=FAMILIES[model], note=note)
