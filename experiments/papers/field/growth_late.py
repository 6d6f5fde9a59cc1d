r"""Growth in half of the time, with a learning rate that falls at the end.

The deep model trained directly, and what half of its time gives: the same
model trained for half of the steps, StackRec's doublings (Figure 6), and one
step from shallow to deep after 20, 50 and 80 % of the steps. The learning rate
is constant until the second half of the last stage, and falls there.

    make reproduce-growth-late DATASET=deep SEEDS=0,1,2
    make reproduce-growth-late DATASET=ml1m RAW=interactions.csv.gz \
        ARGS="--depths=4,16 --embedding_dim=64 --learning_rate=0.001"

Expected time on 2 cores with `deep` (generated): half an hour a seed. Expected
numbers: nobody has published any; on `deep` we have MRR@5 .1978 of the direct
model (.1951 where the rate stays constant), and in half of its time .1934 of
the same model, .1934 of one step at 20 %, .1923 of doublings, three seeds; of
the last evaluations .2000, .1914, .1935 and .1920. Growing is worth little more
there than training for half as long, and less than a rate that falls.
"""

import dataclasses
from collections.abc import Sequence

from experiments.papers.field import growth
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from nextitnet_tf.recipe import Recipe

NAME = "growth_late"
TITLE = "Ways to grow in half of the time"
KIND = "growth"
USES = ("depths",)
REFUSES = ("patience",)  # no line stops early
DEFAULTS = growth.DEFAULTS
CLAIMS = growth.CLAIMS
# How many blocks take as long as the embedding and the softmax of a step: with
# two, 2 blocks take the fifth of 16 that was measured.
_BESIDE_BLOCKS = 2

# Depths, each with its share of a line's steps.
_Way = Sequence[tuple[int, float]]


def rows(choices: Choices) -> list[Row]:
    """The direct model, it in half of the time, then each way to grow.

    Raises:
        ValueError: other than two depths, the second at least twice the
            first.
    """
    shallow, deep = growth.two_depths(choices)
    steps = choices.stage(deep).max_steps
    directly: _Way = [(deep, 1.0)]
    direct = Row(NAME, "scratch", _recipe(choices, directly, steps))
    before = growth.depths_before(shallow, deep)
    share = 0.5 / len(before)
    doublings: _Way = [*((depth, share) for depth in before), (deep, 0.5)]
    ways = {"doubling": (doublings, ("adjacent", "best"))}
    for share in (0.2, 0.5, 0.8):
        one_step: _Way = [(shallow, share), (deep, 1 - share)]
        name = f"one step at {share:.0%}"
        ways[name] = (one_step, ("cross", "identity"))
    return [
        direct,
        Row(
            NAME,
            "baseline",
            _recipe(choices, directly, _steps_of_half(directly, steps)),
            note="half of the time",
            compared_with=direct,
        ),
        *(
            Row(
                NAME,
                "stacked",
                _recipe(choices, way, _steps_of_half(way, steps), *copied),
                schedule=name,
                compared_with=direct,
            )
            for name, (way, copied) in ways.items()
        ),
    ]


def _steps_of_half(way: _Way, steps: int) -> int:
    """How many a line trains for in half of the time of the direct model."""
    deep = way[-1][0]
    time_of_step = sum(
        share * (depth + _BESIDE_BLOCKS) / (deep + _BESIDE_BLOCKS)
        for depth, share in way
    )
    return round(steps / 2 / time_of_step)


def _recipe(
    choices: Choices, way: _Way, steps: int, method: str = "", preset: str = ""
) -> Recipe:
    """The stages of a way, of so many steps in all."""
    each = [round(share * steps) for _, share in way[:-1]]
    each.append(steps - sum(each))
    stages = [
        growth.stage(choices, depth, of_stage)
        for (depth, _), of_stage in zip(way, each, strict=True)
    ]
    grown = [
        dataclasses.replace(stage, method=method, preset=preset)
        for stage in stages[1:]
    ]
    *first, last = [stages[0], *grown]
    return choices.recipe(*first, dataclasses.replace(last, decay="late"))
