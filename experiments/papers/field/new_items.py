r"""New items: a model goes on with the next day, whose items it has not seen.

A model is trained on what was over before `--train_until`. Then the sessions
until `--validate_until` come, with items that it has never seen; its
vocabulary grows, new rows begin in one of three ways, and it goes on with the
new sessions alone, for a number of steps. As long a time behind is the test:
what it is worth on targets that the first model had not seen, and on old
ones, beside a model trained anew on all, and beside what was popular in the
new sessions.

    make reproduce-new-items DATASET=globo_days RAW=interactions.csv.gz \
        SEEDS=0,1,2 ARGS="--user_column=session --t=10 --min_length=2"

Expected time with Globo (1 to 8 October, then the 9th): a quarter of an hour a
seed. Expected numbers, MRR@5 of items never seen, three seeds: the mean .0553
at once, .0603 after 20 steps, .0591 after 100, .0355 after 1,000, which overfit
on one day; a random start .0000, .0050, .0560, .0411; popularity .0315; a model
trained anew .0417.
"""

import dataclasses
from collections.abc import Mapping

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.reporting import stored_claims
from experiments.reporting.claims import Claim
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.recipe import Stage
from nextitnet_tf.recipe import Start

NAME = "new_items"
TITLE = "New items"
KIND = "new_items"
USES = ("depths", "steps")
DEFAULTS = {
    "protocol": "temporal",
    "train_until": "2017-10-09",
    "validate_until": "2017-10-10",
    "depths": "2",
    "embedding_dim": "32",
    "steps": "0,20,100,1000",
    "max_steps": "1500",
    "eval_every": "500",
    "patience": "3",
}
CLAIMS = (
    Claim(
        "Items never seen are soon worth more than what is popular, and old "
        "ones no less",
        "",
        [stored_claims.new_items],
        answers="newer",
    ),
)
# The sessions that a line is trained on.
BEFORE, AFTER, ALL = "before", "after", "all"
STARTS = ("mean", "co_occurring", "random")
_NOWHERE = Start(source="", path="")


def rows(
    choices: Choices,
    protocols: Mapping[str, Protocol] | None = None,
    start: Start = _NOWHERE,
) -> list[Row]:
    """The model of before, what is popular, each way to go on, anew.

    Args:
        choices: what was asked for; a line for each of the steps of the first
            schedule.
        protocols: of each of the sessions.
        start: the model of before.

    Raises:
        ValueError: other than one depth, or than one list of steps.
    """
    if len(choices.depths) != 1 or len(choices.schedules) != 1:
        raise ValueError(
            "Expected one depth, and one list of steps. Received: "
            f"depths={list(choices.depths)}, steps={list(choices.schedules)}"
        )
    of = protocols or dict.fromkeys((BEFORE, AFTER, ALL), choices.protocol)
    (depth,), (steps,) = choices.depths, choices.schedules
    whole = choices.stage(depth)
    popular = choices.recipe(
        Stage(1), model="most_pop", model_config={}, protocol=of[AFTER], seed=0
    )
    return [
        Row(BEFORE, "shallow", choices.recipe(whole, protocol=of[BEFORE])),
        Row(AFTER, "baseline", popular),
        *(
            Row(
                AFTER,
                "variant",
                dataclasses.replace(
                    choices.recipe(whole, protocol=of[AFTER]),
                    stages=(_going_on(depth, new_items, count),),
                    start=start,
                ),
                note=f"{new_items}, {count} steps",
            )
            for new_items in STARTS
            for count in steps
        ),
        Row(ALL, "scratch", choices.recipe(whole, protocol=of[ALL])),
    ]


def _going_on(depth: int, new_items: str, steps: int) -> Stage:
    """A stage that is evaluated at its end alone."""
    return Stage(
        depth,
        method="continue",
        new_items=new_items,
        max_steps=steps,
        eval_every=max(steps, 1),
    )
