"""The task of predicting the next item of each session."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from nextitnet_tf import data
from nextitnet_tf import distillation
from nextitnet_tf import distribution
from nextitnet_tf import memory
from nextitnet_tf import metrics
from nextitnet_tf.models import MODELS
from nextitnet_tf.models import SkipRec
from nextitnet_tf.recipe import LEAST_STEPS_OF_PASS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.training import beginning
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
        sessions: numbered as `recipe.protocol.item_ids` says; one for all
            stages, or one a stage. Where a stage has items that the one
            before has not, the model's vocabulary grows (`growing.grow`).

    Raises:
        ValueError: another number of sessions than of stages; sessions that
            are numbered otherwise; a model that knows users, whom other
            sessions number otherwise; a policy for a model that has none.
    """

    ranks_unseen = True

    def __init__(
        self, recipe: Recipe, sessions: data.Sessions | Sequence[data.Sessions]
    ):
        count = len(recipe.stages)
        if isinstance(sessions, data.Sessions):
            sessions = [sessions] * count
        if len(sessions) != count:
            raise ValueError(
                f"Expected sessions for each of the {count} stages, or the "
                f"same for all. Received: {len(sessions)}"
            )
        is_other = any(s is not sessions[0] for s in sessions)
        if MODELS[recipe.model].needs_users and (recipe.start or is_other):
            raise ValueError(
                "Sessions number their users, each in its own way: expected a "
                "model that knows no users. Received: "
                f"model={recipe.model!r}, which was trained on other sessions"
            )
        wanted = recipe.protocol.item_ids
        for found in (s.item_ids for s in sessions):
            if found not in (None, wanted):
                raise ValueError(
                    f"Protocol {recipe.protocol.name} numbers items by "
                    f"item_ids={wanted!r}: expected sessions that were read "
                    f"so. Received: item_ids={found!r}"
                )
        if "skip" in recipe.model_config:
            building.check_policy(recipe)
        if any(stage.method == "distill" for stage in recipe.stages):
            distillation.check_model(MODELS[recipe.model])
        self.recipe = recipe
        self.sessions = sessions
        self.seed = recipe.seed
        self.batch_size = recipe.batch_size
        self.ties_to = recipe.protocol.ties_to
        # A batch is a block of this size, however few rows there are.
        widest = max(max(s.num_items, s.rows.shape[1]) for s in sessions)
        memory.check_fits(
            4 * recipe.batch_size * widest,
            f"a batch of batch_size={recipe.batch_size:,} sessions",
        )
        self._splits: dict[Any, data.Split] = {}
        if recipe.protocol.stop_on_unseen:
            self.monitor = "val_unseen_mrr_at_5"

    @functools.cached_property
    def names(self) -> Sequence[str]:
        return [
            runs.name_of(
                self.recipe.up_to(index), ",".join(self._fingerprints(index))
            )
            for index in range(len(self.recipe.stages))
        ]

    def _fingerprints(self, index: int) -> list[str]:
        """Of all sessions up to a stage; of those that are the same once."""
        found = [
            sessions.fingerprint_for(self.recipe.protocol)
            for sessions in self.sessions[: index + 1]
        ]
        return found if len(set(found)) > 1 else found[:1]

    def describe(self, index: int) -> dict[str, Any]:
        found = runs.describe(self.recipe.up_to(index), self.sessions[index])
        *before, _ = self._fingerprints(index)
        if before:
            found["data"]["fingerprints_before"] = before
        if self.recipe.protocol.split == "temporal":
            parts = self._split(index)
            found["data"]["trained_until"] = parts.last_time_of_training
        return found

    def ignored_ids(self, index: int) -> tuple[int, ...]:
        return building.ignored_ids(self.recipe, self.sessions[index])

    def begin(self, index: int, before: Run | None):
        stage = self.recipe.stages[index]
        recipe = self.recipe.up_to(index)
        sessions = self.sessions[index]
        is_fresh = before is None and recipe.start is None
        if is_fresh or stage.method is None:
            model = building.make_model(recipe, stage.num_blocks, sessions)
        elif stage.method == "distill":
            model = building.make_model(recipe, stage.num_blocks, sessions)
            how: Any = recipe.model_config.get("distill", {})
            distillation.teach(model, self._source(index, before), **how)
        else:
            model = self._source(index, before)
            if stage.method != "continue":
                stacker = beginning.stacker(stage)
                model = stacker.stack(model, stage.num_blocks)
            if not isinstance(model, SkipRec):
                model = building.with_policy(model, recipe, True)
        model.vocabulary = sessions.vocabulary
        return model

    def _source(self, index: int, before: Run | None):
        """What a stage goes on with, of the vocabulary of its sessions."""
        return beginning.source(
            self.recipe.up_to(index), self._split(index), before
        )

    def compile(self, index: int, model, jit_compile: bool) -> None:
        decay = self.recipe.stages[index].decay or self.recipe.decay
        building.compile_model(
            model,
            dataclasses.replace(self.recipe, decay=decay),
            self.sessions[index],
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
            part=distribution.worker(),
        )

    def validation(self, index: int, model) -> Evaluation:
        parts = self._split(index)
        return _evaluation(model, self.recipe, parts.rows, parts.validation)

    def test(self, index: int, model) -> Evaluation:
        parts = self._split(index)
        return _evaluation(model, self.recipe, parts.rows, parts.test)

    def count(self, index: int) -> dict[str, int]:
        return {"num_train_rows": len(self._split(index).train)}

    def rows(self, index: int) -> np.ndarray:
        parts = self._split(index)
        return parts.rows.rows[np.sort(parts.train)]

    def _split(self, index: int) -> data.Split:
        sessions = self.sessions[index]
        ratio = self.recipe.stages[index].data_ratio
        key = id(sessions), ratio
        if key not in self._splits:
            self._splits[key] = data.split(
                sessions, self.recipe.protocol, ratio
            )
        return self._splits[key]


def run(
    recipe: Recipe,
    sessions: data.Sessions | Sequence[data.Sessions],
    folder,
    **options,
):
    """Trains a recipe, stage by stage: see `stages.run`.

    Args:
        recipe: what to train.
        sessions: numbered as `recipe.protocol.item_ids` says, of all stages
            or of each (`NextItem`).
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
            part=distribution.worker(),
        )
    )
