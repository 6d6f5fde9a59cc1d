"""Sessions on disk -> split -> nested fraction -> tf.data.

The sequence contract, said here and nowhere else:

- Raw ids are strings or integers. Inside, item ids are 1..num_items by
  falling frequency (ties by raw id) and 0 is padding.
- A session is a row of t ids, padded on the LEFT with 0, latest item at -1.
- Inputs are row[:-1], targets row[1:]: T = t - 1. A model that needs users
  gets pairs: (row[:-1], user).
- Evaluation predicts row[-1] from row[:-1] and ranks it among ALL columns,
  for EVERY session; ties go to the lower id.
- Protocol `release` renumbers on reading: id 0 is `<UNK>` and never occurs,
  padding is an ordinary item with an id of its own. It also drops the last
  batch, in training and in evaluation.

Batches all have one shape: where a last batch is kept, it is filled up with
rows of weight 0, so that nothing is compiled twice. Training weights are
normalised here, over the global batch, so that the loss is the same number
on any number of devices.
"""

import csv
import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from nextitnet_tf import release
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.vocabulary import Vocabulary

_SPLIT_SEED = 10


@dataclass(frozen=True)
class Sessions:
    """Sessions in memory, numbered for a protocol.

    Attributes:
        rows: (num_rows, t) int32 item ids.
        users: (num_rows,) int32 user of each row.
        vocabulary: raw ids by model id.
        meta: what preparing wrote down.
    """

    rows: np.ndarray
    users: np.ndarray
    vocabulary: Vocabulary
    meta: dict

    @property
    def num_items(self) -> int:
        """Columns of the softmax but one."""
        return len(self.vocabulary.raw_ids) - 1

    @property
    def num_users(self) -> int:
        """Users are 0..num_users - 1."""
        return int(self.users.max()) + 1

    @functools.cached_property
    def fingerprint(self) -> str:
        """Changes when a row, its numbering or its user does."""
        digest = hashlib.sha256(np.ascontiguousarray(self.rows).data)
        digest.update(np.ascontiguousarray(self.users).data)
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Split:
    """Row numbers; `train` in the order it is read."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def read_sessions(folder, item_ids: str = "frequency") -> Sessions:
    """Reads a folder of prepared sessions.

    Args:
        folder: what `datasets` wrote.
        item_ids: "frequency" as on disk; "first_appearance" renumbers as
            the release does.

    Returns:
        The sessions.

    Raises:
        ValueError: not such a folder.
    """
    folder = Path(folder)
    files = sorted(folder.glob("sessions-*.npy"))
    if not files or not (folder / "meta.json").is_file():
        raise ValueError(
            "Expected a folder of prepared sessions (sessions-*.npy, "
            "users.npy, items.csv, meta.json). "
            f"Received: folder={str(folder)!r}"
        )
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    # Memory-mapped: what is read stays in the system's cache, not in ours.
    parts = [np.load(f, mmap_mode="r", allow_pickle=False) for f in files]
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
    users = np.load(folder / "users.npy", allow_pickle=False)
    raw_ids, counts = _read_items(folder / "items.csv", meta)
    padding_id = 0
    if item_ids == "first_appearance":
        rows, old_ids = release.number_by_first_appearance(rows)
        raw_ids = [raw_ids[i] if i > 0 else None for i in old_ids]
        counts = [counts[i] if i > 0 else 0 for i in old_ids]
        # A set without any padding still needs an id to fill histories with:
        # `<UNK>`, which the release's own loader would use.
        padding_id = int(np.argmax(old_ids == 0))
    vocabulary = Vocabulary(
        raw_ids, counts, padding_id, history_length=rows.shape[1] - 1
    )
    return Sessions(rows, users, vocabulary, meta)


def split(sessions: Sessions, protocol: Protocol, data_ratio=1.0) -> Split:
    """Which rows are for training, validation and test.

    Args:
        sessions: all of them.
        protocol: says how.
        data_ratio: fraction of the training rows.

    Returns:
        The row numbers. Neither they nor their nesting depend on a
        recipe's seed.
    """
    num_rows = len(sessions.rows)
    if protocol.split == "rows":
        nesting = protocol.nesting
        if nesting == "prefix":
            train, test = release.split(num_rows, 1)
            train = train[: int(data_ratio * len(train))]
        else:
            train, test = release.split(num_rows, data_ratio, nesting)
        parts = Split(train, test, test)
    else:
        of_users = split_users(sessions.users)
        train = of_users.train
        if protocol.nesting == "prefix":
            train = train[: int(data_ratio * len(train))]
        else:
            train = train[
                release.draw_fraction(len(train), data_ratio, protocol.nesting)
            ]
        parts = dataclasses.replace(of_users, train=train)
    for name in ("train", "validation", "test"):
        if not len(getattr(parts, name)):
            raise ValueError(
                f"Too few sessions: none is left for the {name} set. "
                f"Received: {num_rows} rows, data_ratio={data_ratio}"
            )
    return parts


def num_batches(num_rows: int, batch_size: int, protocol: Protocol) -> int:
    """Batches of a pass over `num_rows`.

    Raises:
        ValueError: the protocol drops the only batch there is.
    """
    if protocol.keep_last_batch:
        return -(-num_rows // batch_size)
    # The release's loop runs while (b + 1) * batch_size < num_rows: a last
    # batch that is exactly full is dropped, too.
    count = (num_rows - 1) // batch_size
    if count < 1:
        raise ValueError(
            f"Protocol {protocol.name!r} drops the last batch and nothing is "
            f"left: it needs more than batch_size={batch_size} rows. "
            f"Received: num_rows={num_rows}"
        )
    return count


def make_training_dataset(
    sessions: Sessions,
    row_numbers: np.ndarray,
    batch_size: int,
    protocol: Protocol,
    seed: int = 0,
    with_users: bool = False,
    overwrite: Callable | None = None,
) -> tf.data.Dataset:
    """Batches without end: (item_ids, next_item_ids, weights), each (B, T).

    Args:
        sessions: all of them.
        row_numbers: the rows to train on, in the order of a fixed pass.
        batch_size: B, global.
        protocol: says which targets count, whether each pass is reshuffled,
            and what becomes of the last batch.
        seed: of the reshuffling, and of what `overwrite` draws.
        with_users: whether item_ids are a pair with (B,) user ids.
        overwrite: changes `rows`, `users` of each batch in place, given a
            random generator; what it changed stays so for later passes.

    Returns:
        An infinite dataset. The weights sum to 1 over each batch.
    """
    row_numbers = np.asarray(row_numbers)
    rows_of, users_of = sessions.rows, sessions.users
    overwriting = np.random.default_rng([seed, 1])
    if overwrite:
        rows_of, users_of = rows_of.copy(), users_of.copy()
    count = num_batches(len(row_numbers), batch_size, protocol)
    padding_id = sessions.vocabulary.padding_id

    order_of = orders(row_numbers, protocol, seed)

    def batch(number: int) -> tuple[np.ndarray, ...]:
        pass_number, b = divmod(int(number), count)
        numbers, is_real = take(order_of(pass_number), b, batch_size)
        rows, users = rows_of[numbers], users_of[numbers]
        if overwrite:
            overwrite(rows, users, overwriting)
            rows_of[numbers], users_of[numbers] = rows, users
        targets = rows[:, 1:]
        weights = np.repeat(is_real[:, None], targets.shape[1], axis=1)
        if not protocol.count_padding:
            weights *= targets != padding_id
        inputs = (rows[:, :-1], users) if with_users else (rows[:, :-1],)
        return *inputs, targets, weights / weights.sum()

    shape = (batch_size, sessions.rows.shape[1] - 1)
    return make_dataset(
        tf.data.Dataset.counter(),
        batch,
        _inputs_spec(shape, with_users),
        tf.TensorSpec(shape, tf.int32),
        tf.TensorSpec(shape, tf.float32),
    )


def make_evaluation_dataset(
    sessions: Sessions,
    row_numbers: np.ndarray,
    batch_size: int,
    protocol: Protocol,
    with_users: bool = False,
) -> tuple[tf.data.Dataset, int]:
    """One pass: (item_ids (B, T), next_item_ids (B,), weights (B,)).

    Args:
        sessions: all of them.
        row_numbers: the rows to evaluate.
        batch_size: B.
        protocol: says whether the last batch is kept.
        with_users: whether item_ids are a pair with (B,) user ids.

    Returns:
        The dataset and the number of sessions in it that count. Weights are
        1, or 0 in rows that only fill the last batch.
    """
    row_numbers = np.asarray(row_numbers)
    count = num_batches(len(row_numbers), batch_size, protocol)

    def batch(number: int) -> tuple[np.ndarray, ...]:
        numbers, is_real = take(row_numbers, int(number), batch_size)
        rows, users = sessions.rows[numbers], sessions.users[numbers]
        inputs = (rows[:, :-1], users) if with_users else (rows[:, :-1],)
        return *inputs, rows[:, -1], is_real

    dataset = make_dataset(
        tf.data.Dataset.range(count),
        batch,
        _inputs_spec((batch_size, sessions.rows.shape[1] - 1), with_users),
        tf.TensorSpec((batch_size,), tf.int32),
        tf.TensorSpec((batch_size,), tf.float32),
    )
    return dataset, min(len(row_numbers), count * batch_size)


def orders(
    row_numbers: np.ndarray, protocol: Protocol, seed: int
) -> Callable[[int], np.ndarray]:
    """The order of each pass over the rows, by its number from 0.

    Args:
        row_numbers: in the order of a fixed pass.
        protocol: says whether each pass is reshuffled.
        seed: of the reshuffling.
    """

    @functools.lru_cache(maxsize=1)
    def order_of(pass_number: int) -> np.ndarray:
        if not protocol.reshuffle:
            return row_numbers
        generator = np.random.default_rng([seed, pass_number])
        return generator.permutation(row_numbers)

    return order_of


def _inputs_spec(shape, with_users: bool):
    """Item ids of this shape; with users, a pair."""
    item_ids = tf.TensorSpec(shape, tf.int32)
    if not with_users:
        return item_ids
    return item_ids, tf.TensorSpec(shape[:1], tf.int32)


def make_dataset(
    numbers: tf.data.Dataset, batch: Callable, *specs
) -> tf.data.Dataset:
    """The batches of these numbers, in order.

    Not `from_generator`: it makes the whole process give memory back to the
    system at every step, which costs a quarter of the training speed.

    Args:
        numbers: of batches.
        batch: number -> the arrays of that batch, nested ones flat.
        *specs: `tf.TensorSpec`s of what a batch is, nested as it is.
    """
    flat = tf.nest.flatten(specs)

    def load(number):
        tensors = tf.numpy_function(batch, [number], [s.dtype for s in flat])
        return tf.nest.pack_sequence_as(
            specs,
            [
                tf.ensure_shape(tensor, spec.shape)
                for tensor, spec in zip(tensors, flat, strict=True)
            ],
        )

    return numbers.map(load).prefetch(4)


def take(
    order: np.ndarray, b: int, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of batch b, filled up; 1 where a row is real."""
    numbers = order[b * batch_size : (b + 1) * batch_size]
    is_real = np.zeros(batch_size, "float32")
    is_real[: len(numbers)] = 1
    # Any row will do to fill up, but a row of the set brings no new ids.
    return np.resize(numbers, batch_size), is_real


def split_users(users: np.ndarray) -> Split:
    """80/10/10 of the users; the training rows in an order of their own.

    Args:
        users: (num_rows,) user of each row.
    """
    generator = np.random.default_rng(_SPLIT_SEED)
    shuffled = generator.permutation(np.unique(users))
    first, second = int(0.8 * len(shuffled)), int(0.9 * len(shuffled))
    in_train, in_validation, in_test = (
        np.flatnonzero(np.isin(users, group))
        for group in np.split(shuffled, [first, second])
    )
    return Split(generator.permutation(in_train), in_validation, in_test)


def _read_items(path, meta):
    """items.csv -> raw ids and counts by id, None and 0 for padding."""
    as_integer = meta.get("item_id_type") == "int"
    raw_ids: list[int | str | None] = [None]
    counts = [0]
    with open(path, newline="", encoding="utf-8") as f:
        for row in csv.DictReader(f):
            raw = row["raw_id"]
            raw_ids.append(int(raw) if as_integer else raw)
            counts.append(int(row["count"]))
    return raw_ids, counts
