"""StackRec, Table 2: continual learning on ML20.

The training data grow: a shallow model was trained on an earlier fraction;
now there are more data and a deeper model is wanted. Train it from scratch,
go on with the shallow one, or stack?

    make reproduce-table2                              # ML20, downloads it
    make reproduce-table2 DATASET=ml1m RAW=interactions.csv.gz

Expected time on 2 cores with ML-1M: about 50 minutes for setting 40-60,
twice that for 60-80; ML20 wants a GPU. Expected numbers: the paper's, below
(MRR@5, HR@5, NDCG@5, speed-up; ML20, t = 20, 24 K items, 64 channels).

The paper trained on a 2018 `ml-latest` extract of 27.5 M actions that cannot
be had any more; `ml20` here is ml-20m, 20,000,263 ratings.
"""

import dataclasses

from nextitnet_tf.recipe import Protocol
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage

METHOD_NAMES = {"adjacent": "StackA", "cross": "StackC"}

PAPER_DATA = "ML20, 27.5 M actions"
PAPER: dict[str, dict[str, tuple]] = {
    "100-100": {"MostPop": (0.0062, 0.0182, 0.0092, None)},
    "40-60": {
        "NextItNet-4 (40%)": (0.0703, 0.1209, 0.0827, None),
        "NextItNet-8 (60%)": (0.0757, 0.1288, 0.0889, 1.00),
        "CL-NextItNet-4": (0.0710, 0.1218, 0.0835, None),
        "StackC-Next-8": (0.0762, 0.1306, 0.0896, 2.50),
        "StackA-Next-8": (0.0766, 0.1306, 0.0899, 2.50),
    },
    "60-80": {
        "NextItNet-8 (60%)": (0.0757, 0.1288, 0.0889, None),
        "NextItNet-16 (80%)": (0.0816, 0.1379, 0.0955, 1.00),
        "CL-NextItNet-8": (0.0766, 0.1310, 0.0901, None),
        "StackC-Next-16": (0.0819, 0.1391, 0.0961, 2.05),
        "StackA-Next-16": (0.0822, 0.1402, 0.0965, 2.05),
    },
    "80-100": {
        "NextItNet-16 (80%)": (0.0816, 0.1379, 0.0955, None),
        "NextItNet-32 (100%)": (0.0866, 0.1473, 0.1017, 1.00),
        "CL-NextItNet-16": (0.0820, 0.1400, 0.0963, None),
        "StackC-Next-32": (0.0869, 0.1479, 0.1020, 3.21),
        "StackA-Next-32": (0.0872, 0.1480, 0.1022, 3.21),
    },
}


# Steps a stage at most, steps between evaluations, evaluations without a
# better MRR@5: the release's for ML20, small enough for 2 cores elsewhere.
BUDGETS = {
    "ml20": {"max_steps": 300_000, "eval_every": 6_000, "patience": 8},
    "": {"max_steps": 20_000, "eval_every": 100, "patience": 5},
}


@dataclasses.dataclass(frozen=True)
class Setting:
    """From a shallow model on less data to a deep one on more."""

    ratio_before: float
    ratio_after: float
    num_blocks: int
    num_blocks_after: int

    @property
    def name(self) -> str:
        """As the paper writes it, e.g. 40-60."""
        return f"{self.ratio_before:.0%}-{self.ratio_after:.0%}".replace(
            "%", ""
        )


SETTINGS = {
    s.name: s
    for s in (
        Setting(0.4, 0.6, 4, 8),
        Setting(0.6, 0.8, 8, 16),
        Setting(0.8, 1.0, 16, 32),
    )
}


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the table: its last stage is what the line reports.

    Attributes:
        setting: name of the setting, e.g. 40-60.
        label: as the paper calls it.
        role: "baseline", "shallow" (where stacking begins), "scratch" (what
            speed-ups are counted against), "stacked" or "continued".
        recipe: how to get there.
    """

    setting: str
    label: str
    role: str
    recipe: Recipe

    @property
    def preset(self) -> str:
        """What stacking copied, or ""."""
        stages = self.recipe.stages
        if self.role != "stacked":
            return ""
        chained = ", chained" if len(stages) > 2 else ""
        return stages[-1].preset + chained


def make_rows(
    settings: list[Setting],
    protocol: Protocol,
    presets: list[str],
    seed: int,
    chain: bool = False,
    **options,
) -> list[Row]:
    """The table's lines, each setting's shallow and scratch models first.

    Args:
        settings: in order.
        protocol: how data become numbers.
        presets: what stacking copies; a line each.
        seed: of all the lines.
        chain: stack each setting upon the stacked model of the one before,
            instead of a shallow model trained from scratch.
        **options: of every `Stage` (max_steps, eval_every, patience) and of
            the `Recipe` (batch_size, learning_rate, model_config).

    Returns:
        The lines.
    """
    stage_options = {
        name: options.pop(name)
        for name in ("max_steps", "eval_every", "patience")
        if name in options
    }

    def recipe(*stages, **changes):
        return Recipe(
            stages=tuple(stages),
            protocol=protocol,
            seed=seed,
            **{**options, **changes},
        )

    def stage(num_blocks, ratio, method=None, preset="best"):
        return Stage(
            num_blocks, ratio, method=method, preset=preset, **stage_options
        )

    rows = [
        Row(
            "100-100",
            "MostPop",
            "baseline",
            recipe(stage(1, 1.0), model="most_pop", model_config={}),
        )
    ]
    stacked: dict[tuple[str, str], tuple[Stage, ...]] = {}
    for s in settings:
        shallow = stage(s.num_blocks, s.ratio_before)
        deep = stage(s.num_blocks_after, s.ratio_after)
        before, after = f"{s.ratio_before:.0%}", f"{s.ratio_after:.0%}"
        rows += [
            Row(
                s.name,
                f"NextItNet-{s.num_blocks} ({before})",
                "shallow",
                recipe(shallow),
            ),
            Row(
                s.name,
                f"NextItNet-{s.num_blocks_after} ({after})",
                "scratch",
                recipe(deep),
            ),
        ]
        for preset in presets:
            for method, name in METHOD_NAMES.items():
                stages = (
                    *(stacked.get((method, preset), (shallow,))),
                    stage(s.num_blocks_after, s.ratio_after, method, preset),
                )
                if chain:
                    stacked[method, preset] = stages
                rows.append(
                    Row(
                        s.name,
                        f"{name}-Next-{s.num_blocks_after}",
                        "stacked",
                        recipe(*stages),
                    )
                )
        rows.append(
            Row(
                s.name,
                f"CL-NextItNet-{s.num_blocks}",
                "continued",
                recipe(shallow, stage(s.num_blocks, s.ratio_after, "continue")),
            )
        )
    return rows
