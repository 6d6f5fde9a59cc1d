"""A shallow model on less data, and the deep ones that come of it."""

import dataclasses
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.papers.rows import SettingFigures
from nextitnet_tf.recipe import Stage


@dataclasses.dataclass(frozen=True)
class Setting:
    """From a shallow model on less data to a deep one on more."""

    ratio_before: float
    ratio_after: float
    num_blocks: int
    num_blocks_after: int

    @property
    def name(self) -> str:
        """As StackRec writes it, e.g. 40-60."""
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
class Growth:
    """The lines of a setting.

    Attributes:
        name: of the setting, in the table.
        setting: depths and fractions of the data, as the paper has them.
        methods: how to stack.
        figures: the paper's, by role or method.
        family: what the paper calls the model, e.g. "NextItNet".
        stacked_family: the same in the names of stacked models, e.g. "Next".
        best_preset: what is best for the model (`SequentialRecommender`).
        shows_ratio: whether labels name the fraction of the data.
        method_of: the method that a preset has in a method's place.
        changes: of every recipe.
    """

    name: str
    setting: Setting
    methods: Sequence[str]
    figures: SettingFigures = dataclasses.field(default_factory=dict)
    family: str = "NextItNet"
    stacked_family: str = "Next"
    best_preset: str = "best"
    shows_ratio: bool = False
    method_of: Callable[[str, str], str] = lambda method, preset: method
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def rows(
        self,
        choices: Choices,
        before: Mapping[tuple[str, str], tuple[Stage, ...]] | None = None,
    ) -> list[Row]:
        """A shallow model, the deep one from scratch, and the stacked ones.

        Args:
            choices: what was asked for.
            before: stages to stack upon, by method and preset, instead of
                the shallow model from scratch.
        """
        small = self.setting.divided(choices.divide_depth)
        first = choices.stage(small.num_blocks, small.ratio_before)
        deep = choices.stage(small.num_blocks_after, small.ratio_after)
        shallow = self._row(choices, "shallow", first)
        scratch = dataclasses.replace(
            self._row(choices, "scratch", deep), grown_from=shallow
        )
        presets = choices.presets
        if presets is None:
            presets = ("release", self.best_preset)
        return [
            shallow,
            scratch,
            *(
                dataclasses.replace(
                    self._row(
                        choices,
                        "stacked",
                        *(before or {}).get((method, preset), (first,)),
                        dataclasses.replace(
                            deep,
                            method=self.method_of(method, preset),
                            preset=preset,
                        ),
                        key=method,
                    ),
                    compared_with=scratch,
                )
                for preset in presets
                for method in self.methods
            ),
        ]

    def _row(
        self, choices: Choices, role: str, *stages: Stage, key: str = ""
    ) -> Row:
        shows_ratio = self.shows_ratio and role != "stacked"
        return Row(
            self.name,
            role,
            choices.recipe(*stages, **self.changes),
            self.figures.get(key or role),
            self.family,
            self.stacked_family,
            f"{stages[-1].data_ratio:.0%}" if shows_ratio else "",
        )
