"""What a recipe makes of sessions: a model, compiled."""

from typing import Any

import keras
import numpy as np

from nextitnet_tf import data
from nextitnet_tf import memory
from nextitnet_tf import metrics
from nextitnet_tf.models import MODELS
from nextitnet_tf.models import SkipRec
from nextitnet_tf.models import skip_rec
from nextitnet_tf.recipe import OF_LAST_STAGE
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.weight_decay import DecayOfKernels

# Splits whose test has users that training has not.
_NEW_USERS = ("users", "temporal")
_NEW_OPTIMIZER = (
    'A policy begins with a new optimizer: expected the switch "optimizer" off '
    "in the stage that it begins in. Received: the one of the stage before"
)


def make_model(recipe: Recipe, num_blocks: int, sessions: data.Sessions):
    """A fresh model of a recipe's class and configuration.

    `skip` of the configuration has the arguments of a `SkipRec` around it
    (`with_policy`).
    """
    model_class = MODELS[recipe.model]
    if model_class.needs_users and recipe.protocol.split in _NEW_USERS:
        raise ValueError(
            f"A {model_class.__name__} must know the users it is asked for: "
            "expected split='rows', which has every user's sessions on both "
            f"sides. Received: split={recipe.protocol.split!r}"
        )
    config = model_class.config_for(
        num_blocks=num_blocks,
        history_length=sessions.vocabulary.history_length,
        num_users=sessions.num_users,
        padding_id=sessions.vocabulary.padding_id,
        protocol=recipe.protocol,
    )
    config |= recipe.model_config
    for name in OF_LAST_STAGE:
        config.pop(name, None)
    _check_fits(config, num_blocks, sessions.num_items)
    model = model_class(num_items=sessions.num_items, **config)
    if model.compression and model.compression.clusters:
        _check_falling(sessions.vocabulary, recipe)
    return with_policy(model, recipe)


def _check_fits(config, num_blocks: int, num_items: int) -> None:
    """Refuses a width by a slip of the hand before its tables are made."""
    width = config.get("embedding_dim", 0)
    numbers = num_blocks * width**2
    if not config.get("compression"):
        numbers += (num_items + 1) * width
    memory.check_fits(4 * numbers, f"a model of embedding_dim={width:,}")


def check_policy(recipe: Recipe) -> None:
    """Raises ValueError for a recipe whose policy could not begin."""
    skip_rec.check_objective(MODELS[recipe.model])
    if ("optimizer", True) in recipe.stages[-1].switches:
        raise ValueError(_NEW_OPTIMIZER)


def with_policy(model, recipe: Recipe, is_trained: bool = False):
    """The model, in a `SkipRec` if the recipe asks for one.

    Args:
        model: with blocks, if there is to be one.
        recipe: up to this stage.
        is_trained: whether the model is of an earlier stage: a policy then
            begins with its item embedding, where it can.

    Raises:
        ValueError: a model whose optimizer was copied along: a policy has no
            slots in it.
    """
    skip: Any = recipe.model_config.get("skip")
    if not skip:
        return model
    if getattr(model, "optimizer", None):
        raise ValueError(_NEW_OPTIMIZER)
    skipping = SkipRec(model, **skip)
    if is_trained and skipping.can_start_from_backbone:
        skipping.start_policy_from_backbone()
    return skipping


def _check_falling(vocabulary, recipe: Recipe) -> None:
    """Clusters are of items that are alike in frequency."""
    counts = np.delete(vocabulary.counts, vocabulary.padding_id)
    if (np.diff(counts) > 0).any():
        raise ValueError(
            "A compressed model needs items numbered by falling frequency: "
            "expected item_ids='frequency'. Received: "
            f"item_ids={recipe.protocol.item_ids!r}"
        )


def compile_model(
    model,
    recipe: Recipe,
    sessions,
    jit_compile: bool,
    max_steps: int | None = None,
) -> None:
    """Compiles a model as its recipe says.

    A model that already has an optimizer (stacked along with its slots)
    keeps it.

    Args:
        model: built.
        recipe: what to train.
        sessions: to train on.
        jit_compile: whether XLA compiles the steps.
        max_steps: of the stage, along which a learning rate decays; None
            where nothing is trained.

    Raises:
        ValueError: the optimizer that it keeps is not as the recipe says.
    """
    protocol = recipe.protocol
    num_sampled = int(protocol.sampled_fraction * (sessions.num_items + 1))
    optimizer = getattr(model, "optimizer", None)
    if optimizer:
        _check_kept(optimizer, recipe)
    else:
        optimizer = _make_optimizer(recipe, max_steps)
    model.compile(
        optimizer=optimizer,
        num_sampled=num_sampled or None,
        l2=protocol.l2,
        label_smoothing=recipe.label_smoothing,
        weighted_metrics=metrics.make_ranking_metrics(
            ignored_ids=ignored_ids(recipe, sessions),
            ties_to=protocol.ties_to,
        ),
        jit_compile=jit_compile,
    )


def _check_kept(optimizer, recipe: Recipe) -> None:
    """What a run says of its training must be so."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    expected = _make_optimizer(recipe, None)
    kept, wanted = optimizer.get_config(), expected.get_config()
    differing = [
        name
        for name, value in wanted.items()
        if name != "name" and kept.get(name) != value
    ]
    if type(optimizer) is not type(expected) or differing:
        name = differing[0] if differing else "class"
        raise ValueError(
            "An optimizer that is kept goes on as it was: expected a recipe "
            f"of {name}={kept.get(name, type(optimizer).__name__)!r}. "
            f"Received: {wanted.get(name, type(expected).__name__)!r}"
        )


def _make_optimizer(recipe: Recipe, max_steps: int | None):
    rate: Any = recipe.learning_rate
    if recipe.decay != "constant" and max_steps:
        held = max_steps // 2 if recipe.decay == "late" else 0
        rate = keras.optimizers.schedules.CosineDecay(
            rate,
            max_steps - held,
            alpha=0.01,
            warmup_target=rate if held else None,  # from `rate` to `rate`
            warmup_steps=held,
        )
    epsilon = recipe.protocol.adam_epsilon
    if not recipe.weight_decay:
        return keras.optimizers.Adam(rate, epsilon=epsilon)
    return DecayOfKernels(
        rate, weight_decay=recipe.weight_decay, epsilon=epsilon
    )


def ignored_ids(recipe: Recipe, sessions) -> tuple[int, ...]:
    """Columns that cannot be ranked."""
    if recipe.protocol.rank_padding:
        return ()
    return (sessions.vocabulary.padding_id,)
