"""The floors: models that are counted, with the settings that are tried."""

import dataclasses
from typing import Any

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from nextitnet_tf.models.ease import MAX_ITEMS
from nextitnet_tf.tuned import COUNTED_SETTINGS
from nextitnet_tf.tuned import counted_in_seconds


def rows(
    choices: Choices, setting: str, num_items: int = 0, ratio: float = 1.0
) -> list[Row]:
    """The models with their usual settings.

    Args:
        choices: what was asked for.
        setting: of the rows.
        num_items: of the data, where all is to be a matter of seconds; EASE
            is left out if they are many.
        ratio: share of the training sessions.
    """
    return [
        _row(choices, setting, model, {}, ratio)
        for model in counted_in_seconds(num_items)
    ]


def tried_rows(choices: Choices) -> list[Row]:
    """Every model with each of the settings that are tried.

    Args:
        choices: what was asked for: none, if not counting. What is counted is
            the rows as they were prepared, whatever the options of training.
    """
    if "counting" not in choices.settings:
        return []
    whole = dataclasses.replace(choices.protocol, recut=False)
    return [
        _row(Choices(whole), "counting", model, config)
        for model, configs in COUNTED_SETTINGS.items()
        for config in configs
    ]


def is_too_large(model: str, num_items: int) -> bool:
    """Whether a model, by name, refuses as many items."""
    return model == "ease" and num_items > MAX_ITEMS


def _row(
    choices: Choices,
    setting: str,
    model: str,
    config: dict[str, Any],
    ratio: float = 1.0,
) -> Row:
    notes = [f"{name} {value:g}" for name, value in config.items()]
    note = ", ".join([*notes, *([f"{ratio:.0%}"] if ratio < 1 else [])])
    # Counting draws nothing: one seed is all.
    recipe = choices.recipe(
        choices.stage(1, ratio), model=model, model_config=config, seed=0
    )
    return Row(setting, "baseline", recipe, note=note)
