r"""Growth: how a deep model is reached soonest, all of the time counted.

The deep model trained directly, StackRec's doublings (Figure 6), and one step
from shallow to deep after 20, 50 and 80 % of the steps: what is added is a
copy, or fresh, and is the identity at first; the optimizer is kept, or new.
All lines train for the same number of steps; shallow ones cost less.

    make reproduce-growth DATASET=deep SEEDS=0,1,2,3,4
    make reproduce-growth DATASET=ml1m RAW=interactions.csv.gz \
        ARGS="--depths=4,16 --embedding_dim=64 --learning_rate=0.001"

Expected time on 2 cores with `deep` (generated): half an hour a seed. Expected
numbers: StackRec's Figure 6 has doublings at 57 and 65 % of the direct
model's time; of `deep` we have none, since no way to grow gets as good as the
direct model there (validation .1964; doublings .1925, one step at 20 % .1942,
at 50 % .1877, five seeds), and a new optimizer is better than one that is
kept.
"""

import dataclasses
from collections.abc import Sequence

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.reporting import stored_claims
from experiments.reporting.claims import Claim
from nextitnet_tf.recipe import Stage

NAME = "growth"
TITLE = "Ways to grow"
KIND = "growth"
USES = ("depths",)
REFUSES = ("patience",)  # no line stops early
DEFAULTS = {
    "protocol": "clean",
    "depths": "2,16",
    "max_steps": "4000",
    "eval_every": "100",
    "learning_rate": "0.003",
    "embedding_dim": "32",
}
CLAIMS = (
    Claim(
        "Growing reaches the direct model's accuracy in half of its time, "
        "every stage counted",
        "",
        [stored_claims.grown_sooner],
        answers="stacking",
    ),
)
_SHARES = (0.2, 0.5, 0.8)
_KEPT = (("optimizer", True),)


def rows(choices: Choices) -> list[Row]:
    """The direct model, then each way to grow.

    Raises:
        ValueError: other than two depths, the second at least twice the
            first.
    """
    shallow, deep = two_depths(choices)
    total = choices.stage(deep).max_steps
    direct = Row(NAME, "scratch", choices.recipe(stage(choices, deep, total)))
    ways = {"doubling": _doublings(choices, shallow, deep, total)}
    for share in _SHARES:
        first = stage(choices, shallow, round(share * total))
        rest = stage(choices, deep, total - first.max_steps)
        copied = dataclasses.replace(rest, method="cross", preset="identity")
        name = f"one step at {share:.0%}"
        ways[name] = [first, copied]
        kept = dataclasses.replace(copied, switches=_KEPT)
        ways[f"{name}, optimizer kept"] = [first, kept]
        if share == 0.5:
            fresh = dataclasses.replace(copied, method="random")
            ways[f"{name}, fresh blocks"] = [first, fresh]
    return [
        direct,
        *(
            Row(
                NAME,
                "stacked",
                choices.recipe(*stages),
                schedule=name,
                compared_with=direct,
            )
            for name, stages in ways.items()
        ),
    ]


def _doublings(
    choices: Choices, shallow: int, deep: int, total: int
) -> Sequence[Stage]:
    """Half of the steps for all shallow stages alike, as StackA has it."""
    depths = depths_before(shallow, deep)
    each = total // (2 * len(depths))
    stages = [stage(choices, depth, each) for depth in depths]
    stages.append(stage(choices, deep, total - each * len(depths)))
    return [
        dataclasses.replace(stage, method="adjacent", preset="best")
        if i
        else stage
        for i, stage in enumerate(stages)
    ]


def two_depths(choices: Choices) -> tuple[int, int]:
    """The shallow one and the deep one.

    Raises:
        ValueError: other than two depths, the second at least twice the
            first.
    """
    depths = choices.depths
    if len(depths) != 2 or 2 * depths[0] > depths[1]:
        raise ValueError(
            "Expected two depths, from shallow to at least twice as deep. "
            f"Received: depths={list(depths)}"
        )
    return depths[0], depths[1]


def depths_before(shallow: int, deep: int) -> list[int]:
    """Those that doubling goes through to get deep."""
    depths = [shallow]
    while 2 * depths[-1] < deep:
        depths.append(2 * depths[-1])
    return depths


def stage(choices: Choices, num_blocks: int, steps: int) -> Stage:
    """A stage that never stops early."""
    every = min(choices.stage(1).eval_every, steps)
    return choices.stage(
        num_blocks, max_steps=steps, eval_every=every, patience=steps
    )
