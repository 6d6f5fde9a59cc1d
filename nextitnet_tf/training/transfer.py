"""Transfer: a model of one domain, fine-tuned for cold users of another.

    pairs.csv -> Pairs -> split -> batches -> FineTuned model -> StageRun

A pair is what a user took in the source domain, and one item that the same
user took in the target domain. The model reads the former and is to rank the
latter.
"""

import dataclasses
import functools
import hashlib
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf import fitting
from nextitnet_tf import metrics
from nextitnet_tf import release
from nextitnet_tf import training
from nextitnet_tf.models.fine_tuned import FineTuned
from nextitnet_tf.recipe import FineTuning
from nextitnet_tf.recipe import Transfer
from nextitnet_tf.vocabulary import Vocabulary

# Of the negatives that targets are ranked among: the same for every model
# and every evaluation. The release draws them anew each time.
_NEGATIVES_SEED = 10


def run(
    transfer: Transfer,
    sessions: data.Sessions,
    pairs: Pairs,
    folder,
    *,
    strategy: distribution.Strategy | None = None,
    jit_compile: bool | None = None,
    verbose: int | str = "auto",
) -> training.StageRun:
    """Pre-trains, unless that is done; fine-tunes, unless that is done.

    Args:
        transfer: what to do.
        sessions: of the source domain, numbered as its protocol says.
        pairs: of `read_pairs` with these sessions.
        folder: where the runs' folders go.
        strategy: default one device.
        jit_compile: whether XLA compiles the steps; default wherever it can.
        verbose: as for Keras' fit.

    Returns:
        The fine-tuned model's run.

    Raises:
        ValueError: a batch that does not split over the devices, a model
            that cannot be transferred.
        FloatingPointError: the loss is no longer a number.
    """
    done = read_run(transfer, sessions, pairs, folder)
    if done is not None:
        return done
    recipe, fine_tuning = transfer.pretraining, transfer.fine_tuning
    strategy = strategy or distribution.make_strategy()
    distribution.check_batch_size(fine_tuning.batch_size, strategy)
    if jit_compile is None:
        jit_compile = distribution.can_jit_compile(strategy)
    before = None
    if transfer.is_pretrained:
        *_, before = training.run(
            recipe,
            sessions,
            folder,
            strategy=strategy,
            jit_compile=jit_compile,
            needs_model=True,
            verbose=verbose,
        )
    run_folder = _folder(transfer, sessions, pairs, folder)
    keras.utils.set_random_seed(recipe.seed)
    with strategy.scope():
        if before is not None:
            source = before.load_model()
        else:
            depth = recipe.stages[-1].num_blocks
            source = training.make_model(recipe, depth, sessions)
            source.vocabulary = sessions.vocabulary
        model = FineTuned(
            source, pairs.num_items, fine_tuning.head, fine_tuning.target_l2
        )
        model.vocabulary = pairs.vocabulary
        model.source.vocabulary = pairs.source_vocabulary
        summary = _fine_tune(
            transfer, model, pairs, run_folder, jit_compile, verbose
        )
    summary = {
        **describe(transfer, sessions, pairs),
        **summary,
        "jit_compile": jit_compile,
        "num_devices": strategy.num_replicas_in_sync,
    }
    atomic_files.write_json(run_folder / "run.json", summary)
    return training.StageRun(run_folder, summary)


def read_run(
    transfer: Transfer, sessions, pairs: Pairs, folder
) -> training.StageRun | None:
    """The fine-tuned run, if `run` has done it in this folder."""
    path = _folder(transfer, sessions, pairs, folder)
    if not (path / "run.json").is_file():
        return None
    return training.StageRun.read(path)


def describe(transfer: Transfer, sessions, pairs: Pairs) -> dict:
    """All that decides the numbers of a run, for its run.json."""
    recipe = transfer.pretraining
    return {
        **training.describe(recipe, recipe.stages[-1], sessions),
        "fine_tuning": dataclasses.asdict(transfer.fine_tuning),
        "is_pretrained": transfer.is_pretrained,
        "pairs": {**pairs.meta, "fingerprint": pairs.fingerprint},
    }


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
    parts = split(pairs, fine_tuning)
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


