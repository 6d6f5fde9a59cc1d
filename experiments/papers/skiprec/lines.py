"""SkipRec's lines: a backbone in full, and policies that leave blocks out."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from experiments.papers import counted
from experiments.papers.cprec import ways
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import TableFigures
from nextitnet_tf.models import SkipRec

# What all of SkipRec's targets do where no flag says. The release trains for
# 50 passes and looks at the test after each; its scripts have 8 blocks where
# the paper has 32 and 48.
DEFAULTS = {
    "protocol": "skiprec_release",
    "depths": "8",
    "embedding_dim": "256",
    "batch_size": "256",
    "budget_in": "passes",
    "max_steps": "20",
    "eval_every": "1",
    "patience": "3",
}
FULL, COUNTING = "full", "counting"
GUMBEL = {"objective": "gumbel"}
REINFORCE = {"objective": "reinforce"}


def row(
    choices: Choices,
    setting: str,
    label: str,
    skip: Mapping[str, Any] | None = None,
    is_pretrained: bool = False,
    model: str = "nextitnet",
    config: Mapping[str, Any] | None = None,
    figures: TableFigures | None = None,
    compared_with: Row | None = None,
) -> Row:
    """A line, tuned where the protocol is not a release's.

    Args:
        choices: what was asked for.
        setting: of the line.
        label: what the paper calls it.
        skip: arguments of a `SkipRec` around it; None for none.
        is_pretrained: whether the backbone is trained before there is a
            policy.
        model: of the backbone, by its name.
        config: its arguments beside what was asked for.
        figures: the paper's table.
        compared_with: the line that runs all blocks.
    """
    depth = choices.depths[0]
    stages = [choices.stage(depth), choices.stage(depth, method="continue")]
    made = ways.row(
        choices,
        setting,
        label=label,
        model=model,
        figures=figures,
        compared_with=compared_with,
        stages=stages if is_pretrained else (),
    )
    changed = {**made.recipe.model_config, **(config or {})}
    if skip is not None:
        own = {}
        # The release trains and serves a learned policy in its own way.
        if choices.protocol.split == "rows" and "objective" in skip:
            own = SkipRec.release_arguments(skip["objective"])
        changed["skip"] = {**own, **skip}
    recipe = dataclasses.replace(made.recipe, model_config=changed)
    return dataclasses.replace(made, recipe=recipe)


def full(choices: Choices, figures: TableFigures) -> Row:
    """NextItNet with alpha, all of whose blocks run."""
    return row(
        choices,
        FULL,
        "NextItNet+",
        config={"use_alpha": True},
        figures=figures,
    )


def rows(
    choices: Choices,
    figures: TableFigures,
    lines: Mapping[str, tuple[str, Mapping[str, Any], bool]],
    backbone: Row | None = None,
    **more: Any,
) -> list[Row]:
    """What is counted, a backbone in full, and it with each policy.

    Args:
        choices: its settings name the lines.
        figures: the paper's table.
        lines: by setting: what the paper calls it, the policy, and whether
            the backbone was trained before.
        backbone: in full; NextItNet+ by default.
        **more: of each line with a policy (`row`).
    """
    whole = backbone or full(choices, figures)
    found = counted.tried_rows(choices)
    if FULL in choices.settings:
        found.append(whole)
    more.setdefault("config", {"use_alpha": True})
    return found + [
        row(
            choices,
            setting,
            label,
            {"policy": "cnn", **skip},
            is_pretrained,
            figures=figures,
            compared_with=whole,
            **more,
        )
        for setting, (label, skip, is_pretrained) in lines.items()
        if setting in choices.settings
    ]
