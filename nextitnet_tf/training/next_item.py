"""The task of predicting the next item of each session."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from nextitnet_tf import data
from nextitnet_tf import distillation
from nextitnet_tf import distribution
from nextitnet_tf import memory
from nextitnet_tf import metrics
from nextitnet_tf.recipe import LEAST_STEPS_OF_PASS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.stacking import Stacker
from nextitnet_tf.training import building
from nextitnet_tf.training import fitting
from nextitnet_tf.training import runs
from nextitnet_tf.training import stages
from nextitnet_tf.training.ranking import Ranker
from nextitnet_tf.training.runs import Run
from nextitnet_tf.training.task import Budget
from nextitnet_tf.training.task import Evaluation
from nextitnet_tf.training.task import Task


class NextItem(Task):
    """A recipe on sessions.

    Args:
        recipe: what to train.
        sessions: numbered as `recipe.protocol.item_ids` says.
    """

    ranks_unseen = True

    def __init__(self, recipe: Recipe, sessions: data.Sessions):
        self.recipe = recipe
        self.sessions = sessions
        self.seed = recipe.seed
        self.batch_size = recipe.batch_size
        self.ignored_ids = building.ignored_ids(recipe, sessions)
        self.ties_to = recipe.protocol.ties_to
        # A batch is a block of this size, however few rows there are.
        memory.check_fits(
            4
            * recipe.batch_size
            * max(sessions.num_items, sessions.rows.shape[1]),
            f"a batch of batch_size={recipe.batch_size:,} sessions",
        )
        self._splits: dict[float, data.Split] = {}
        if recipe.protocol.stop_on_unseen:
            self.monitor = "val_unseen_mrr_at_5"

    @functools.cached_property
    def names(self) -> Sequence[str]:
        fingerprint = self.sessions.fingerprint_for(self.recipe.protocol)
        return [
            runs.name_of(self.recipe.up_to(index), fingerprint)
            for index in range(len(self.recipe.stages))
        ]

    def describe(self, index: int) -> dict[str, Any]:
        return runs.describe(self.recipe.up_to(index), self.sessions)

    def begin(self, index: int, before: Run | None):
        stage = self.recipe.stages[index]
        recipe = self.recipe.up_to(index)
        if before is None or stage.method is None:
            model = building.make_model(recipe, stage.num_blocks, self.sessions)
        elif stage.method == "distill":
            model = building.make_model(recipe, stage.num_blocks, self.sessions)
            how: Any = recipe.model_config.get("distill", {})
            distillation.teach(model, before.load_model(), **how)
        elif stage.method == "continue":
            model = building.with_policy(before.load_model(), recipe, True)
        else:
            stacker = Stacker(stage.method, stage.preset, dict(stage.switches))
            with_slots = stacker.overrides.get("optimizer", False)
            shallow = before.load_model(with_slots)
            model = stacker.stack(shallow, stage.num_blocks)
            model = building.with_policy(model, recipe, True)
        model.vocabulary = self.sessions.vocabulary
        return model

    def compile(self, index: int, model, jit_compile: bool) -> None:
        building.compile_model(
            model,
            self.recipe,
            self.sessions,
            jit_compile,
            self.budget(index).max_steps,
        )

    def budget(self, index: int) -> Budget:
        stage = self.recipe.stages[index]
        unit = 1
        if stage.budget_in == "passes":
            batches = data.num_batches(
                len(self._split(index).train),
                self.batch_size,
                self.recipe.protocol,
            )
            unit = max(batches, LEAST_STEPS_OF_PASS)
        return Budget(
            stage.max_steps * unit, stage.eval_every * unit, stage.patience
        )

    def training_batches(self, index: int, model, first_step: int):
        recipe = self.recipe
        parts = self._split(index)
        return data.make_training_dataset(
            parts.rows,
            parts.train,
            recipe.batch_size,
            recipe.protocol,
            recipe.seed,
            with_users=model.needs_users,
            overwrite=model.overwrite if model.overwrites_rows else None,
            first_step=first_step,
        )

    def validation(self, model) -> Evaluation:
        parts = self._split(0)
        return _evaluation(model, self.recipe, parts.rows, parts.validation)

    def test(self, model) -> Evaluation:
        parts = self._split(0)
        return _evaluation(model, self.recipe, parts.rows, parts.test)

    def count(self, index: int) -> dict[str, int]:
        return {"num_train_rows": len(self._split(index).train)}

    def rows(self, index: int) -> np.ndarray:
        parts = self._split(index)
        return parts.rows.rows[np.sort(parts.train)]

    def _split(self, index: int) -> data.Split:
        ratio = self.recipe.stages[index].data_ratio
        if ratio not in self._splits:
            self._splits[ratio] = data.split(
                self.sessions, self.recipe.protocol, ratio
            )
        return self._splits[ratio]


def run(recipe: Recipe, sessions: data.Sessions, folder, **options):
    """Trains a recipe, stage by stage: see `stages.run`.

    Args:
        recipe: what to train.
        sessions: numbered as `recipe.protocol.item_ids` says.
        folder: where the stages' folders go.
        **options: as for `stages.run`.

    Returns:
        One `Run` a stage.
    """
    return stages.run(NextItem(recipe, sessions), folder, **options)


def read_run(recipe: Recipe, sessions: data.Sessions, folder) -> Run | None:
    """The last stage of a recipe, if `run` has done it in this folder."""
    return read_runs(recipe, sessions, folder)[-1]


def read_runs(
    recipe: Recipe, sessions: data.Sessions, folder
) -> list[Run | None]:
    """Each stage of a recipe, None where `run` has not done it."""
    return stages.find(NextItem(recipe, sessions), folder)


def evaluate(
    model,
    sessions: data.Sessions,
    row_numbers: np.ndarray,
    recipe: Recipe,
    exclude_seen: bool = False,
    jit_compile: bool = False,
) -> dict[str, float]:
    """Ranking metrics of a model on the given rows.

    Args:
        model: any.
        sessions: of its training, or numbered as they are.
        row_numbers: the rows.
        recipe: its protocol says what can be ranked and which rows count.
        exclude_seen: whether the other items of a row cannot be ranked.
        jit_compile: whether XLA compiles it, as it does in `run`: rounding
            in half precision is not the same with and without.

    Returns:
        Metrics by name, and `num_sessions`, the number that counted.
    """
    ranks = rank(model, sessions, row_numbers, recipe, jit_compile)
    found = ranks["unseen_ranks" if exclude_seen else "ranks"]
    return {**metrics.from_ranks(found), "num_sessions": len(found)}


def rank(
    model,
    sessions: data.Sessions,
    row_numbers: np.ndarray,
    recipe: Recipe,
    jit_compile: bool = False,
) -> dict[str, np.ndarray]:
    """Where a model ranks what did follow, of the given rows.

    Args:
        model: any.
        sessions: as for `evaluate`, like what follows.
        row_numbers: the rows.
        recipe: its protocol counts.
        jit_compile: whether XLA compiles it.

    Returns:
        "ranks" and "unseen_ranks", each (num_sessions,) int32.
    """
    evaluation = _evaluation(model, recipe, sessions, row_numbers)
    ranker = Ranker(
        model,
        building.ignored_ids(recipe, sessions),
        with_unseen=True,
        jit_compile=jit_compile,
        ties_to=recipe.protocol.ties_to,
    )
    return ranker.rank(evaluation)


def measure_step_seconds(
    recipe: Recipe,
    num_blocks: int,
    sessions: data.Sessions,
    *,
    repetitions: int = 7,
    steps: int = 15,
) -> float:
    """Seconds of one training step at a depth, compilation left out.

    Measure on an otherwise idle machine: the median of `repetitions` calls
    of fit with `steps` steps each, after one to warm up.

    Returns:
        Seconds a step.
    """
    how: Any = recipe.model_config.get("distill")
    deep = recipe.stages[-2].num_blocks if how else 0
    recipe = recipe.at_depth(num_blocks)
    task = NextItem(recipe, sessions)
    model = task.begin(0, None)
    if how:  # a step of a student computes its teacher, too
        distillation.teach(
            model, building.make_model(recipe, deep, sessions), **how
        )
    strategy = distribution.make_strategy()
    task.compile(0, model, distribution.can_jit_compile(strategy))
    batches = task.training_batches(0, model, first_step=0)
    return fitting.measure_step_seconds(model, batches, repetitions, steps)


def _evaluation(model, recipe: Recipe, sessions, row_numbers) -> Evaluation:
    """One pass as the model needs it."""
    return Evaluation(
        *data.make_evaluation_dataset(
            sessions,
            row_numbers,
            recipe.batch_size,
            recipe.protocol,
            with_users=model.needs_users,
        )
    )