def _fine_tune(
    transfer: Transfer, model, pairs: Pairs, folder, jit_compile, verbose
) -> dict:
    """Trains into a folder; returns what it came to."""
    recipe, fine_tuning = transfer.pretraining, transfer.fine_tuning
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parts = split(pairs, fine_tuning)
    ignored_ids = () if fine_tuning.ranked_negatives else (0,)
    model.compile(
        optimizer=keras.optimizers.Adam(
            fine_tuning.learning_rate, epsilon=recipe.protocol.adam_epsilon
        ),
        weighted_metrics=metrics.make_ranking_metrics(ignored_ids=ignored_ids),
        jit_compile=jit_compile,
    )
    began = time.perf_counter()
    steps_an_epoch = data.num_batches(
        len(parts.train), fine_tuning.batch_size, recipe.protocol
    )
    max_steps = fine_tuning.max_epochs * steps_an_epoch
    validation, _ = _evaluation_dataset(pairs, parts.validation, transfer)
    fitted = fitting.fit_to_best(
        model,
        _training_dataset(pairs, parts.train, transfer),
        validation,
        folder,
        max_steps=max_steps,
        eval_every=min(fine_tuning.eval_every, max_steps),
        patience=fine_tuning.patience,
        verbose=verbose,
    )
    test, num_sessions = _evaluation_dataset(pairs, parts.test, transfer)
    results = fitting.evaluate(model, test, num_sessions)
    fitting.save_ranks(
        folder / fitting.RANKS,
        fitting.rank(model, test, num_sessions, ignored_ids),
    )
    training.keep_best_model(model, folder)
    return {
        **fitted,
        "test": results,
        "num_sessions": num_sessions,
        "num_train_pairs": len(parts.train),
        "num_parameters": model.count_params(),
        "wall_seconds": time.perf_counter() - began,
    }


def _training_dataset(
    pairs: Pairs, numbers: np.ndarray, transfer: Transfer
) -> tf.data.Dataset:
    """Batches without end: (histories (B, T), targets (B, 1), weights)."""
    protocol = transfer.pretraining.protocol
    batch_size = transfer.fine_tuning.batch_size
    count = data.num_batches(len(numbers), batch_size, protocol)
    order_of = data.orders(numbers, protocol, transfer.pretraining.seed)

    def batch(number: int) -> tuple[np.ndarray, ...]:
        pass_number, b = divmod(int(number), count)
        taken, is_real = data.take(order_of(pass_number), b, batch_size)
        weights = is_real[:, None] / is_real.sum()
        return pairs.histories[taken], pairs.targets[taken][:, None], weights

    return data.make_dataset(
        tf.data.Dataset.counter(),
        batch,
        tf.TensorSpec((batch_size, pairs.histories.shape[1]), tf.int32),
        tf.TensorSpec((batch_size, 1), tf.int32),
        tf.TensorSpec((batch_size, 1), tf.float32),
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

    def batch(number: int) -> tuple[np.ndarray, ...]:
        places, is_real = data.take(
            np.arange(len(numbers)), int(number), batch_size
        )
        histories = pairs.histories[numbers[places]]
        if not fine_tuning.ranked_negatives:
            return histories, targets[places], is_real
        last = np.full(batch_size, num_candidates - 1, "int32")
        return histories, candidates[places], last, is_real

    inputs = tf.TensorSpec((batch_size, pairs.histories.shape[1]), tf.int32)
    if fine_tuning.ranked_negatives:
        inputs = inputs, tf.TensorSpec((batch_size, num_candidates), tf.int32)
    dataset = data.make_dataset(
        tf.data.Dataset.range(count),
        batch,
        inputs,
        tf.TensorSpec((batch_size,), tf.int32),
        tf.TensorSpec((batch_size,), tf.float32),
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


def _folder(transfer: Transfer, sessions, pairs: Pairs, folder) -> Path:
    """A readable name that no different run shares."""
    text = json.dumps(
        [
            dataclasses.asdict(transfer),
            sessions.fingerprint,
            pairs.fingerprint,
        ],
        sort_keys=True,
    )
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    recipe = transfer.pretraining
    last = recipe.stages[-1]
    how = last.method or "scratch"
    if not transfer.is_pretrained:
        how = "untrained"
    return Path(folder) / (
        f"{recipe.model}-{last.num_blocks}-{how}-transfer-"
        f"{transfer.fine_tuning.name}-seed{recipe.seed}-{digest}"
    )
