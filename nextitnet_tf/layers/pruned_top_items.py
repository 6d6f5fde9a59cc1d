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
    root = softmax.logits(hidden, 0)
    total = ops.logsumexp(root, axis=-1, keepdims=True)
    head = _best(root[:, :first], -total, k, closed, 0)
    if num_leaves == 0:
        return *head, ops.zeros((), "int32")
    parents = root[:, first:] - total  # (B, leaves)
    bounds = parents + ops.stack(
        [_largest_of_leaf(softmax, hidden, j + 1) for j in range(num_leaves)],
        axis=1,
    )

    def look_into(j):
        """A function that finds the best of a leaf."""

        def find():
            logits = softmax.logits(hidden, j + 1)
            total = ops.logsumexp(logits, axis=-1, keepdims=True)
            more = parents[:, j : j + 1] - total
            return _best(logits, more, k, closed, softmax.clusters[j])

        return find

    find = [look_into(j) for j in range(num_leaves)]
    # What was found in each leaf, (leaves, B, k), and the best scores so far.
    scores, item_ids = (
        ops.repeat(ops.full_like(of_head, fill)[None], num_leaves, axis=0)
        for of_head, fill in zip(head, (CLOSED, 0), strict=True)
    )
    state = (head[0], scores, item_ids, ops.zeros((), "int32"))
    order = ops.argsort(-ops.max(bounds, axis=0))
    for place in range(num_leaves):
        j = order[place]

        def visit(j=j, state=state):
            best, scores, item_ids, visited = state
            found = ops.switch(j, find)
            scores, item_ids = (
                ops.slice_update(kept, (j, 0, 0), more[None])
                for kept, more in zip((scores, item_ids), found, strict=True)
            )
            both = ops.concatenate([best, found[0]], axis=1)
            return ops.top_k(both, k)[0], scores, item_ids, visited + 1

        # At a tie an item of the leaf may have the lower id. A bound that is
        # no number rules out nothing.
        is_ruled_out = ops.take(bounds, j, axis=1) < state[0][:, -1]
        state = ops.cond(
            ops.all(is_ruled_out), lambda state=state: state, visit
        )
    _, scores, item_ids, visited = state
    # Side by side in the order of ids: `top_k` takes the first of a tie.
    scores, item_ids = (
        ops.concatenate([of_head, *(found[j] for j in range(num_leaves))], 1)
        for of_head, found in zip(head, (scores, item_ids), strict=True)
    )
    scores, places = ops.top_k(scores, k)
    places = ops.cast(places, "int32")
    return scores, ops.take_along_axis(item_ids, places, axis=1), visited


def _largest_of_leaf(softmax, hidden, j):
    """(B,) what no log-probability of a leaf's items is above.

    With w the columns of the leaf and h what they are multiplied by, the log
    of the sum of powers is at least log k + h mean(w), by Jensen's
    inequality; so no item has more than h (w_i - mean(w)) - log k, which by
    Cauchy and Schwarz is at most |h| max |w_i - mean(w)| - log k. In half
    precision, whose errors are large, it is only known to be at most 0.
    """
    if softmax.compute_dtype != "float32":
        return ops.full(ops.shape(hidden)[:1], _ROUNDING, "float32")
    kernel = ops.cast(softmax.kernels[j], "float32")
    around = kernel - ops.mean(kernel, axis=0, keepdims=True)
    radius = ops.sqrt(ops.max(ops.sum(ops.square(around), axis=1)))
    projected = ops.cast(softmax.projected(hidden, j), "float32")
    reach = radius * ops.sqrt(ops.sum(ops.square(projected), axis=1))
    bound = reach - float(np.log(kernel.shape[0]))
    return ops.minimum(bound, 0.0) + _ROUNDING * (1 + reach)


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


def _best(logits, more, k, closed, start):
    """The k best of a cluster, (B, k) scores and ids.

    Args:
        logits: (B, k_j).
        more: (B, 1), what a score has beyond its logit.
        k: how many; what is missing has the score `CLOSED`.
        closed: (B, M) ids that have no place.
        start: id of the first column.
    """
    # So many that k are left without those that are closed: a few more are
    # cheaper than a change of the scores.
    wanted, most = k + ops.shape(closed)[1], logits.shape[1]
    if isinstance(wanted, int):
        wanted = min(wanted, most)
    else:  # known when it runs
        wanted = ops.minimum(wanted, most)
    found, places = ops.top_k(logits, wanted)
    item_ids = ops.cast(places, "int32") + start
    is_closed = ops.any(item_ids[:, :, None] == closed[:, None, :], axis=-1)
    scores = found + more
    # What is no number comes first, for all to see.
    scores = ops.where(ops.isnan(scores), np.inf, scores)
    scores = ops.where(is_closed, CLOSED, scores)
    missing = ((0, 0), (0, max(0, k - most)))
    scores = ops.pad(scores, missing, constant_values=CLOSED)
    scores, places = ops.top_k(scores, k)
    item_ids = ops.pad(item_ids, missing)
    return scores, ops.take_along_axis(
        item_ids, ops.cast(places, "int32"), axis=1
    )
