"""What is worth a word before a training begins."""

import re

import numpy as np

from nextitnet_tf import data
from nextitnet_tf.preparation import few_left
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.tuned import SPARSE
from nextitnet_tf.tuned import SPARSE_BELOW
from nextitnet_tf.tuned import SPARSE_MODEL

# What integers become in a column in which some values are missing.
_DECIMAL = re.compile(r"-?[0-9]+\.0+")
# What programs write where there is nothing.
_MISSING = {"nan", "null", "none", "na", "n/a", "<na>", "nat"}
# Scores a step beyond which a smaller softmax is.
_MANY_SCORES = 2e8


def on(sessions: data.Sessions, recipe: Recipe) -> list[str]:
    """Remarks on data and recipe.

    Args:
        sessions: with what preparing them wrote down.
        recipe: what is to be trained on them.

    Returns:
        A sentence each, and what to type.
    """
    return [
        *_on_filters(sessions),
        *_on_ids(sessions),
        *_on_sparsity(sessions, recipe),
        *_on_softmax(sessions, recipe),
    ]


def _on_filters(sessions: data.Sessions) -> list[str]:
    said = few_left(sessions.meta, as_flags=True)
    return [f"note: {said}"] if said else []


def _on_ids(sessions: data.Sessions) -> list[str]:
    ids = [i for i in sessions.vocabulary.raw_ids if isinstance(i, str)]
    said = []
    if found := [i for i in ids if _DECIMAL.fullmatch(i)]:
        bare = found[0].partition(".")[0]
        said.append(
            f"note: {len(found):,} of {sessions.num_items:,} item ids are "
            f"integers written with decimals, such as {found[0]!r}; {bare!r} "
            "is another item"
        )
    if found := [i for i in ids if i.lower() in _MISSING]:
        said.append(
            f"note: {', '.join(map(repr, found))} is an item like any other: "
            "leave its lines out where it stands for a missing one"
        )
    return said


def _on_sparsity(sessions: data.Sessions, recipe: Recipe) -> list[str]:
    is_item = sessions.rows != sessions.vocabulary.padding_id
    an_item = np.count_nonzero(is_item) / max(1, sessions.num_items)
    better = SPARSE[SPARSE_MODEL]
    is_so = recipe.model == SPARSE_MODEL and all(
        recipe.model_config.get(name) == value for name, value in better.items()
    )
    # What goes on from a model stays what that is.
    is_small = recipe.model_config.get("compression")  # which is not tied
    is_given = is_so or is_small or recipe.start is not None
    if an_item >= SPARSE_BELOW or is_given:
        return []
    said = " ".join(
        f"--{name}" if value is True else f"--{name}={value}"
        for name, value in better.items()
    )
    return [
        f"note: {an_item:.0f} interactions an item are few: where there are 23 "
        f"--model={SPARSE_MODEL} {said} validated best (docs/accuracy.md)"
    ]


def _on_softmax(sessions: data.Sessions, recipe: Recipe) -> list[str]:
    positions = recipe.batch_size * (sessions.rows.shape[1] - 1)
    is_full = not (
        recipe.protocol.sampled_fraction
        or recipe.model_config.get("compression")
    )
    if not is_full or positions * sessions.num_items <= _MANY_SCORES:
        return []
    return [
        f"note: each step scores {sessions.num_items:,} items at "
        f"{positions:,} positions; --sampled_fraction=0.1, or without a tied "
        "output --compression=auto, takes a fraction of that, and --dry_run "
        "tells how long"
    ]
