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


@dataclass(frozen=True)
class Pairs:
    """Histories in the source domain, and items of the target domain.

    Attributes:
        histories: (num_pairs, T) int32 source items.
        targets: (num_pairs,) int32 target items, 1..num_items.
        users: (num_pairs,) int32 line of the file.
        source_vocabulary: of the numbers in `histories`.
        vocabulary: of the target items.
        meta: name and sha256 of the file, and what is in it.
    """

    histories: np.ndarray
    targets: np.ndarray
    users: np.ndarray
    source_vocabulary: Vocabulary
    vocabulary: Vocabulary
    meta: dict

    @property
    def num_items(self) -> int:
        """Target items; columns of the softmax but one."""
        return len(self.vocabulary.raw_ids) - 1

    @functools.cached_property
    def fingerprint(self) -> str:
        """Changes when a pair, its numbering or its user does."""
        digest = hashlib.sha256()
        for array in (self.histories, self.targets, self.users):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]


def read_pairs(csv, sessions: data.Sessions, fine_tuning: FineTuning) -> Pairs:
    """Reads a file of `source items,,target items`, a user a line.

    Args:
        csv: path of the file (gzip too), oldest item first.
        sessions: what the model is pre-trained on; they say what its items
            are called.
        fine_tuning: its `source_ids` says how source items are looked up.
            By those of pre-training, what is no item (0) and histories
            without a known item are left out; by the file's, all of it is
            read as the release reads it.

    Returns:
        One pair a target item, in the file's order.

    Raises:
        ValueError: not such a file; one with no source item that the
            sessions know; or, where the file's own numbers are taken, with
            more source items than they have.
    """
    as_release = fine_tuning.source_ids == "file"
    found = release.read_transfer(csv, whole_fields=not as_release)
    sources, tokens = (
        list(found.source_vocabulary),
        list(found.target_vocabulary),
    )
    histories, targets = found.examples[:, :-2], found.examples[:, -1]
    users = found.users
    known = sessions.vocabulary.ids
    meta = {
        "file": Path(csv).name,
        "sha256": hashlib.sha256(Path(csv).read_bytes()).hexdigest(),
        "num_source_items": sum(t != "0" for t in sources[1:]),
        "num_unknown_source_items": sum(
            t not in known for t in sources[1:] if t != "0"
        ),
        "num_source_items_by_their_number": sum(
            known.get(token) == i for i, token in enumerate(sources)
        ),
    }
    if as_release:
        source_vocabulary = _of_the_file(sources, histories.shape[1])
        num_columns = sessions.num_items + 1
        if len(sources) > num_columns:
            raise ValueError(
                "Expected no more source items than the pre-trained model "
                f"has ({num_columns}), to take the file's own numbers for its "
                "(source_ids='file'). Received: "
                f"{len(sources)} in {csv}"
            )
    else:
        source_vocabulary = sessions.vocabulary
        histories = _in_numbers_of(sessions.vocabulary, histories, sources)
        is_empty = (histories == sessions.vocabulary.padding_id).all(axis=1)
        if is_empty.all():
            raise ValueError(
                "Expected source items that the pre-training sessions have, "
                f"too. Received: {csv}, none of whose "
                f"{meta['num_source_items']} is known"
            )
        no_item = tokens.index("0") if "0" in tokens else -1
        is_pair = ~is_empty & (targets != no_item)
        meta["num_pairs_left_out"] = int((~is_pair).sum())
        histories, users = histories[is_pair], users[is_pair]
        targets, tokens = _by_frequency(targets[is_pair], tokens)
    counts = np.bincount(targets, minlength=len(tokens))
    vocabulary = Vocabulary(
        raw_ids=[None, *_as_integers(tokens[1:])],
        counts=counts.tolist(),
        padding_id=0,
        history_length=histories.shape[1],
    )
    meta |= {
        "num_pairs": len(targets),
        "num_users": len(np.unique(users)),
        "num_items": len(tokens) - 1,
    }
    return Pairs(histories, targets, users, source_vocabulary, vocabulary, meta)


def split(pairs: Pairs, fine_tuning: FineTuning) -> data.Split:
    """Which pairs are for training, validation and test.

    Raises:
        ValueError: too few of them.
    """
    if fine_tuning.split == "users":
        parts = data.split_users(pairs.users)
    else:
        train, test = release.split(len(pairs.targets), 1)
        parts = data.Split(train, test, test)
    for name in ("train", "validation", "test"):
        if not len(getattr(parts, name)):
            raise ValueError(
                f"Too few pairs: none is left for the {name} set. "
                f"Received: {len(pairs.targets)} pairs"
            )
    return parts


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


def _in_numbers_of(
    vocabulary: Vocabulary, histories: np.ndarray, tokens: list[str]
) -> np.ndarray:
    """Histories in a model's own numbers.

    Items it does not know are left out; rows are padded on the left, and
    keep the latest items that a model looks at.
    """
    ids = vocabulary.ids
    # What fills up short lines, and the word that does: no items.
    is_item = np.array([i > 0 and t != "0" for i, t in enumerate(tokens)])
    new_ids = np.array([ids.get(token, -1) for token in tokens], "int32")
    is_known = (new_ids >= 0) & is_item
    new_ids[~is_known] = vocabulary.padding_id
    # False sorts before True, and equals keep their order: padding first.
    order = np.argsort(is_known[histories], axis=1, kind="stable")
    moved = np.take_along_axis(new_ids[histories], order, axis=1)
    return moved[:, -vocabulary.history_length :]


def _of_the_file(tokens: list[str], length: int) -> Vocabulary:
    """The file's own numbers of source items; the word 0 pads."""
    is_padding = [i == 0 or token == "0" for i, token in enumerate(tokens)]
    items = iter(
        _as_integers(
            [t for t, no in zip(tokens, is_padding, strict=True) if not no]
        )
    )
    return Vocabulary(
        raw_ids=[None if no else next(items) for no in is_padding],
        counts=[0] * len(tokens),
        padding_id=tokens.index("0") if "0" in tokens else 0,
        history_length=length,
    )


def _by_frequency(
    targets: np.ndarray, tokens: list[str]
) -> tuple[np.ndarray, list[str]]:
    """Numbers by falling frequency, ties by first appearance."""
    counts = np.bincount(targets, minlength=len(tokens))
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    new_ids = np.zeros(len(tokens), "int32")
    new_ids[order] = np.arange(1, len(order) + 1)
    return new_ids[targets], [tokens[0], *(tokens[i] for i in order)]


def _as_integers(tokens: list[str]) -> list:
    """Raw ids as integers if all are written so."""
    if all(token.isdecimal() and str(int(token)) == token for token in tokens):
        return [int(token) for token in tokens]
    return tokens


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
