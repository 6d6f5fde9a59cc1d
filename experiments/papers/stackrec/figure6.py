r"""StackRec, Figure 6: training from scratch (TS, Algorithm 2).

All data are there, and a deep model is wanted: train a shallow one for a few
steps, stack, train a few more, stack, and only then to convergence; against
the deep model trained directly. All of the time counts.

    make reproduce-figure6                             # ML20
    make reproduce-figure6 DATASET=ml1m RAW=interactions.csv.gz \
        ARGS="--depths=4,8,16 --stage_patience=1,3"

Expected time on 2 cores with ML-1M and these depths: 10 to 15 minutes a seed.
Expected numbers: the paper's, 280 against 490 minutes with 8 -> 16 -> 32
blocks on ML20 (57 %), 480 against 740 on Kuaibao (65 %).
"""

import dataclasses
from collections.abc import Sequence

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.reporting import figure_comparisons
from experiments.reporting.claims import Claim
from nextitnet_tf.recipe import Stage

NAME = "figure6"
TITLE = "Training from scratch (StackRec, Figure 6)"
KIND = "all_stages"
USES = ("presets", "depths", "steps", "stage_patience")
DEFAULTS = {"presets": "best", "depths": "8,16,32", "stage_patience": "1"}
# The whole time of stacking, as a share of the direct model's.
PAPER_SHARES = {"ml20": 280 / 490, "kuaibao": 480 / 740}
# The release's caps of the shallow stages on ML20; elsewhere what served
# ML-1M best of a few tries (results/ml1m/figure6.md).
_STEPS = {"ml20": (50_000, 100_000), "kuaibao": (50_000, 100_000)}
_SMALL_STEPS = 1_000
CLAIMS = (
    Claim(
        "Training from scratch is faster by way of shallow models",
        "Figure 6: 57 % of the direct model's time on ML20, 65 % on "
        "Kuaibao, all stages counted.",
        [figure_comparisons.share_of_time],
    ),
)


def schedule_of(dataset: str, num_shallow: int) -> tuple[int, ...]:
    """Steps of each stage but the last, unless a flag says."""
    known = _STEPS.get(dataset, ())
    if len(known) == num_shallow:
        return known
    return (_SMALL_STEPS,) * num_shallow


def rows(choices: Choices) -> list[Row]:
    """The direct model; stacked by fixed schedules, and by those that decide.

    A stage of a fixed schedule ends after its steps; one that decides ends
    when its validation curve flattens: after so many evaluations in a row
    that are no better than the best so far.

    Raises:
        ValueError: not one number of steps for each stage but the last.
    """
    depths = choices.depths
    for steps in choices.schedules:
        if len(depths) < 2 or len(steps) != len(depths) - 1:
            raise ValueError(
                "Expected steps for each of the depths but the last. "
                f"Received: depths={list(depths)}, steps={list(steps)}"
            )
    deep = choices.stage(depths[-1])
    direct = Row(NAME, "scratch", choices.recipe(deep))
    found = [direct]
    for preset in choices.presets or ("best",):
        last = dataclasses.replace(deep, method="adjacent", preset=preset)
        ways = {
            f"fixed {'+'.join(map(str, steps))}": _fixed(choices, steps)
            for steps in choices.schedules
        } | {
            f"adaptive, patience {patience}": [
                choices.stage(depth, patience=patience) for depth in depths[:-1]
            ]
            for patience in choices.patiences
        }
        found += [
            Row(
                NAME,
                "stacked",
                choices.recipe(*_stacked(stages, preset), last),
                schedule=name,
                compared_with=direct,
            )
            for name, stages in ways.items()
        ]
    return found


def _fixed(choices: Choices, steps: Sequence[int]) -> list[Stage]:
    """Stages that never stop early."""
    every = choices.stage(1).eval_every
    return [
        choices.stage(
            depth,
            max_steps=of_stage,
            eval_every=min(every, of_stage),
            patience=of_stage,
        )
        for depth, of_stage in zip(choices.depths, steps, strict=False)
    ]


def _stacked(stages: Sequence[Stage], preset: str) -> list[Stage]:
    """All but the first upon the one before."""
    return [
        dataclasses.replace(stage, method="adjacent", preset=preset)
        if i
        else stage
        for i, stage in enumerate(stages)
    ]
