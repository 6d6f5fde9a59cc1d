"""What the rows of StackRec's tables have in common."""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from nextitnet_tf.recipe import Protocol
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage

METHOD_NAMES = {
    "embedding": "StackE",
    "random": "StackR",
    "cross": "StackC",
    "adjacent": "StackA",
    "adjacent_release": "StackA",
}
_STAGE_OPTIONS = ("max_steps", "eval_every", "patience")

# MRR@5, HR@5, NDCG@5, speed-up of a model, by setting and label.
Figures = Mapping[str, Mapping[str, tuple[float | None, ...]]]


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

    def divided(self, by: int) -> "Setting":
        """The same with a fraction of the depths.

        Raises:
            ValueError: a depth that is no multiple.
        """
        depths = (self.num_blocks, self.num_blocks_after)
        if by < 1 or any(depth % by for depth in depths):
            raise ValueError(
                f"Depths {depths[0]} and {depths[1]} are to be divided "
                f"evenly. Received: divide_depth={by}"
            )
        return dataclasses.replace(
            self, num_blocks=depths[0] // by, num_blocks_after=depths[1] // by
        )


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of a table: its last stage is what the line reports.

    Attributes:
        setting: name of the setting, e.g. 40-60.
        label: what the model is called, by its own depth.
        role: "baseline", "shallow" (where stacking begins), "scratch" (what
            speed-ups are counted against), "stacked", "continued" or
            "variant".
        recipe: how to get there.
        paper_label: what the paper calls it, by the paper's depth; default
            the label.
    """

    setting: str
    label: str
    role: str
    recipe: Recipe
    paper_label: str = ""

    @property
    def preset(self) -> str:
        """What stacking copied, or ""."""
        stages = self.recipe.stages
        if self.role != "stacked":
            return ""
        chained = ", chained" if len(stages) > 2 else ""
        return stages[-1].preset + chained

    def paper(self, figures: Figures) -> tuple[float | None, ...] | None:
        """The paper's figures of this line, if it has any."""
        label = self.paper_label or self.label
        return figures.get(self.setting, {}).get(label)


class Maker:
    """Makes the recipes of one table, one protocol, one seed.

    Args:
        protocol: how data become numbers.
        seed: of all lines.
        options: of every `Stage` (max_steps, eval_every, patience) and of
            the `Recipe` (batch_size, learning_rate, model_config).
    """

    def __init__(
        self, protocol: Protocol, seed: int, options: Mapping[str, Any]
    ):
        self.protocol = protocol
        self.seed = seed
        self._of_stage = {k: options[k] for k in _STAGE_OPTIONS if k in options}
        self._of_recipe = {
            k: v for k, v in options.items() if k not in _STAGE_OPTIONS
        }

    def stage(
        self,
        num_blocks: int,
        ratio: float,
        method: str | None = None,
        preset: str = "best",
    ) -> Stage:
        """A stage with the table's budget."""
        return Stage(
            num_blocks, ratio, method=method, preset=preset, **self._of_stage
        )

    def recipe(
        self,
        *stages: Stage,
        config_changes: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Recipe:
        """A recipe with the table's options, some of them changed.

        Args:
            *stages: in order.
            config_changes: added to the table's `model_config`.
            **changes: of the `Recipe`.
        """
        options = {
            "protocol": self.protocol,
            "seed": self.seed,
            **self._of_recipe,
            **changes,
        }
        if config_changes:
            options["model_config"] = {
                **options.get("model_config", {}),
                **config_changes,
            }
        return Recipe(stages=tuple(stages), **options)


def growth(
    maker: Maker,
    name: str,
    setting: Setting,
    *,
    family: str,
    stacked_family: str,
    methods: Sequence[str],
    presets: Sequence[str] | None,
    best_preset: str = "best",
    divide_depth: int = 1,
    show_ratio: bool = False,
    method_of: Callable[[str, str], str] = lambda method, preset: method,
    before: Mapping[tuple[str, str], tuple[Stage, ...]] | None = None,
    **changes: Any,
) -> list[Row]:
    """A shallow model, the deep one from scratch, and the stacked ones.

    Args:
        maker: of the recipes.
        name: of the setting.
        setting: depths and fractions of the data.
        family: what the paper calls the model, e.g. "NextItNet".
        stacked_family: the same in the names of stacked models, e.g. "Next".
        methods: how to stack.
        presets: what to copy; a line each. None: what the release copies, and
            `best_preset`.
        best_preset: the model's (`SequentialRecommender`).
        divide_depth: of the paper's depths.
        show_ratio: whether labels name the fraction of the data.
        method_of: the method that a preset has in a method's place.
        before: stages to stack upon, by method and preset, instead of the
            shallow model from scratch.
        **changes: of every recipe.

    Returns:
        The lines.
    """
    small = setting.divided(divide_depth)

    def label(of: Setting, role: str) -> str:
        depth, ratio = (
            (of.num_blocks, of.ratio_before)
            if role == "shallow"
            else (of.num_blocks_after, of.ratio_after)
        )
        shown = f" ({ratio:.0%})" if show_ratio else ""
        return f"{family}-{depth}{shown}"

    shallow = maker.stage(small.num_blocks, small.ratio_before)
    deep = maker.stage(small.num_blocks_after, small.ratio_after)
    rows = [
        Row(
            name,
            label(small, role),
            role,
            maker.recipe(stage, **changes),
            label(setting, role),
        )
        for role, stage in (("shallow", shallow), ("scratch", deep))
    ]
    for preset in ("release", best_preset) if presets is None else presets:
        for method in methods:
            title = f"{METHOD_NAMES[method]}-{stacked_family}"
            last = maker.stage(
                small.num_blocks_after,
                small.ratio_after,
                method_of(method, preset),
                preset,
            )
            first = (before or {}).get((method, preset), (shallow,))
            rows.append(
                Row(
                    name,
                    f"{title}-{small.num_blocks_after}",
                    "stacked",
                    maker.recipe(*first, last, **changes),
                    f"{title}-{setting.num_blocks_after}",
                )
            )
    return rows
