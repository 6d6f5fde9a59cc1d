"""What to train, as data: stages, recipes, fine-tuning."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace

from nextitnet_tf.growing import DEFAULT_START
from nextitnet_tf.growing import STARTS
from nextitnet_tf.protocol import A_LABEL
from nextitnet_tf.protocol import PROTOCOLS
from nextitnet_tf.protocol import Protocol
from nextitnet_tf.protocol import check_choice
from nextitnet_tf.protocol import make_plain
from nextitnet_tf.stacking import METHODS
from nextitnet_tf.stacking import PRESETS
from nextitnet_tf.stacking import SWITCHES
from nextitnet_tf.stacking import source_blocks

# What of a recipe's `model_config` its last stage alone has: arguments of a
# `SkipRec` around the model, and of `distillation.teach`.
OF_LAST_STAGE = ("skip", "distill")
DECAYS = ("constant", "cosine", "late")
MOST_BLOCKS = 1000  # published are 128; a slip would build for hours
# Of very few rows a pass is too little to learn from, or to evaluate after.
LEAST_STEPS_OF_PASS = 25


@dataclass(frozen=True)
class Stage:
    """One call of fit, to convergence or to a cap.

    Attributes:
        num_blocks: depth.
        data_ratio: fraction of the training rows.
        method: None starts from scratch; "adjacent" and "cross" stack the
            stage before; "continue" goes on with the very same
            weights and a new optimizer, or, with the switch of that name, the
            old one; "distill" starts from scratch with the stage before for a
            teacher (`distillation.teach`).
        preset: what stacking copies (`stacking.PRESETS`); None for what is
            best for the model (its `best_preset`).
        switches: overrides of the preset, (name, on) pairs.
        max_steps: training steps at most; 0 trains nothing, and tests what
            the stage begins as.
        eval_every: steps between two evaluations.
        patience: evaluations without a better MRR@5 before stopping.
        budget_in: "steps", or "passes": then `max_steps` and `eval_every`
            count passes over the training rows, so that a recipe fits data
            of any size. A pass counts `LEAST_STEPS_OF_PASS` steps at least.
        new_items: how items begin that the stage before has never seen
            (`growing.STARTS`).
        decay: of its learning rate; None for the recipe's.
    """

    num_blocks: int
    data_ratio: float = 1.0
    method: str | None = None
    preset: str | None = None
    switches: tuple[tuple[str, bool], ...] = ()
    max_steps: int = 20_000
    eval_every: int = 100
    patience: int = 5
    budget_in: str = "steps"
    new_items: str = DEFAULT_START
    decay: str | None = None

    def __post_init__(self):
        make_plain(self)
        check_choice(self, "decay", (None, *DECAYS))
        check_choice(self, "new_items", STARTS)
        check_choice(self, "budget_in", ("steps", "passes"))
        check_choice(self, "method", (None, *METHODS, "continue", "distill"))
        check_choice(self, "preset", (None, *PRESETS))
        names = [name for name, _ in self.switches]
        if not set(names) <= set(SWITCHES) or len(set(names)) < len(names):
            raise ValueError(
                f"`switches` must name each once, of {SWITCHES}. "
                f"Received: switches={self.switches}"
            )
        if not all(type(on) is bool for _, on in self.switches):
            raise ValueError(
                "`switches` are True or False. "
                f"Received: switches={self.switches}"
            )
        for name in ("num_blocks", "max_steps", "eval_every", "patience"):
            least = 0 if name == "max_steps" else 1
            most = MOST_BLOCKS if name == "num_blocks" else math.inf
            if not least <= getattr(self, name) <= most:
                raise ValueError(
                    f"`{name}` must be at least {least}"
                    + f", at most {most:,}" * (most < math.inf)
                    + f". Received: {name}={getattr(self, name)}"
                )
        if self.eval_every > self.max_steps > 0:
            raise ValueError(
                "A stage needs at least one evaluation: `eval_every` must "
                "not exceed `max_steps`. Received: "
                f"eval_every={self.eval_every}, max_steps={self.max_steps}"
            )
        if not 0 < self.data_ratio <= 1:
            raise ValueError(
                "`data_ratio` must be in (0, 1]. "
                f"Received: data_ratio={self.data_ratio}"
            )

    def with_budget(self, **said) -> "Stage":
        """The same stage, with what was said of its budget.

        Steps that were said without their unit are training steps. What was
        not said stays as it is if the unit does; else it is the default.

        Args:
            **said: of `max_steps`, `eval_every`, `patience`, `budget_in`.
        """
        is_counted = {"max_steps", "eval_every"} & said.keys()
        unit = said.get("budget_in", "steps" if is_counted else self.budget_in)
        usual = self if unit == self.budget_in else Stage(1)
        return replace(
            self,
            **{
                "max_steps": usual.max_steps,
                "eval_every": usual.eval_every,
                **said,
                "budget_in": unit,
            },
        )


@dataclass(frozen=True)
class Start:
    """A trained model that a recipe begins from.

    Attributes:
        source: what it is: the sha256 of its file, or the name of its run.
        path: of the file.
    """

    source: str
    path: str = field(metadata=A_LABEL)


@dataclass(frozen=True)
class Recipe:
    """A model and the stages it goes through.

    Attributes:
        stages: in order; the first starts from scratch, or from `start`.
        protocol: how data become numbers.
        model: a name in `models.MODELS`.
        model_config: arguments of the model class but for `num_items`,
            `num_blocks` and `kernel_seed`; `skip` has those of a `SkipRec`
            around the model of the last stage.
        batch_size: global, over all devices.
        learning_rate: of Adam, at the start of a stage.
        decay: of the rate: "constant", "cosine" to a hundredth of it over a
            stage's `max_steps`, or "late", over the second half of them.
        weight_decay: of AdamW, on matrices and tables; 0 is Adam.
        label_smoothing: share of a target that is spread over all columns.
        start: the model that the first stage goes on with; None if none.
        seed: of initial weights, negatives and the order of rows; the split
            does not depend on it.
    """

    stages: tuple[Stage, ...]
    protocol: Protocol = PROTOCOLS["clean"]
    model: str = "nextitnet"
    model_config: Mapping[str, object] = field(default_factory=dict)
    batch_size: int = 256
    learning_rate: float = 1e-3
    seed: int = 0
    decay: str = "constant"
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    start: Start | None = None

    def __post_init__(self):
        make_plain(self)
        check_choice(self, "decay", DECAYS)
        if self.batch_size < 1 or not 0 < self.learning_rate < math.inf:
            raise ValueError(
                "`batch_size` must be at least 1, `learning_rate` positive. "
                f"Received: batch_size={self.batch_size}, "
                f"learning_rate={self.learning_rate}"
            )
        if not 0 <= self.label_smoothing < 1 or self.weight_decay < 0:
            raise ValueError(
                "`label_smoothing` must be in [0, 1), `weight_decay` at least "
                f"0. Received: label_smoothing={self.label_smoothing}, "
                f"weight_decay={self.weight_decay}"
            )
        if self.label_smoothing and self.protocol.sampled_fraction:
            raise ValueError(
                "Smoothed labels need the full softmax: expected "
                "sampled_fraction=0. Received: "
                f"label_smoothing={self.label_smoothing}, "
                f"sampled_fraction={self.protocol.sampled_fraction}"
            )
        is_fresh = bool(self.stages) and self.stages[0].method is None
        if not self.stages or is_fresh != (self.start is None):
            raise ValueError(
                "A recipe needs stages, the first of them from scratch "
                "(method=None) unless it has a start. Received: "
                f"stages={self.stages}, start={self.start}"
            )
        # The optimizer's count of steps is where it stands in its schedule.
        decays = [stage.decay or self.decay for stage in self.stages]
        if set(decays) != {"constant"} and any(
            ("optimizer", True) in stage.switches for stage in self.stages
        ):
            raise ValueError(
                "A copied optimizer would keep the learning rate before: "
                f'expected decay="constant". Received: decay={decays}'
            )
        # A depth out of reach is refused now, not after hours of training.
        for before, stage in itertools.pairwise(self.stages):
            if stage.method in METHODS:
                source_blocks(before.num_blocks, stage.num_blocks, stage.method)
            elif (
                stage.method == "continue"
                and stage.num_blocks != before.num_blocks
            ):
                raise ValueError(
                    "Continuing keeps the depth: expected num_blocks="
                    f"{before.num_blocks}. "
                    f"Received: num_blocks={stage.num_blocks}"
                )

    def up_to(self, index: int) -> "Recipe":
        """The same recipe, ended after a stage.

        A policy that skips blocks, and how a student is taught, belong to the
        last stage alone: what comes before is trained as if there were none.
        """
        config = self.model_config
        if index < len(self.stages) - 1:
            config = {k: v for k, v in config.items() if k not in OF_LAST_STAGE}
        return replace(
            self, stages=self.stages[: index + 1], model_config=config
        )

    def at_depth(self, num_blocks: int) -> "Recipe":
        """The same model of another depth, from scratch on all data."""
        return replace(self, stages=(Stage(num_blocks),), start=None)


@dataclass(frozen=True)
class FineTuning:
    """How a model of one domain learns the items of another.

    Attributes:
        name: of the one in `FINE_TUNINGS` that it is, or was changed from.
        source_ids: "file" looks source items up by the numbers that the file
            of pairs gives them, as the release does, whatever the model was
            trained to call them; "pretraining" by the model's own.
        head: "softmax" is a new softmax layer over the target items, as the
            paper has it; "dot_product" the release's table of vectors, with
            one uniform negative a positive.
        target_l2: weight of the release's penalty on that table.
        split: "examples" is 80/20 of (history, target item) pairs, so that a
            user can be on both sides; "users" 80/10/10 of the users, no
            user in two of them.
        ranked_negatives: uniform negatives that a target is ranked among; 0
            ranks it among all target items.
        batch_size: global, over all devices.
        learning_rate: of Adam.
        max_epochs: passes over the training pairs at most.
        eval_every: training steps between two evaluations.
        patience: evaluations without a better MRR@5 before stopping; None
            never stops early.
    """

    name: str = field(metadata=A_LABEL)
    source_ids: str
    head: str
    target_l2: float
    split: str
    ranked_negatives: int
    batch_size: int = 512
    learning_rate: float = 1e-3
    max_epochs: int = 10
    eval_every: int = 1_000
    patience: int | None = None

    def __post_init__(self):
        make_plain(self)
        check_choice(self, "source_ids", ("file", "pretraining"))
        check_choice(self, "head", ("dot_product", "softmax"))
        check_choice(self, "split", ("examples", "users"))
        for name, smallest in (
            ("target_l2", 0),
            ("ranked_negatives", 0),
            ("batch_size", 1),
            ("max_epochs", 1),
            ("eval_every", 1),
            ("patience", 1),
        ):
            value = getattr(self, name)
            if value is not None and value < smallest:
                raise ValueError(
                    f"`{name}` must be at least {smallest}. "
                    f"Received: {name}={value}"
                )
        if self.learning_rate <= 0:
            raise ValueError(
                "`learning_rate` must be positive. "
                f"Received: learning_rate={self.learning_rate}"
            )


FINE_TUNINGS = {
    "release": FineTuning(
        name="release",
        source_ids="file",
        head="dot_product",
        target_l2=0.02,
        split="examples",
        ranked_negatives=99,
    ),
    "clean": FineTuning(
        name="clean",
        source_ids="pretraining",
        head="softmax",
        target_l2=0.0,
        split="users",
        ranked_negatives=0,
        max_epochs=50,
        eval_every=50,
        patience=5,
    ),
}


@dataclass(frozen=True)
class Transfer:
    """A recipe in the source domain, and what follows in the target's.

    Attributes:
        pretraining: in the source domain; its protocol also says how target
            pairs are shuffled and batched, its seed counts for both.
        fine_tuning: in the target domain.
        is_pretrained: False begins with the last stage's model untrained, to
            show what pre-training is worth.
    """

    pretraining: Recipe
    fine_tuning: FineTuning
    is_pretrained: bool = True
