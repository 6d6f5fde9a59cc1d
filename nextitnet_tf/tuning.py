"""A search of a recipe's settings: one at a time, then together."""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nextitnet_tf.models import MODELS
from nextitnet_tf.protocol import PROTOCOLS
from nextitnet_tf.protocol import Protocol
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.tuned import TUNED

# What is changed, by the names of fields and of the models' arguments.
Changes = Mapping[str, Any]

# The values tried of each factor, beside the one that the search starts from.
FACTORS: Mapping[str, Sequence[Changes]] = {
    "cutting": [{"recut": True}],
    "dropout": [{"dropout_rate": rate} for rate in (0.2, 0.3, 0.5)],
    "embedding dropout": [{"embedding_dropout_rate": 0.3}],
    "learning rate": [
        {"learning_rate": rate, "decay": "cosine"}
        for rate in (1e-3, 2e-3, 4e-3)
    ],
    "smoothing": [{"label_smoothing": 0.1}],
    "weight decay": [{"weight_decay": 0.01}],
    "width": [{"embedding_dim": width} for width in (128, 256)],
    "depth": [{"num_blocks": depth} for depth in (2, 8)],
    "alpha": [{"use_alpha": False}],
    "output": [{"tie_output": True}],
    "batch": [{"batch_size": 512}],
    "softmax": [{"sampled_fraction": 0.2}],
}
# Rows as they are, and stopped by what a user would see.
_PLAIN = dataclasses.replace(PROTOCOLS["clean"], stop_on_unseen=True)


def start_of(model: str, is_tuned: bool, **budget: Any) -> Recipe:
    """Where a search begins.

    Args:
        model: by name.
        is_tuned: whether with the settings of `tuned`, or with the plain
            model of usual depth, for 40 passes at most.
        **budget: what was said of it (`Stage.with_budget`).

    Raises:
        ValueError: nothing is tuned of the model.
    """
    if is_tuned and model not in TUNED:
        raise ValueError(
            f"Settings are tuned of {', '.join(TUNED)}. "
            f"Received: model={model!r}"
        )
    depth = 4 if "num_blocks" in MODELS[model].arguments() else 1
    stage = Stage(depth, max_steps=40, eval_every=1, budget_in="passes")
    plain = Recipe((stage,), protocol=_PLAIN, model=model)
    recipe = TUNED[model] if is_tuned else plain
    (stage,) = recipe.stages
    return dataclasses.replace(recipe, stages=(stage.with_budget(**budget),))


@dataclass(frozen=True)
class Trial:
    """A recipe that was trained, and how good it is.

    Attributes:
        names: of the factors that are changed.
        changes: what is changed of the recipe that the search started from.
        recipe: what was trained.
        value: what decides, the higher the better.
    """

    names: tuple[str, ...]
    changes: Changes
    recipe: Recipe
    value: float


class OutOfTrials(Exception):
    """A search has trained as many recipes as it may."""


def search(
    start: Recipe,
    factors: Mapping[str, Sequence[Changes]],
    evaluate: Callable[[Recipe], float],
    report: Callable[[Trial], None],
) -> Trial:
    """The best recipe found.

    First each value of each factor is tried alone. Then the factors whose
    best value is better than the start are taken together, the one that gave
    most first; one that gives nothing on top of those before it is left out.

    Args:
        start: where the search begins.
        factors: values tried, by the name of the factor.
        evaluate: trains a recipe and says how good it is, minus infinity
            if it diverged. It raises `OutOfTrials` where no more may be
            trained: the search ends there.
        report: called with each trial, as it is done.
    """
    best = _try(start, (), {}, evaluate, report)
    base = best.value
    try:
        alone: dict[str, Trial] = {}
        for name, values in factors.items():
            trials = [
                _try(start, (name,), changes, evaluate, report)
                for changes in values
            ]
            if trials:
                alone[name] = max(trials, key=lambda trial: trial.value)
                best = max(best, alone[name], key=lambda trial: trial.value)
        helpful = sorted(
            (trial for trial in alone.values() if trial.value > base),
            key=lambda trial: -trial.value,
        )
        for trial in helpful[1:]:
            changes = {**best.changes, **trial.changes}
            if _is_possible(start, changes):
                names = (*best.names, *trial.names)
                together = _try(start, names, changes, evaluate, report)
                best = max(best, together, key=lambda trial: trial.value)
    except OutOfTrials:
        pass
    return best


def _try(start, names, changes, evaluate, report) -> Trial:
    recipe = changed(start, changes)
    trial = Trial(names, changes, recipe, evaluate(recipe))
    report(trial)
    return trial


def factors_of(recipe: Recipe) -> dict[str, list[Changes]]:
    """The factors of a recipe's model, without the values that it has."""
    found = {
        name: [
            changes
            for changes in values
            if _takes(recipe, changes)
            and _is_possible(recipe, changes)
            and changed(recipe, changes) != recipe
        ]
        for name, values in FACTORS.items()
    }
    return {name: values for name, values in found.items() if values}


def _takes(recipe: Recipe, changes: Changes) -> bool:
    """Whether the model has all that is changed."""
    arguments = MODELS[recipe.model].arguments()
    return all(
        key in arguments or (key != "num_blocks" and _home(key) != "model")
        for key in changes
    )


def _is_possible(recipe: Recipe, changes: Changes) -> bool:
    """Whether a recipe allows all of it together."""
    try:
        changed(recipe, changes)
    except ValueError:
        return False
    return True


def changed(recipe: Recipe, changes: Changes) -> Recipe:
    """A recipe with some of its values replaced.

    Args:
        recipe: of one stage.
        changes: by the names of fields of `Recipe`, of its protocol and its
            stage, and of the model's arguments.
    """
    parts: dict[str, dict[str, Any]] = {
        home: {} for home in ("recipe", "protocol", "stage", "model")
    }
    for name, value in changes.items():
        parts[_home(name)][name] = value
    (stage,) = recipe.stages
    return dataclasses.replace(
        recipe,
        stages=(dataclasses.replace(stage, **parts["stage"]),),
        protocol=dataclasses.replace(recipe.protocol, **parts["protocol"]),
        model_config={**recipe.model_config, **parts["model"]},
        **parts["recipe"],
    )


def _home(name: str) -> str:
    """Where a value of this name belongs."""
    for home, of_class in (
        ("recipe", Recipe),
        ("protocol", Protocol),
        ("stage", Stage),
    ):
        if name in of_class.__dataclass_fields__:
            return home
    return "model"
