"""Rows -> batches of one shape, as tf.data."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from nextitnet_tf.data.recutting import Pieces
from nextitnet_tf.data.sessions import Sessions
from nextitnet_tf.recipe import Protocol


def num_batches(num_rows: int, batch_size: int, protocol: Protocol) -> int:
    """Batches of a pass over `num_rows`.

    Raises:
        ValueError: the protocol drops the only batch there is.
    """
    if protocol.keep_last_batch:
        return -(-num_rows // batch_size)
    # The release's loop runs while (b + 1) * batch_size < num_rows: a last
    # batch that is exactly full is dropped, too. SkipRec's keeps it.
    least = batch_size if protocol.keep_full_batch else batch_size + 1
    count = (num_rows - least) // batch_size + 1
    if count < 1:
        raise ValueError(
            f"Protocol {protocol.name!r} drops the last batch and nothing is "
            f"left: with batch_size={batch_size} it needs {least} rows or "
            f"more. Received: num_rows={num_rows}"
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
    first_step: int = 0,
    part: tuple[int, int] = (0, 1),
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
        first_step: the number of the first batch, for training that goes on.
        part: (index, count): which of so many equal parts of each batch is
            read, where several workers share it.

    Returns:
        An infinite dataset. The weights sum to 1 over each batch, or over
        what is read of it, and are alike where they are not 0.
    """
    row_numbers = np.asarray(row_numbers)
    overwriting = np.random.default_rng([seed, 1])
    if overwrite and protocol.recut:
        raise ValueError(
            "Rows that each pass cuts anew cannot be overwritten for good. "
            "Received: recut=True, overwrites_rows=True"
        )
    if overwrite and part != (0, 1):
        raise ValueError(
            "Expected rows that stay as they are: what one worker overwrites "
            "for good no other sees. Received: overwrites_rows=True, "
            f"{part[1]} workers"
        )
    whole = sessions.rows, sessions.users
    if overwrite:
        whole = whole[0].copy(), whole[1].copy()
    count = num_batches(len(row_numbers), batch_size, protocol)
    padding_id = sessions.vocabulary.padding_id
    order_of = orders(row_numbers, protocol, seed)
    cut_of = _cuts(sessions, row_numbers, seed) if protocol.recut else None

    def batch(number: int) -> tuple[np.ndarray, ...]:
        pass_number, b = divmod(int(number), count)
        if cut_of:
            rows_of, users_of, order = cut_of(pass_number)
        else:
            (rows_of, users_of), order = whole, order_of(pass_number)
        numbers, is_real = take(order, b, batch_size, part)
        rows, users = rows_of[numbers], users_of[numbers]
        if overwrite:
            overwrite(rows, users, overwriting)
            rows_of[numbers], users_of[numbers] = rows, users
        targets = rows[:, 1:]
        weights = np.repeat(is_real[:, None], targets.shape[1], axis=1)
        if not protocol.count_padding:
            weights *= targets != padding_id
        inputs = (rows[:, :-1], users) if with_users else (rows[:, :-1],)
        # A worker's part of a last batch may have nothing that counts.
        return *inputs, targets, weights / max(weights.sum(), 1)

    if overwrite:  # What was overwritten before depends on all that was.
        for number in range(first_step):
            batch(number)
    shape = (batch_size // part[1], sessions.rows.shape[1] - 1)
    return make_dataset(
        tf.data.Dataset.counter(first_step),
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
    part: tuple[int, int] = (0, 1),
) -> tuple[tf.data.Dataset, int]:
    """One pass: (item_ids (B, T), next_item_ids (B,), weights (B,)).

    Args:
        sessions: all of them.
        row_numbers: the rows to evaluate.
        batch_size: B.
        protocol: says whether the last batch is kept.
        with_users: whether item_ids are a pair with (B,) user ids.
        part: as for `make_training_dataset`.

    Returns:
        The dataset and the number of sessions of whole batches that count.
        Weights are 1, or 0 in rows that only fill the last batch.
    """
    row_numbers = np.asarray(row_numbers)
    count = num_batches(len(row_numbers), batch_size, protocol)

    def batch(number: int) -> tuple[np.ndarray, ...]:
        numbers, is_real = take(row_numbers, int(number), batch_size, part)
        rows, users = sessions.rows[numbers], sessions.users[numbers]
        inputs = (rows[:, :-1], users) if with_users else (rows[:, :-1],)
        return *inputs, rows[:, -1], is_real

    size = batch_size // part[1]
    dataset = make_dataset(
        tf.data.Dataset.range(count),
        batch,
        _inputs_spec((size, sessions.rows.shape[1] - 1), with_users),
        tf.TensorSpec((size,), tf.int32),
        tf.TensorSpec((size,), tf.float32),
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


def _cuts(
    sessions: Sessions, row_numbers: np.ndarray, seed: int
) -> Callable[[int], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows, users and their order in each pass, cut anew each time.

    A pass reads as many rows as there are row numbers, whatever the number
    of rows that its cut has.
    """
    pieces = Pieces.of(sessions, row_numbers)

    @functools.lru_cache(maxsize=1)
    def cut_of(pass_number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        generator = np.random.default_rng([seed, pass_number, 1])
        rows, users = pieces.cut(generator)
        order = np.resize(generator.permutation(len(rows)), len(row_numbers))
        return rows, users, order

    return cut_of


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
    order: np.ndarray,
    b: int,
    batch_size: int,
    part: tuple[int, int] = (0, 1),
) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers of batch b, filled up; 1 where a row is real.

    Args:
        order: of the rows.
        b: which batch.
        batch_size: of the whole batch.
        part: (index, count): which of so many equal parts of it.
    """
    numbers = order[b * batch_size : (b + 1) * batch_size]
    is_real = np.zeros(batch_size, "float32")
    is_real[: len(numbers)] = 1
    index, count = part
    size = batch_size // count
    here = slice(index * size, (index + 1) * size)
    # Any row will do to fill up, but a row of the set brings no new ids.
    return np.resize(numbers, batch_size)[here], is_real[here]
