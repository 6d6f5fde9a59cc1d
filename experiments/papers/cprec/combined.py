r"""StackRec and CpRec together: trained sooner, stored small, or both.

The deep model in full and as CpRec-Ab, each from scratch and stacked upon one
of half the depth. No paper has this table.

    make reproduce-cprec-combined DATASET=ml1m RAW=interactions.csv.gz \
        PROTOCOL=clean SEEDS=0,1,2

Expected time on 2 cores with ML-1M: about half an hour a line. Expected
numbers: none are published.
"""

import dataclasses

from experiments.papers import counted
from experiments.papers.cprec import ways
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.reporting import stored_claims
from experiments.reporting.claims import Claim

NAME = "cprec_combined"
TITLE = "StackRec and CpRec together"
KIND = "compressed"
USES = ("settings", "depths")
# Whether items and kernels are stored small, whether the model was stacked.
_LINES = {
    "plain": (False, False),
    "stackrec": (False, True),
    "cprec": (True, False),
    "both": (True, True),
}
NAMES = ("counting", *_LINES)
DEFAULTS = {**ways.DEFAULTS, "protocol": "clean"}
CLAIMS = (
    Claim(
        "Stacking and storing small go together",
        "",
        [stored_claims.against_full],
    ),
)


def rows(choices: Choices) -> list[Row]:
    """What is counted, then the four lines.

    Raises:
        ValueError: a depth that has no half.
    """
    plain = line(choices, "plain")
    return counted.tried_rows(choices) + [
        line(choices, name, is_small, is_stacked, compared_with=plain)
        if name != "plain"
        else plain
        for name, (is_small, is_stacked) in _LINES.items()
        if name in choices.settings
    ]


def line(
    choices: Choices,
    setting: str,
    is_small: bool = False,
    is_stacked: bool = False,
    skips: bool = False,
    compared_with: Row | None = None,
) -> Row:
    """A line of what papers can do to one deep model.

    Args:
        choices: what was asked for.
        setting: of the line.
        is_small: whether items and kernels are stored small (CpRec-Ab).
        is_stacked: whether it is stacked upon half of its depth (StackA).
        skips: whether a policy leaves blocks out (SkipRec, Gumbel).
        compared_with: the plain line.

    Raises:
        ValueError: a depth that has no half.
    """
    depth = choices.depths[0]
    if depth % 2:
        raise ValueError(
            "A stacked model has twice the blocks of the one before: expected "
            f"an even depth. Received: depths={list(choices.depths)}"
        )
    stages = [
        choices.stage(depth // 2),
        choices.stage(depth, method="adjacent"),
    ]
    small = "CpRec-Ab" if is_small else ""
    family = small or "NextItNet"
    if skips:
        family = f"SkipRec-{small or 'Next'}"
    made = ways.row(
        choices,
        setting,
        "Bio-Ab" if is_small else "",
        family,
        stages=stages if is_stacked else (),
        role="stacked" if is_stacked else "baseline",
        stacked_family=family if small or skips else "Next",
        compared_with=compared_with,
    )
    if not skips:
        return made
    config = {**made.recipe.model_config, "skip": {"policy": "cnn"}}
    recipe = dataclasses.replace(made.recipe, model_config=config)
    return dataclasses.replace(made, recipe=recipe)
