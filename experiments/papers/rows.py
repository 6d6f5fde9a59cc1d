"""What a line of a table or a figure is, as data."""

import dataclasses
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from nextitnet_tf.models import MODELS
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage

ROLES = (
    "baseline",
    "shallow",  # where stacking begins
    "scratch",  # what speed-ups are counted against
    "stacked",
    "continued",  # the shallow model goes on
    "variant",
    "untrained",  # fine-tuned without pre-training
)
METHOD_NAMES = {
    "embedding": "StackE",
    "random": "StackR",
    "cross": "StackC",
    "adjacent": "StackA",
    "adjacent_release": "StackA",
}
# How a trained model that skips blocks may be served in a policy's place.
RANDOM_BLOCKS, SAME_BLOCKS = "random blocks", "the same blocks"
# Flags, and fields of a `Stage`, that say how long it trains.
BUDGET = ("max_steps", "eval_every", "patience", "budget_in")

# The paper's MRR@5, HR@5, NDCG@5 and speed-up of a line.
Figures = tuple[float | None, ...]
# Those of the lines of a setting, by role, by method of stacking, or by what
# the model is called.
SettingFigures = Mapping[str, Figures]
# Those of a table: by data set and setting.
TableFigures = Mapping[str, Mapping[str, SettingFigures]]


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of a table: its last stage is what the line reports.

    Attributes:
        setting: name of the setting, e.g. 40-60.
        role: one of `ROLES`.
        recipe: how to get there.
        figures: the paper's own of this line, if it has any.
        family: what the paper calls the model, by default its class.
        stacked_family: the same in the names of stacked models.
        note: what the label says in brackets; of a variant all of it.
        served_as: how the trained model is changed before it answers, if it
            is: "int8", "int4", `RANDOM_BLOCKS` or `SAME_BLOCKS`
            (`reporting.served_as`).
        schedule: how long the shallow stages train, where lines differ in
            that.
        compared_with: the line that speed-up and difference are counted
            against. A model from scratch is compared with itself, a baseline
            with the best NextItNet there is.
        rival_of: a line that claims to be better than this one.
        without_alpha: the same line without alpha.
        grown_from: the shallow line that a deep one from scratch takes the
            place of.
    """

    setting: str
    role: str
    recipe: Recipe
    figures: Figures | None = None
    family: str = ""
    stacked_family: str = "Next"
    note: str = ""
    served_as: str = ""
    schedule: str = ""
    compared_with: "Row | None" = None
    rival_of: "Row | None" = None
    without_alpha: "Row | None" = None
    grown_from: "Row | None" = None

    def __post_init__(self):
        if self.role not in ROLES:
            raise ValueError(
                f"`role` must be one of {ROLES}. Received: role={self.role!r}"
            )
        if not self.family:
            name = MODELS[self.recipe.model].__name__
            object.__setattr__(self, "family", name)

    @property
    def last(self) -> Stage:
        """The stage that the line reports."""
        return self.recipe.stages[-1]

    @property
    def num_blocks(self) -> int:
        """Depth."""
        return self.last.num_blocks

    @property
    def data_ratio(self) -> float:
        """Fraction of the training rows."""
        return self.last.data_ratio

    @property
    def seed(self) -> int:
        """Seed of the recipe."""
        return self.recipe.seed

    @property
    def method(self) -> str | None:
        """How the last stage stacks, if it does."""
        return self.last.method if self.role == "stacked" else None

    @property
    def preset(self) -> str:
        """What stacking copies, or ""."""
        return (self.last.preset or "") if self.method else ""

    @property
    def has_blocks(self) -> bool:
        """Whether the model has any."""
        return "num_blocks" in MODELS[self.recipe.model].arguments()

    @property
    def use_alpha(self) -> bool | None:
        """Whether alpha scales its blocks; None without blocks."""
        if not self.has_blocks:
            return None
        return bool(self.recipe.model_config.get("use_alpha", True))

    @property
    def is_chained(self) -> bool:
        """Whether it is stacked upon a model that was stacked itself."""
        stages = self.recipe.stages
        return bool(self.method) and len(stages) > 2 and not self.schedule

    @property
    def copied(self) -> str:
        """What a table says of what stacking copied."""
        return self.preset + ", chained" * self.is_chained

    @property
    def label(self) -> str:
        """What a table calls the model, by its own depth."""
        said = ", ".join(filter(None, [self.note, self.served_as]))
        note = f" ({said})" if said else ""
        if self.role == "variant":
            return self.note
        if not self.has_blocks:
            return self.family + note
        if self.schedule:
            way = " -> ".join(str(s.num_blocks) for s in self.recipe.stages)
            return f"{METHOD_NAMES[str(self.method)]} {way}, {self.schedule}"
        name = f"{self.family}-{self.num_blocks}"
        if self.role == "continued":
            return f"CL-{name}"
        if self.role == "untrained":
            return f"{name}, not pre-trained"
        if self.method:
            stacked = METHOD_NAMES[self.method]
            return f"{stacked}-{self.stacked_family}-{self.num_blocks}"
        return name + note


@dataclasses.dataclass(frozen=True)
class Choices:
    """What is asked of a target: one protocol, one seed.

    Attributes:
        protocol: how data become numbers.
        seed: of all lines.
        settings: parts of the target, by name.
        presets: what stacking copies, a line each; None for what the release
            copies and for what is best for the model.
        divide_depth: divides the paper's depths.
        chain: whether a setting is stacked upon the stacked model of the one
            before, instead of a shallow model trained from scratch.
        depths: numbers of blocks.
        ratios: fractions of the training data.
        schedules: training steps of each stage but the last, a line each.
        patiences: evaluations after which a shallow stage ends, a line each.
        figures_of: the data set of the paper whose figures may stand beside
            ours, if any.
        dataset: what the data are called.
        is_generated: whether they are drawn from a law. There are more of
            them than a model learns by heart: what was tuned on somebody's
            ratings, dropout above all, does not hold for them.
        num_items: of the data, where the lines depend on it.
        options: of every `Stage` (max_steps, eval_every, patience) and of
            the `Recipe` (batch_size, learning_rate, model_config).
    """

    protocol: Protocol
    seed: int = 0
    settings: Sequence[str] = ()
    presets: Sequence[str] | None = None
    divide_depth: int = 1
    chain: bool = False
    depths: Sequence[int] = ()
    ratios: Sequence[float] = ()
    schedules: Sequence[Sequence[int]] = ()
    patiences: Sequence[int] = ()
    figures_of: str | None = None
    dataset: str = ""
    is_generated: bool = False
    num_items: int = 0
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def stage(self, num_blocks: int, ratio: float = 1.0, **changes) -> Stage:
        """A stage with the budget that was asked for.

        Args:
            num_blocks: depth.
            ratio: fraction of the training data.
            **changes: of the `Stage`.
        """
        budget = {k: v for k, v in self.options.items() if k in BUDGET}
        return Stage(num_blocks, ratio, **{**budget, **changes})

    def stage_like(self, usual: Stage) -> Stage:
        """A stage, with what was asked of its budget (`Stage.with_budget`)."""
        said = {k: v for k, v in self.options.items() if k in BUDGET}
        return usual.with_budget(**said)

    def recipe(
        self,
        *stages: Stage,
        config_changes: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> Recipe:
        """A recipe with the options that were asked for.

        Args:
            *stages: in order.
            config_changes: added to the `model_config`.
            **changes: of the `Recipe`.
        """
        known = {k: v for k, v in self.options.items() if k not in BUDGET}
        fields = {
            "protocol": self.protocol,
            "seed": self.seed,
            **known,
            **changes,
        }
        if config_changes:
            config = fields.get("model_config", {})
            fields["model_config"] = {**config, **config_changes}
        return Recipe(stages=stages, **fields)

    @property
    def embedding_dim(self) -> int:
        """Width, which baselines share with the paper's model."""
        return self.options.get("model_config", {}).get("embedding_dim", 64)

    def figures(self, of_table: TableFigures, setting: str) -> SettingFigures:
        """The paper's of a setting, by role, method or name."""
        return of_table.get(self.figures_of or "", {}).get(setting, {})
