r"""SkipRec's rivals: what is as fast without a policy.

A policy upon a trained NextItNet+, as the paper has it and with a cost that
each block adds to the loss, so that about half of them run; and what the
latter's claim must beat: the same model with random blocks at the same rate,
and with the same blocks for all, those that the policy runs most; a policy
that draws in training, too; a shallower model, from scratch, stacked, and
distilled from the deep one. Without a cost nothing in the paper's loss speaks
for skipping, and a policy that takes what it is for may well run all blocks.

    make reproduce-skiprec-rivals DATASET=deep SEEDS=0,1,2 ARGS=--depths=16,8
    make reproduce-skiprec-rivals DATASET=ml1m RAW=interactions.csv.gz \
        PROTOCOL=clean SEEDS=0,1,2

The second depth is the shallower model's: take the one whose answers take as
long as the policy's ("Answers"). Expected time on 2 cores with `deep`: half
an hour a seed. Expected numbers: none are published; of `deep` we have MRR@5
without seen items .2254 of all 16 blocks, .2127 of a policy that runs about
half of them, .2127 of the same blocks for all, .1200 of random ones, and .2180
of 8 blocks from scratch, three seeds.
"""

import dataclasses

from experiments.papers import counted
from experiments.papers.cprec import ways
from experiments.papers.rows import RANDOM_BLOCKS
from experiments.papers.rows import SAME_BLOCKS
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.skiprec import lines
from experiments.reporting import stored_claims
from experiments.reporting.claims import Claim

NAME = "skiprec_rivals"
TITLE = "What a policy must beat (SkipRec)"
KIND = "compressed"
USES = ("settings", "depths")
NAMES = (
    lines.COUNTING,
    lines.FULL,
    "policy",
    "half",
    "random",
    "shallower",
    "distilled",
)
DEFAULTS = {**lines.DEFAULTS, "protocol": "clean", "depths": "8,4"}
CLAIMS = (
    Claim(
        "A policy beats what is as fast without one",
        "",
        [stored_claims.against_full, stored_claims.against_rivals],
        answers="skipping",
    ),
)
_CLAIMANTS = (lines.FULL, "policy", "half")
# A share of blocks costs so much of the loss; about half run on `deep`.
_BLOCK_COST = 0.5
# How the deep model teaches a shallower one (`distillation.teach`).
_TEACHING: dict[str, dict[str, float]] = {
    "soft labels": {"soft_labels": 1.0},
    "soft labels and topology": {"soft_labels": 1.0, "topology": 1.0},
}


def rows(choices: Choices) -> list[Row]:
    """What is counted, all blocks, the policy, then its rivals.

    Raises:
        ValueError: other than two depths, or a second that is odd or not
            below the first.
    """
    depths = list(choices.depths)
    if len(depths) != 2 or depths[1] % 2 or depths[1] >= depths[0]:
        raise ValueError(
            "Expected two depths, the second even and below the first. "
            f"Received: depths={depths}"
        )
    whole = lines.full(choices, {})
    policy, half, drawn = _policies(choices, whole)
    at_less = dataclasses.replace(choices, depths=depths[1:])
    shallow = dataclasses.replace(
        lines.full(at_less, {}), setting="shallower", compared_with=whole
    )
    stages = [
        choices.stage(depths[1] // 2),
        choices.stage(depths[1], method="adjacent"),
    ]
    stacked = dataclasses.replace(
        ways.row(at_less, "shallower", stages=stages, compared_with=whole),
        role="stacked",
    )
    known = {
        lines.FULL: [whole],
        "policy": [policy],
        "half": [
            half,
            *(
                dataclasses.replace(half, served_as=way, rival_of=half)
                for way in (RANDOM_BLOCKS, SAME_BLOCKS)
            ),
        ],
        "random": [drawn],
        "shallower": [shallow, stacked],
        "distilled": [
            _student(choices, whole, note, how)
            for note, how in _TEACHING.items()
        ],
    }
    found = counted.tried_rows(choices)
    for setting, of_setting in known.items():
        if setting in choices.settings:
            found += (
                of_setting
                if setting in _CLAIMANTS
                else [dataclasses.replace(r, rival_of=half) for r in of_setting]
            )
    return found


def _policies(choices: Choices, whole: Row) -> list[Row]:
    """The paper's, one with a cost of blocks, and one that draws."""
    gumbel = {"policy": "cnn", **lines.GUMBEL}
    policy, half, drawn = (
        lines.row(
            choices,
            setting,
            label,
            skip,
            is_pretrained=True,
            compared_with=whole,
            config={"use_alpha": True},
        )
        for setting, label, skip in (
            ("policy", "SkipRec-Gumbel w/ pre", gumbel),
            (
                "half",
                "SkipRec-Gumbel w/ pre",
                {**gumbel, "block_cost": _BLOCK_COST},
            ),
            ("random", "Random policy w/ pre", {"policy": "random"}),
        )
    )
    half = dataclasses.replace(half, note=f"block cost {_BLOCK_COST:g}")
    return [policy, half, drawn]


def _student(
    choices: Choices, teacher: Row, note: str, how: dict[str, float]
) -> Row:
    """A model of the second depth that learns from the deep one."""
    deep, shallow = choices.depths
    made = lines.full(choices, {})
    recipe = dataclasses.replace(
        made.recipe,
        stages=(
            choices.stage(deep),
            choices.stage(shallow, method="distill"),
        ),
        model_config={**made.recipe.model_config, "distill": how},
    )
    return dataclasses.replace(
        made,
        setting="distilled",
        recipe=recipe,
        note=f"distilled, {note}",
        compared_with=teacher,
    )
