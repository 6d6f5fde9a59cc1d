"""Softmax losses over items, full and sampled.

Both take `weights` and return a weighted SUM. Whoever feeds them decides what
a mean is: a batch that is spread over devices divides by its global number of
counted targets, which no single device knows.
"""

import functools

import keras
import numpy as np
from keras import ops


def full_softmax_loss(hidden, kernel, bias, next_item_ids, weights):
    """Cross-entropy of the next item among all N columns.

    Args:
        hidden: (M, D) hidden states.
        kernel: (N, D) one row an item.
        bias: (N,) float32.
        next_item_ids: (M,) the item that did follow.
        weights: (M,) float32.

    Returns:
        Scalar, float32: `sum(weights * -log softmax(logits)[next item])`.

    Reference:
        StackRec, Eq. 4.
    """
    logits = ops.matmul(hidden, ops.transpose(kernel))  # (M, N)
    logits = ops.cast(logits, "float32") + bias
    return ops.sum(
        weights
        * (ops.logsumexp(logits, axis=-1) - _pick(logits, next_item_ids))
    )


def sampled_softmax_loss(
    hidden, kernel, bias, next_item_ids, weights, candidates, expected_counts
):
    """Cross-entropy of the next item among itself and S drawn candidates.

    The logarithm of how often a column is expected among the candidates is
    subtracted from its logit, which makes the gradient a consistent estimate
    of the full softmax's; a candidate that is the next item itself is left
    out of that row.

    Args:
        hidden: (M, D) hidden states.
        kernel: (N, D) one row an item.
        bias: (N,) float32.
        next_item_ids: (M,) the item that did follow.
        weights: (M,) float32.
        candidates: (S,) distinct ids, shared by all rows.
        expected_counts: (N,) float32, expected occurrences of each id among
            the candidates.

    Returns:
        Scalar, float32.

    Reference:
        What `tf.nn.sampled_softmax_loss` computes with its defaults, which
        is the release's loss.
    """
    correction = bias - ops.log(expected_counts)  # (N,)
    true_logits = ops.sum(
        ops.cast(hidden * ops.take(kernel, next_item_ids, axis=0), "float32"),
        axis=-1,
    ) + ops.take(correction, next_item_ids)  # (M,)
    logits = ops.matmul(
        hidden, ops.transpose(ops.take(kernel, candidates, axis=0))
    )  # (M, S)
    logits = ops.cast(logits, "float32") + ops.take(correction, candidates)
    is_next_item = ops.equal(next_item_ids[:, None], candidates[None, :])
    logits = ops.where(is_next_item, np.finfo("float32").min, logits)
    log_total = ops.logaddexp(true_logits, ops.logsumexp(logits, axis=-1))
    return ops.sum(weights * (log_total - true_logits))


def sample_log_uniform(num_columns, num_sampled, seed):
    """Draws distinct ids, small ones likelier (log-uniform).

    Adding Gumbel noise to the log-probabilities and taking the largest S is
    the same law as drawing one after the other and rejecting repeats, which
    is what TensorFlow's sampler does; unlike that sampler, XLA compiles it.

    Args:
        num_columns: N, ids 0..N-1.
        num_sampled: S < N.
        seed: integer or `keras.random.SeedGenerator`.

    Returns:
        (S,) int32 ids, all different.

    Raises:
        ValueError: fewer columns than ids to draw.
    """
    if not 0 < num_sampled < num_columns:
        raise ValueError(
            "`num_sampled` must be positive and smaller than the number of "
            f"columns ({num_columns}). Received: num_sampled={num_sampled}"
        )
    # Not below the smallest normal number: log(0) would be -inf.
    uniform = keras.random.uniform((num_columns,), minval=1e-30, seed=seed)
    gumbel = -ops.log(-ops.log(uniform))
    log_probabilities = np.log(_log_uniform_probabilities(num_columns))
    _, ids = ops.top_k(
        gumbel + log_probabilities.astype("float32"), num_sampled, sorted=False
    )
    return ops.cast(ids, "int32")


@functools.lru_cache(maxsize=8)
def expected_counts(num_columns, num_sampled):
    """How often each id is expected among S distinct log-uniform draws.

    E(k) = 1 - (1 - p(k))^T with T the number of draws it takes to collect S
    different ids. TensorFlow uses the T of each call; here T is the one for
    which the E(k) sum to S, which is its value in the mean.

    Args:
        num_columns: N, ids 0..N-1.
        num_sampled: S.

    Returns:
        (N,) float32.
    """
    log_miss = np.log1p(-_log_uniform_probabilities(num_columns))
    low, high = float(num_sampled), 2.0 * num_sampled
    while -np.expm1(high * log_miss).sum() < num_sampled:
        high *= 2
    for _ in range(60):  # bisection, to the last bit of a float64
        middle = (low + high) / 2
        if -np.expm1(middle * log_miss).sum() < num_sampled:
            low = middle
        else:
            high = middle
    return (-np.expm1(high * log_miss)).astype("float32")


def _log_uniform_probabilities(num_columns):
    k = np.arange(num_columns, dtype="float64")
    return np.log((k + 2) / (k + 1)) / np.log(num_columns + 1)


def _pick(logits, ids):
    """(M, N) logits and (M,) ids -> (M,) the logit of each row's id."""
    return ops.squeeze(
        ops.take_along_axis(logits, ids[:, None], axis=-1), axis=-1
    )
