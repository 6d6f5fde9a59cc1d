"""From sessions to a trained model in one call, with what served best."""

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from nextitnet_tf import distribution
from nextitnet_tf.data.sessions import Sessions
from nextitnet_tf.models import COUNTED
from nextitnet_tf.models import MODELS
from nextitnet_tf.protocol import PROTOCOLS
from nextitnet_tf.protocol import Protocol
from nextitnet_tf.recipe import OF_LAST_STAGE
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.training.next_item import run
from nextitnet_tf.training.runs import Run
from nextitnet_tf.tuned import TUNED

# Depths of a model that was not tuned.
USUAL_DEPTHS = (2, 4, 8)
_OF_STAGE = ("max_steps", "eval_every", "patience", "budget_in")
_OF_RECIPE = (
    *("batch_size", "learning_rate", "decay", "weight_decay"),
    "label_smoothing",
)


def train(
    sessions: Sessions,
    model: str = "nextitnet",
    num_blocks: int | Sequence[int] | None = None,
    *,
    folder: str | os.PathLike[str] | None = None,
    protocol: Protocol | None = None,
    method: str = "adjacent",
    preset: str | None = None,
    seed: int = 0,
    strategy: distribution.Strategy | None = None,
    verbose: int | str = "auto",
    **options: Any,
):
    """Trains a model on sessions, depth by depth.

    Args:
        sessions: all of them: the protocol says which of them are kept for
            validation and test (`data.part` has them).
        model: a name in `models.MODELS` that is trained.
        num_blocks: its depth, or several, each stacked upon the one before;
            by default the depth that it was tuned with.
        folder: gets the runs, and is where an interrupted training goes on;
            by default nothing is kept.
        protocol: by default `clean`, with what was tuned of it.
        method: how blocks are stacked.
        preset: what stacking copies; by default what is best for the model.
        seed: of initial weights and of the order of rows.
        strategy: of tf.distribute; by default one device.
        verbose: as for Keras' fit; "auto" shows a bar in a terminal alone.
        **options: `max_steps`, `eval_every`, `patience` and `budget_in` of a
            `Stage`; `batch_size`, `learning_rate`, `decay`, `weight_decay`
            and `label_smoothing` of a `Recipe`; arguments of the model, such
            as `embedding_dim`. What is not said is what was tuned.

    Returns:
        The model that validated best, which knows the raw ids.

    Raises:
        ValueError: a model, a depth or an option that there is not; too few
            sessions.
        FloatingPointError: the loss is no longer a number.
    """
    if not isinstance(sessions, Sessions):
        raise TypeError(
            "Expected sessions: data.Sessions.from_interactions makes them of "
            f"a table. Received: a {type(sessions).__name__}"
        )
    recipe = recipe_for(
        model,
        num_blocks,
        method=method,
        preset=preset,
        protocol=protocol,
        seed=seed,
        **_sorted_out(model, options),
    )
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
        done = run(
            recipe,
            sessions,
            folder,
            strategy=strategy,
            needs_model=True,
            verbose=verbose,
        )
        return best_of(done).load_model()


def recipe_for(
    model: str,
    num_blocks: int | Sequence[int] | None = None,
    *,
    method: str = "adjacent",
    preset: str | None = None,
    protocol: Protocol | None = None,
    seed: int = 0,
    model_config: Mapping[str, Any] | None = None,
    **options: Any,
) -> Recipe:
    """What was tuned of a model under protocol clean, with changes.

    Args:
        model: a name in `models.MODELS` that is trained.
        num_blocks: as for `train`, like `method`, `preset` and `seed`.
        method: how blocks are stacked.
        preset: what stacking copies.
        protocol: under another than `clean` nothing was tuned.
        seed: of initial weights and of the order of rows.
        model_config: arguments of the model.
        **options: of a stage's budget, and of a `Recipe`.

    Raises:
        ValueError: a model or a depth that there is not.
    """
    is_clean = protocol is None or protocol.name == "clean"
    tuned = TUNED.get(model) if is_clean else None
    base = tuned or Recipe(stages=(Stage(1),), model=model)
    usual = protocol or (tuned.protocol if tuned else PROTOCOLS["clean"])
    budget = {n: options.pop(n) for n in _OF_STAGE if n in options}
    stage = base.stages[0].with_budget(**budget)
    depths: Sequence[int] = [stage.num_blocks] if tuned else USUAL_DEPTHS
    if not has_blocks(model):
        depths = [1]
        if num_blocks is not None:
            raise ValueError(
                f"Expected no depth: {model} has no blocks. Received: "
                f"{num_blocks=}"
            )
    if num_blocks is not None:
        depths = np.atleast_1d(num_blocks).tolist()
        if not all(isinstance(depth, int) for depth in depths):
            raise ValueError(
                f"Expected depths, such as 8 or (4, 8). Received: {num_blocks=}"
            )
    config = {**base.model_config, **(model_config or {})}
    # Neither a sampled softmax nor a tree has smoothed labels.
    if usual.sampled_fraction or config.get("compression"):
        options.setdefault("label_smoothing", 0.0)
    return dataclasses.replace(
        base,
        stages=tuple(
            dataclasses.replace(
                stage,
                num_blocks=depth,
                method=method if i else None,
                preset=preset,
            )
            for i, depth in enumerate(depths)
        ),
        protocol=usual,
        seed=seed,
        model_config=config,
        **options,
    )


def has_blocks(model: str) -> bool:
    """Whether a model, by its name, has a depth.

    Raises:
        ValueError: there is no such model, or it is not trained.
    """
    if model not in MODELS or model in COUNTED:
        raise ValueError(
            "Expected a model among "
            f"{', '.join(n for n in MODELS if n not in COUNTED)}. "
            f"Received: {model=}"
        )
    return "num_blocks" in MODELS[model].arguments()


def best_of(done: Sequence[Run]) -> Run:
    """The stage whose model validated best, as far as models were kept.

    What the last stage alone has (a policy that skips blocks) was asked for:
    then it is the last one.

    Args:
        done: the stages of a recipe.
    """
    last = done[-1]
    if {*OF_LAST_STAGE} & {*last.recipe.model_config}:
        return last
    kept = [run for run in done[:-1] if run.has_model] + [last]
    # Of two that are as good, the shallower one.
    return max(kept, key=lambda run: run.summary["best_validation"])


def _sorted_out(model: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of `train` as `recipe_for` has them.

    Raises:
        ValueError: one that there is not.
    """
    has_blocks(model)  # there is such a model
    arguments = MODELS[model].arguments() - {"num_items", "num_blocks"}
    known = {*_OF_STAGE, *_OF_RECIPE, *arguments, *OF_LAST_STAGE}
    for name, value in options.items():
        if name not in known:
            names = ", ".join(sorted(known))
            raise ValueError(
                f"Expected an option of {model} among {names}. Received: "
                f"{name}={value!r}"
            )
    own = {n: v for n, v in options.items() if n in (*_OF_STAGE, *_OF_RECIPE)}
    # A recipe is written down: of a `Compression` what it consists of.
    config = {
        n: v.to_config() if hasattr(v, "to_config") else v
        for n, v in options.items()
        if n not in own
    }
    return {**own, "model_config": config}
