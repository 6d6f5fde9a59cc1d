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

from collections.abc import Sequence
from typing import Any

from experiments.recipes import rows
from experiments.recipes.rows import Row
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.recipe import Stage

NAME = "figure6"
TITLE = "Training from scratch (StackRec, Figure 6)"
DEPTHS = (8, 16, 32)
# The whole time of stacking, as a share of the direct model's.
PAPER_SHARES = {"ml20": 280 / 490, "kuaibao": 480 / 740}
# The release's caps of the shallow stages on ML20; elsewhere what served
# ML-1M best of a few tries (results/ml1m/figure6.md).
_STEPS = {"ml20": (50_000, 100_000), "kuaibao": (50_000, 100_000)}
_SMALL_STEPS = 1_000


def steps_of(dataset: str, num_shallow: int) -> tuple[int, ...]:
    """Steps of each stage but the last, unless a flag says."""
    known = _STEPS.get(dataset, ())
    if len(known) == num_shallow:
        return known
    return (_SMALL_STEPS,) * num_shallow


def select(
    depths: Sequence[int],
    schedules: Sequence[Sequence[int]],
    patiences: Sequence[int],
    protocol: Protocol,
    presets: Sequence[str],
    seed: int,
    **options,
) -> list[Row]:
    """The direct model; stacked by fixed schedules, and by those that decide.

    A stage of a fixed schedule ends after its steps; one that decides ends
    when its validation curve flattens: after so many evaluations in a row
    that are no better than the best so far.

    Args:
        depths: of the stages, each at most twice the one before.
        schedules: steps of each stage but the last; a line each.
        patiences: evaluations after which a stage that decides ends; a line
            each.
        protocol: how data become numbers.
        presets: what stacking copies; all these lines each.
        seed: of all lines.
        **options: of every `Stage` and of the `Recipe`.

    Raises:
        ValueError: not one number of steps for each stage but the last.
    """
    for steps in schedules:
        if len(depths) < 2 or len(steps) != len(depths) - 1:
            raise ValueError(
                "Expected steps for each of the depths but the last. "
                f"Received: depths={list(depths)}, steps={list(steps)}"
            )
    maker = rows.Maker(protocol, seed, options)
    found = [
        Row(
            NAME,
            f"NextItNet-{depths[-1]}",
            "scratch",
            maker.recipe(maker.stage(depths[-1], 1.0)),
        )
    ]
    way = " -> ".join(map(str, depths))
    for preset in presets:
        last = maker.stage(depths[-1], 1.0, "adjacent", preset)
        ways = [
            (
                f"fixed {'+'.join(map(str, steps))}",
                _fixed(depths, steps, maker, preset),
            )
            for steps in schedules
        ]
        ways += [
            (
                f"adaptive, patience {patience}",
                _adaptive(depths, patience, protocol, seed, options, preset),
            )
            for patience in patiences
        ]
        found += [
            Row(
                NAME,
                f"StackA {way}, {name}",
                "stacked",
                maker.recipe(*stages, last),
            )
            for name, stages in ways
        ]
    return found


def _fixed(
    depths: Sequence[int], steps: Sequence[int], maker: rows.Maker, preset: str
) -> list[Stage]:
    every = maker.stage(depths[0], 1.0).eval_every
    return [
        Stage(
            depth,
            method="adjacent" if i else None,
            preset=preset,
            max_steps=of_stage,
            eval_every=min(every, of_stage),
            patience=of_stage,  # it never stops early
        )
        for i, (depth, of_stage) in enumerate(
            zip(depths[:-1], steps, strict=True)
        )
    ]


def _adaptive(
    depths: Sequence[int],
    patience: int,
    protocol: Protocol,
    seed: int,
    options: dict[str, Any],
    preset: str,
) -> list[Stage]:
    maker = rows.Maker(protocol, seed, {**options, "patience": patience})
    return [
        maker.stage(depth, 1.0, "adjacent" if i else None, preset)
        for i, depth in enumerate(depths[:-1])
    ]
