"""CpRec's lines: one recipe, its items and kernels stored in several ways."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

from experiments.papers import counted
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from nextitnet_tf.compression import Compression
from nextitnet_tf.models import MODELS
from nextitnet_tf.recipe import Stage
from nextitnet_tf.tuned import TUNED

SHARING = {
    "Cl": "cross_layer",
    "Cb": "cross_block",
    "Al": "adjacent_layer",
    "Ab": "adjacent_block",
}
# What all of CpRec's targets do where no flag says. The release trains for up
# to 500 passes and looks at the test after each.
DEFAULTS = {
    "protocol": "cprec_release",
    "depths": "4",
    "embedding_dim": "256",
    "batch_size": "128",
    "budget_in": "passes",
    "max_steps": "20",
    "eval_every": "1",
    "patience": "3",
}
# The settings of what is stored in full, and of what is counted.
FULL, COUNTING = "full", "counting"
# The rank of B1, a share of the width: CpRec's "standard" factorisation.
_B1 = 4
# What a way of storing keeps of a tuned recipe.
_TUNED = ("learning_rate", "decay", "weight_decay")
_DROPOUT = ("dropout_rate", "embedding_dropout_rate")


def compression_of(
    way: str, num_columns: int, width: int
) -> Compression | None:
    """How a line of CpRec's is stored.

    >>> compression_of("Bo", num_columns=1000, width=64)
    ... # doctest: +NORMALIZE_WHITESPACE
    Compression(clusters=(200, 360, 1000), embedding_ranks=None,
                softmax_ranks=(64, 16, 4), sharing='none')

    Args:
        way: "" for all in full; B1, Bi, Bo or Bio: items; Cl, Cb, Al or Ab:
            kernels; Bio-Ab and the like: both.
        num_columns: N.
        width: D.
    """
    items, _, sharing = way.partition("-")
    if items in SHARING:
        items, sharing = "", items
    scheme = SHARING[sharing] if sharing else "none"
    if not items:
        return Compression(sharing=scheme) if sharing else None
    if items == "B1":
        rank = (max(1, width // _B1),)
        return Compression((num_columns,), rank, rank, scheme)
    both = Compression.of_popularity(num_columns, width, sharing=scheme)
    if items == "Bi":
        return dataclasses.replace(both, softmax_ranks=None)
    if items == "Bo":
        return dataclasses.replace(both, embedding_ranks=None)
    return both


def row(
    choices: Choices,
    setting: str,
    way: str = "",
    label: str = "",
    model: str = "nextitnet",
    figures: TableFigures | None = None,
    compared_with: Row | None = None,
    embedding_dim: int | None = None,
    stages: Sequence[Stage] = (),
    **more: Any,
) -> Row:
    """A line, tuned where the protocol is not a release's.

    Args:
        choices: what was asked for; `num_items` is known.
        setting: of the line.
        way: how it is stored (`compression_of`).
        label: what the paper calls it, by default after model and way.
        model: by its name.
        figures: the paper's table.
        compared_with: the line in full.
        embedding_dim: another width than was asked for.
        stages: by default one, from scratch, of the first depth that was
            asked for.
        **more: of the `Row`.
    """
    family = MODELS[model].__name__
    name = label or (f"{way}-{family}" if way else family)
    width = embedding_dim or choices.embedding_dim
    usual = choices.stage(choices.depths[0] if _has_blocks(model) else 1)
    return Row(
        setting,
        more.pop("role", "baseline"),
        choices.recipe(
            *(stages or [usual]),
            model=model,
            **recipe_fields(choices, model, way, width),
        ),
        choices.figures(figures or {}, "").get(name),
        name,
        compared_with=compared_with,
        **more,
    )


def rows(
    choices: Choices, figures: TableFigures, model: str = "nextitnet"
) -> list[Row]:
    """What is counted, a model in full, and it in each way that was asked for.

    Args:
        choices: its settings are ways, "full" and "counting".
        figures: the paper's table.
        model: by its name.
    """
    full = row(choices, FULL, model=model, figures=figures)
    found = counted.tried_rows(choices)
    for name in choices.settings:
        if name == FULL:
            found.append(full)
        elif name != COUNTING:
            found.append(
                row(
                    choices,
                    name,
                    name,
                    model=model,
                    figures=figures,
                    compared_with=full,
                )
            )
    return found


def recipe_fields(
    choices: Choices, model: str, way: str, width: int
) -> dict[str, Any]:
    """Of a `Recipe`: the model's arguments, and what was tuned."""
    arguments = MODELS[model].arguments()
    asked = {**choices.options.get("model_config", {}), "embedding_dim": width}
    config = {name: v for name, v in asked.items() if name in arguments}
    fields: dict[str, Any] = {}
    if choices.protocol.split == "rows":  # the release: no alpha, no dropout
        if "use_alpha" in arguments:
            config["use_alpha"] = False
    elif model in TUNED and not choices.is_generated:
        tuned = TUNED[model]
        fields = {
            name: getattr(tuned, name)
            for name in _TUNED
            if name not in choices.options
        }
        config |= {
            name: tuned.model_config[name]
            for name in _DROPOUT
            if name in tuned.model_config
        }
    small = compression_of(way, choices.num_items + 1, width)
    if small:
        config["compression"] = small.to_config()
    return {**fields, "model_config": config}


@functools.lru_cache(maxsize=256)
def num_parameters(
    num_items: int, num_blocks: int, width: int, way: str = ""
) -> int:
    """Of a NextItNet."""
    small = compression_of(way, num_items + 1, width)
    model = MODELS["nextitnet"](
        num_items=num_items,
        num_blocks=num_blocks,
        embedding_dim=width,
        compression=small,
    )
    return model.count_params()


def width_within(num_items: int, num_blocks: int, budget: int) -> int:
    """The largest width of a NextItNet in full that has so few parameters.

    Args:
        num_items: of the data.
        num_blocks: depth.
        budget: parameters at most.

    Returns:
        At least 1.
    """
    low, high = 1, 2
    while num_parameters(num_items, num_blocks, high) <= budget:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if num_parameters(num_items, num_blocks, middle) <= budget:
            low = middle
        else:
            high = middle
    return low


def _has_blocks(model: str) -> bool:
    return "num_blocks" in MODELS[model].arguments()
