"""The task of ranking what users take in another domain.

    pairs.csv -> Pairs -> split -> batches -> FineTuned model -> Run

A model of one domain is fine-tuned for cold users of another.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf import metrics
from nextitnet_tf.data import Pairs
from nextitnet_tf.models.fine_tuned import FineTuned
from nextitnet_tf.recipe import FineTuning
from nextitnet_tf.recipe import Transfer
from nextitnet_tf.training import building
from nextitnet_tf.training import next_item
from nextitnet_tf.training import runs
from nextitnet_tf.training import stages
from nextitnet_tf.training.runs import Run
from nextitnet_tf.training.task import Budget
from nextitnet_tf.training.task import Evaluation
from nextitnet_tf.training.task import Task

# Of the negatives that targets are ranked among: the same for every model
# and every evaluation. The release draws them anew each time.
_NEGATIVES_SEED = 10


class TargetItem(Task):
    """Fine-tuning on pairs, one stage after pre-training.

    Args:
        transfer: what to do.
        sessions: of the source domain, numbered as its protocol says.
        pairs: of `data.read_pairs` with these sessions.
    """

    # Target items are no part of the histories.
    ranks_unseen = False

    def __init__(
        self, transfer: Transfer, sessions: data.Sessions, pairs: Pairs
    ):
        self.transfer = transfer
        self.sessions = sessions
        self.pairs = pairs
        self.seed = transfer.pretraining.seed
        self.batch_size = transfer.fine_tuning.batch_size

    @functools.cached_property
    def names(self) -> Sequence[str]:
        return [
            runs.name_of_transfer(
                self.transfer,
                self.sessions.fingerprint_for(
                    self.transfer.pretraining.protocol
                ),
                self.pairs,
            )
        ]

    def describe(self, index: int) -> dict[str, Any]:
        return {
            **runs.describe(self.transfer.pretraining, self.sessions),
            "fine_tuning": dataclasses.asdict(self.transfer.fine_tuning),
            "is_pretrained": self.transfer.is_pretrained,
            "pairs": {
                **self.pairs.meta,
                "fingerprint": self.pairs.fingerprint,
            },
        }

    def ignored_ids(self, index: int) -> tuple[int, ...]:
        return () if self.transfer.fine_tuning.ranked_negatives else (0,)

    def begin(self, index: int, before: Run | None):
        recipe, tuning = self.transfer.pretraining, self.transfer.fine_tuning
        if before is not None:
            source = before.load_model()
        else:
            depth = recipe.stages[-1].num_blocks
            source = building.make_model(recipe, depth, self.sessions)
        model = FineTuned(
            source, self.pairs.num_items, tuning.head, tuning.target_l2
        )
        model.vocabulary = self.pairs.vocabulary
        model.source.vocabulary = self.pairs.source_vocabulary
        return model

    def compile(self, index: int, model, jit_compile: bool) -> None:
        model.compile(
            optimizer=keras.optimizers.Adam(
                self.transfer.fine_tuning.learning_rate,
                epsilon=self.transfer.pretraining.protocol.adam_epsilon,
            ),
            weighted_metrics=metrics.make_ranking_metrics(
                ignored_ids=self.ignored_ids(index)
            ),
            jit_compile=jit_compile,
        )

    def budget(self, index: int) -> Budget:
        tuning = self.transfer.fine_tuning
        max_steps = tuning.max_epochs * data.num_batches(
            len(self._split.train),
            tuning.batch_size,
            self.transfer.pretraining.protocol,
        )
        return Budget(
            max_steps, min(tuning.eval_every, max_steps), tuning.patience
        )

    def training_batches(self, index: int, model, first_step: int):
        return _training_dataset(
            self.pairs, self._split.train, self.transfer, first_step
        )

    def validation(self, index: int, model) -> Evaluation:
        return Evaluation(
            *_evaluation_dataset(
                self.pairs, self._split.validation, self.transfer
            )
        )

    def test(self, index: int, model) -> Evaluation:
        return Evaluation(
            *_evaluation_dataset(self.pairs, self._split.test, self.transfer)
        )

    def count(self, index: int) -> dict[str, int]:
        return {"num_train_pairs": len(self._split.train)}

    @functools.cached_property
    def _split(self) -> data.Split:
        return data.split_pairs(self.pairs, self.transfer.fine_tuning)


def run(
    transfer: Transfer,
    sessions: data.Sessions,
    pairs: Pairs,
    folder,
    **options,
) -> Run:
    """Pre-trains, unless that is done; fine-tunes, unless that is done.

    Args:
        transfer: what to do.
        sessions: of the source domain, numbered as its protocol says.
        pairs: of `data.read_pairs` with these sessions.
        folder: where the runs' folders go.
        **options: as for `stages.run`.

    Returns:
        The fine-tuned model's run.

    Raises:
        ValueError: a batch that does not split over the devices, a model
            that cannot be transferred.
        FloatingPointError: the loss is no longer a number.
    """
    done = read_run(transfer, sessions, pairs, folder)
    is_needed = options.get("needs_model", False)
    if done is not None and (not is_needed or done.has_model):
        return done
    before = None
    if transfer.is_pretrained:
        *_, before = next_item.run(
            transfer.pretraining,
            sessions,
            folder,
            **{**options, "needs_model": True},
        )
    task = TargetItem(transfer, sessions, pairs)
    (done,) = stages.run(task, folder, before=before, **options)
    return done


def read_run(
    transfer: Transfer, sessions: data.Sessions, pairs: Pairs, folder
) -> Run | None:
    """The fine-tuned run, if `run` has done it in this folder."""
    return stages.find(TargetItem(transfer, sessions, pairs), folder)[0]


def rank_by_popularity(pairs: Pairs, transfer: Transfer) -> np.ndarray:
    """Ranks of the test's targets by how often training pairs have them.

    The baseline that knows no history, on the pairs and among the candidates
    that a fine-tuned model is evaluated on.

    Args:
        pairs: all of them.
        transfer: its fine-tuning says how they are split and ranked.

    Returns:
        (num_sessions,) int32, 0 for the best.
    """
    fine_tuning = transfer.fine_tuning
    parts = data.split_pairs(pairs, fine_tuning)
    counts = np.bincount(
        pairs.targets[parts.train], minlength=pairs.num_items + 1
    )
    # Ties by chance: numbers follow frequency, that of the test included.
    generator = np.random.default_rng(_NEGATIVES_SEED)
    chance = generator.permutation(len(counts))
    counts[0] = -1  # no item
    place = np.empty(len(counts), "int32")
    place[np.lexsort((chance, -counts))] = np.arange(len(counts))
    _, num_sessions = _evaluation_dataset(pairs, parts.test, transfer)
    targets = pairs.targets[parts.test][:num_sessions]
    if not fine_tuning.ranked_negatives:
        return place[targets]
    candidates = _candidates(
        pairs.targets[parts.test], pairs.num_items, fine_tuning
    )[:num_sessions]
    beats = place[candidates[:, :-1]] < place[targets][:, None]
    return beats.sum(axis=1).astype("int32")


def _training_dataset(
    pairs: Pairs, numbers: np.ndarray, transfer: Transfer, first_step: int
) -> tf.data.Dataset:
    """Batches without end: (histories (B, T), targets (B, 1), weights)."""
    protocol = transfer.pretraining.protocol
    batch_size = transfer.fine_tuning.batch_size
    count = data.num_batches(len(numbers), batch_size, protocol)
    order_of = data.orders(numbers, protocol, transfer.pretraining.seed)
    part = distribution.worker()
    size = batch_size // part[1]

    def batch(number: int) -> tuple[np.ndarray, ...]:
        pass_number, b = divmod(int(number), count)
        taken, is_real = data.take(order_of(pass_number), b, batch_size, part)
        weights = is_real[:, None] / max(is_real.sum(), 1)
        return pairs.histories[taken], pairs.targets[taken][:, None], weights

    return data.make_dataset(
        tf.data.Dataset.counter(first_step),
        batch,
        tf.TensorSpec((size, pairs.histories.shape[1]), tf.int32),
        tf.TensorSpec((size, 1), tf.int32),
        tf.TensorSpec((size, 1), tf.float32),
    )


def _evaluation_dataset(
    pairs: Pairs, numbers: np.ndarray, transfer: Transfer
) -> tuple[tf.data.Dataset, int]:
    """One pass, and the pairs that count in it.

    Targets are ranked among all items; or among candidates that come with
    the histories, of which the target is the last, so that ties count
    against it.
    """
    fine_tuning = transfer.fine_tuning
    protocol = transfer.pretraining.protocol
    batch_size = fine_tuning.batch_size
    count = data.num_batches(len(numbers), batch_size, protocol)
    num_candidates = fine_tuning.ranked_negatives + 1
    targets = pairs.targets[numbers]
    candidates = _candidates(targets, pairs.num_items, fine_tuning)
    part = distribution.worker()
    size = batch_size // part[1]

    def batch(number: int) -> tuple[np.ndarray, ...]:
        places, is_real = data.take(
            np.arange(len(numbers)), int(number), batch_size, part
        )
        histories = pairs.histories[numbers[places]]
        if not fine_tuning.ranked_negatives:
            return histories, targets[places], is_real
        last = np.full(size, num_candidates - 1, "int32")
        return histories, candidates[places], last, is_real

    inputs = tf.TensorSpec((size, pairs.histories.shape[1]), tf.int32)
    if fine_tuning.ranked_negatives:
        inputs = inputs, tf.TensorSpec((size, num_candidates), tf.int32)
    dataset = data.make_dataset(
        tf.data.Dataset.range(count),
        batch,
        inputs,
        tf.TensorSpec((size,), tf.int32),
        tf.TensorSpec((size,), tf.float32),
    )
    return dataset, min(len(numbers), count * batch_size)


def _candidates(
    targets: np.ndarray, num_items: int, fine_tuning: FineTuning
) -> np.ndarray:
    """(n, ranked_negatives + 1) uniform other items, then the target."""
    if num_items < 2:
        raise ValueError(
            "Expected at least 2 target items to rank. "
            f"Received: num_items={num_items}"
        )
    generator = np.random.default_rng(_NEGATIVES_SEED)
    drawn = generator.integers(
        *(1, num_items, (len(targets), fine_tuning.ranked_negatives)),
        dtype="int32",
    )
    drawn += drawn >= targets[:, None]
    return np.concatenate([drawn, targets[:, None]], axis=1)
