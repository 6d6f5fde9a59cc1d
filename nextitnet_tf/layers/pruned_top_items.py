"""The likeliest items of a tree softmax, without looking into every leaf."""

import numpy as np
from keras import ops

# The score of what cannot be recommended, below all that a model gives.
CLOSED = float(np.finfo("float32").min)
# Far above the error of a bound in float32, as a share of its terms.
_ROUNDING = 1e-4


def pruned_top_items(softmax, hidden, k, closed):
    """The k likeliest items of each row, exactly those of all items' scores.

    No item is likelier than the parent of its leaf times what one item of the
    leaf can have at most (`_largest_of_leaf`). Leaves are visited in the order
    of that bound, by the row that needs each most; one whose bound is below
    every row's k-th best score so far cannot change anything, and is not
    computed. Ties go to the lower id, as everywhere.

    Args:
        softmax: a built `TreeSoftmax`.
        hidden: (B, D) hidden states.
        k: how many, at most N.
        closed: (B, M) int32 ids that have no place, row by row.

    Returns:
        (B, k) float32 log-probabilities, best first, `CLOSED` where fewer
        than k items are open; (B, k) int32 their ids, which say nothing
        there; () int32 how many leaves were visited. A score is infinite where
        a softmax that was looked into is not of finite numbers.

    Reference:
        CpRec, Section 3.2.2, which stops where the root has all of the best.
    """
    first, num_leaves = softmax.clusters[0], len(softmax.clusters) - 1
    hidden = ops.cast(hidden, softmax.compute_dtype)
    root = softmax.log_softmax(hidden, 0)
    head = _close_inside(root[:, :first], closed)
    scores, item_ids = _best(head, k, 0)
    visited = ops.zeros((), "int32")
    if num_leaves == 0:
        return scores, item_ids, visited
    parents = root[:, first:]  # (B, leaves)
    bounds = parents + ops.stack(
        [_largest_of_leaf(softmax, hidden, j + 1) for j in range(num_leaves)],
        axis=1,
    )

    def leaf(j):
        start = softmax.clusters[j]

        def find():
            found = softmax.log_softmax(hidden, j + 1)
            found = found + parents[:, j : j + 1]
            return _best(_close_inside(found, closed - start), k, start)

        return find

    leaves = [leaf(j) for j in range(num_leaves)]
    order = ops.argsort(-ops.max(bounds, axis=0))
    for place in range(num_leaves):
        j = order[place]
        bound = ops.take(bounds, j, axis=1)
        # At a tie an item of the leaf may have the lower id. A bound that is
        # no number rules out nothing.
        is_needed = ops.any(ops.logical_not(bound < scores[:, -1]))

        def visit(j=j, scores=scores, item_ids=item_ids):
            return _merge((scores, item_ids), ops.switch(j, leaves), k)

        scores, item_ids = ops.cond(
            is_needed,
            visit,
            lambda scores=scores, item_ids=item_ids: (scores, item_ids),
        )
        visited = visited + ops.cast(is_needed, "int32")
    return scores, item_ids, visited


def _largest_of_leaf(softmax, hidden, j):
    """(B,) what no log-probability of a leaf's items is above.

    With w the columns of the leaf and h what they are multiplied by, the log
    of the sum of powers is at least log k + h mean(w), by Jensen's
    inequality; so no item has more than h (w_i - mean(w)) - log k, which by
    Cauchy and Schwarz is at most |h| max |w_i - mean(w)| - log k. In half
    precision, whose errors are large, it is only known to be at most 0.
    """
    if softmax.compute_dtype != "float32":
        return ops.zeros(ops.shape(hidden)[:1], "float32")
    kernel = ops.cast(softmax.kernels[j], "float32")
    around = kernel - ops.mean(kernel, axis=0, keepdims=True)
    radius = ops.sqrt(ops.max(ops.sum(ops.square(around), axis=1)))
    projected = ops.cast(softmax.projected(hidden, j), "float32")
    reach = radius * ops.sqrt(ops.sum(ops.square(projected), axis=1))
    bound = reach - float(np.log(kernel.shape[0]))
    return ops.minimum(bound + _ROUNDING * (1 + reach), 0.0)


def close(scores, closed):
    """Scores with `CLOSED` in some columns of each row.

    Args:
        scores: (B, C) float32.
        closed: (B, M) int32, columns 0..C - 1.

    Returns:
        (B, C).
    """
    shape = ops.shape(closed)
    rows = ops.broadcast_to(ops.arange(shape[0], dtype="int32")[:, None], shape)
    places = ops.stack([ops.reshape(rows, (-1,)), ops.reshape(closed, (-1,))])
    places = ops.transpose(places)  # (B M, 2)
    return ops.scatter_update(
        scores, places, ops.full(ops.shape(places)[:1], CLOSED, "float32")
    )


def _close_inside(scores, closed):
    """The same of columns (B, M) of which only some are among the scores."""
    num_columns = scores.shape[1]
    is_inside = ops.logical_and(closed >= 0, closed < num_columns)
    # What is not among them goes to a column that is thrown away.
    places = ops.where(is_inside, closed, num_columns)
    return close(ops.pad(scores, ((0, 0), (0, 1))), places)[:, :num_columns]


def _best(scores, k, start):
    """The k best of a cluster, (B, k) scores and ids.

    What is no number comes first, for all to see.
    """
    scores = ops.where(ops.isnan(scores), np.inf, scores)
    missing = max(0, k - scores.shape[1])
    found, places = ops.top_k(scores, min(k, scores.shape[1]))
    return (
        ops.pad(found, ((0, 0), (0, missing)), constant_values=CLOSED),
        ops.pad(ops.cast(places, "int32") + start, ((0, 0), (0, missing))),
    )


def _merge(ours, theirs, k):
    """The k best of two lists."""
    scores, item_ids = (
        ops.concatenate(pair, axis=1) for pair in zip(ours, theirs, strict=True)
    )
    # In the order of ids, where `top_k` takes the first of those that tie.
    order = ops.argsort(item_ids, axis=1)
    scores, item_ids = (
        ops.take_along_axis(found, order, axis=1)
        for found in (scores, item_ids)
    )
    scores, places = ops.top_k(scores, k)
    places = ops.cast(places, "int32")
    return scores, ops.take_along_axis(item_ids, places, axis=1)
