"""Softmax losses over items, full and sampled.

Both take `weights` and return a weighted SUM. Whoever feeds them decides what
a mean is: a batch that is spread over devices divides by its global number of
counted targets, which no single device knows.
"""

import functools

import keras
import numpy as np
from keras import ops

# Rows of logits are computed a chunk at a time: as many as stay in a CPU's
# cache, but no fewer than make the matrix products worth it, as far as some
# 200 MB of working memory allow.
_LOGITS_IN_CACHE = 1 << 21
_ROWS_WORTH_IT = 128
_LOGITS_IN_MEMORY = 1 << 24
# Where the number of rows is not known, no more than a usual batch has.
_ROWS_OF_UNKNOWN = 1024


def full_softmax_loss(hidden, kernel, bias, next_item_ids, weights):
    """Cross-entropy of the next item among all N columns.

    The (M, N) logits never exist as a whole.

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
    return _softmax_loss(
        hidden,
        kernel,
        bias,
        _logits_of(hidden, kernel, bias, next_item_ids),
        ops.arange(kernel.shape[0], dtype="int32"),
        next_item_ids,
        weights,
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
    return _softmax_loss(
        hidden,
        ops.take(kernel, candidates, axis=0),
        ops.take(correction, candidates),
        _logits_of(hidden, kernel, correction, next_item_ids),
        candidates,
        next_item_ids,
        weights,
    )


def advantage_of_targets(hidden, kernel, bias, next_item_ids, weights):
    """How far logits of targets are above the mean of all columns.

    Cross-entropy against targets of which a share is spread evenly over the N
    columns is the plain cross-entropy plus that share of this sum: with p the
    softmax, `-log p` of a column is the log of the sum minus its logit.

    Args:
        hidden: (M, D) hidden states.
        kernel: (N, D) one row an item.
        bias: (N,) float32.
        next_item_ids: (M,) the item that did follow.
        weights: (M,) float32.

    Returns:
        Scalar, float32: `sum(weights * (logit of the target - mean logit))`.

    Reference:
        Szegedy et al., CVPR 2016, Section 7 (label smoothing).
    """
    mean_row = ops.mean(ops.cast(kernel, "float32"), axis=0)  # (D,)
    mean = ops.matmul(ops.cast(hidden, "float32"), mean_row) + ops.mean(bias)
    of_target = _logits_of(hidden, kernel, bias, next_item_ids)
    return ops.sum(weights * (of_target - mean))


def _logits_of(hidden, kernel, bias, ids):
    """(M,) the logit of one column a row, float32."""
    products = ops.cast(hidden * ops.take(kernel, ids, axis=0), "float32")
    return ops.sum(products, axis=-1) + ops.take(bias, ids)


def _softmax_loss(
    hidden, kernel, bias, true_logits, columns, next_item_ids, weights
):
    """Cross-entropy of a target among itself and other columns, in chunks.

    The loss is a scalar, so its gradient can be computed along with it, chunk
    by chunk, and only waits to be scaled: nothing of the size of the logits
    is kept for a backward pass. Rows of weight 0 (padding) are put last, and
    the loop ends where they begin: they cost next to nothing.

    Args:
        hidden: (M, D) hidden states.
        kernel: (C, D) of the other columns.
        bias: (C,) float32.
        true_logits: (M,) float32, of the targets.
        columns: (C,) int32, the items the columns stand for; the target is
            left out of its own row.
        next_item_ids: (M,) int32, the targets.
        weights: (M,) float32; no gradient is taken of them.

    Returns:
        Scalar, float32.
    """
    num_rows, width = hidden.shape
    num_columns = kernel.shape[0]
    chunk = _rows_a_chunk(num_rows, num_columns)
    # The last chunk is filled up with rows of weight 0.
    if num_rows is None:  # known when it runs: enough for whatever is missing
        num_rows, filling = ops.shape(hidden)[0], chunk
    else:
        filling = -num_rows % chunk
    counts = weights != 0
    # Each key occurs once, so that any way of sorting gives the same order.
    keys = ops.arange(num_rows, dtype="int32")
    order = ops.argsort(ops.where(counts, keys, keys + num_rows))
    place = ops.argsort(order)
    num_counted = ops.sum(ops.cast(counts, "int32"))
    num_chunks = (num_counted + chunk - 1) // chunk
    targets = ops.pad(ops.take(next_item_ids, order), ((0, filling),))
    weights = ops.pad(ops.take(weights, order), ((0, filling),))
    # Weights are tiny where they sum to 1 over a batch. In half precision the
    # gradient of a logit would vanish, so they are scaled to at most 1 and
    # the result is scaled back in float32.
    largest = ops.maximum(ops.max(ops.abs(weights)), np.finfo("float32").tiny)
    shares = weights / largest

    @ops.custom_gradient
    def loss_of(hidden, kernel, bias, true_logits):
        padded = ops.pad(
            ops.take(hidden, order, axis=0), ((0, filling), (0, 0))
        )
        true = ops.pad(ops.take(true_logits, order), ((0, filling),))

        def add_chunk(i, carry):
            loss, d_hidden, d_kernel, d_bias, d_true = carry
            start = i * chunk
            h = ops.slice(padded, (start, 0), (chunk, width))
            w = ops.slice(shares, (start,), (chunk,))
            t = ops.slice(true, (start,), (chunk,))
            target = ops.slice(targets, (start,), (chunk,))
            logits = ops.cast(
                ops.matmul(h, ops.transpose(kernel)), "float32"
            )  # (chunk, C)
            logits = ops.where(
                ops.equal(target[:, None], columns[None, :]),
                np.finfo("float32").min,
                logits + bias,
            )
            top = ops.maximum(ops.max(logits, axis=-1), t)
            powers = ops.exp(logits - top[:, None])
            true_power = ops.exp(t - top)
            total = ops.sum(powers, axis=-1) + true_power
            loss = loss + ops.sum(w * (top + ops.log(total) - t))
            d_logits = powers * (w / total)[:, None]
            d_bias = d_bias + ops.sum(d_logits, axis=0)
            d_logits = ops.cast(d_logits, kernel.dtype)
            d_kernel = d_kernel + ops.cast(
                ops.matmul(ops.transpose(d_logits), h), "float32"
            )
            d_hidden = ops.slice_update(
                d_hidden,
                (start, 0),
                ops.cast(ops.matmul(d_logits, kernel), "float32"),
            )
            d_true = ops.slice_update(
                d_true, (start,), w * (true_power / total - 1.0)
            )
            return loss, d_hidden, d_kernel, d_bias, d_true

        loss, d_hidden, d_kernel, d_bias, d_true = ops.fori_loop(
            0,
            num_chunks,
            add_chunk,
            (
                ops.zeros((), "float32"),
                ops.zeros_like(padded, dtype="float32"),
                ops.zeros((num_columns, width), "float32"),
                ops.zeros((num_columns,), "float32"),
                ops.zeros_like(true),
            ),
        )

        def gradient(*args, upstream=None):
            scale = largest * (args[0] if upstream is None else upstream)
            return (
                ops.cast(
                    ops.take(d_hidden, place, axis=0) * scale, hidden.dtype
                ),
                ops.cast(d_kernel * scale, kernel.dtype),
                d_bias * scale,
                ops.take(d_true, place) * scale,
            )

        return loss * largest, gradient

    return loss_of(hidden, kernel, bias, true_logits)


def _rows_a_chunk(num_rows, num_columns):
    """Rows of logits at a time; `num_rows` may be None, unknown."""
    rows = max(_LOGITS_IN_CACHE // num_columns, _ROWS_WORTH_IT)
    rows = max(min(rows, _LOGITS_IN_MEMORY // num_columns), 1)
    if num_rows is None:
        return min(rows, _ROWS_OF_UNKNOWN)
    num_chunks = -(-num_rows // min(rows, num_rows))
    return -(-num_rows // num_chunks)  # of equal size, all but the last


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
