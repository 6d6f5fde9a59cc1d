"""The likeliest items of a tree softmax, without looking into every leaf."""

import numpy as np
from keras import ops

# The score of what cannot be recommended, below all that a model gives.
CLOSED = float(np.finfo("float32").min)
# Far above the error of a sum of products in float32, and in the ten bits that
# some accelerators take for it, as a share of its largest terms.
_ROUNDING = 1e-3
# Closed columns a row, up to which they are looked for among the best.
_FEW = 64


def pruned_top_items(softmax, hidden, k, closed, reaches=None):
    """The k likeliest items of each row, exactly those of all items' scores.

    No item is likelier than the parent of its leaf times what one item of the
    leaf can have at most (`_largest_of_leaf`; 1, where nothing is known of
    the leaf's weights, or in half precision). Leaves are visited in the order
    of that bound, by the row that needs each most; one whose bound is below
    every row's k-th best score so far cannot change anything, and is not
    computed. Ties go to the lower id, as everywhere.

    Args:
        softmax: a built `TreeSoftmax`.
        hidden: (B, D) hidden states.
        k: how many, at most N.
        closed: (B, M) int32 ids that have no place, row by row.
        reaches: (leaves, 2), what `leaf_reaches` says of these very weights.

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
    root = ops.log_softmax(softmax.logits(hidden, 0))
    head = _best(root[:, :first], k, closed, 0)
    if num_leaves == 0:
        return *head, ops.zeros((), "int32")
    parents = root[:, first:]  # (B, leaves)
    bounds = _bounds(softmax, hidden, parents, reaches)

    def look_into(j):
        """A function that finds the best of a leaf."""

        def find():
            # The arithmetic of `TreeSoftmax.call`, to the last bit.
            found = ops.log_softmax(softmax.logits(hidden, j + 1))
            found = parents[:, j : j + 1] + found
            return _best(found, k, closed, softmax.clusters[j])

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
            is_here = (ops.arange(num_leaves) == j)[:, None, None]
            scores, item_ids = (
                ops.where(is_here, more[None], kept)
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


def _bounds(softmax, hidden, parents, reaches):
    """(B, leaves) what no item of a leaf is likelier than, as logarithms."""
    # Errors of half precision are too large to tell more.
    if reaches is None or softmax.compute_dtype != "float32":
        return parents
    largest = [
        _largest_of_leaf(softmax, hidden, j + 1, reaches[j])
        for j in range(parents.shape[1])
    ]
    return parents + ops.stack(largest, axis=1)


def leaf_reaches(softmax):
    """How far the columns of each leaf lie from their mean, and from 0.

    Reads all of them, once for as many calls of `pruned_top_items` as there
    are until weights change.

    Args:
        softmax: a built `TreeSoftmax`.

    Returns:
        (leaves, 2) float32: the largest distances.
    """
    found = []
    for kernel in softmax.kernels[1:]:
        columns = ops.cast(kernel, "float32")
        center = ops.mean(columns, axis=0, keepdims=True)
        found.append([_longest(columns - center), _longest(columns)])
    return np.array(found, "float32").reshape(-1, 2)


def _largest_of_leaf(softmax, hidden, j, reach):
    """(B,) what no log-probability of a leaf's items is above.

    With w the columns of the leaf and h what they are multiplied by, the log
    of the sum of powers is at least log k + h mean(w), by Jensen's
    inequality; so no item has more than h (w_i - mean(w)) - log k, which by
    Cauchy and Schwarz is at most |h| max |w_i - mean(w)| - log k.
    """
    radius, longest = reach[0], reach[1]
    projected = softmax.projected(hidden, j)
    length = ops.sqrt(ops.sum(ops.square(projected), axis=1))  # (B,)
    # The error of a logit grows with what it is the sum of.
    error = _ROUNDING * (1 + length * longest)
    bound = length * radius - float(np.log(softmax.kernels[j].shape[0])) + error
    return ops.minimum(bound, 0.0)  # no log-probability is above 0


def _longest(rows):
    return ops.sqrt(ops.max(ops.sum(ops.square(rows), axis=1)))


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
    places = ops.stack(
        [ops.reshape(rows, (-1,)), ops.reshape(closed, (-1,))], axis=1
    )  # (B M, 2)
    return ops.scatter_update(
        scores, places, ops.full(ops.shape(places)[:1], CLOSED, "float32")
    )


def _close_inside(scores, closed):
    """`close` of columns (B, M) of which only some are among the scores."""
    num_columns = scores.shape[1]
    is_inside = ops.logical_and(closed >= 0, closed < num_columns)
    # What is not among them goes to a column that is thrown away.
    places = ops.where(is_inside, closed, num_columns)
    return close(ops.pad(scores, ((0, 0), (0, 1))), places)[:, :num_columns]


def _best(scores, k, closed, start):
    """The k best of a cluster, (B, k) scores and ids.

    Args:
        scores: (B, k_j).
        k: how many; what is missing has the score `CLOSED`.
        closed: (B, M) ids that have no place.
        start: id of the first column.
    """
    num_columns, num_closed = scores.shape[1], closed.shape[1]
    # A few more than k, of which some are closed, are cheaper than a change
    # of all scores.
    is_few = num_closed is not None and num_closed <= _FEW
    if not is_few:
        scores = _close_inside(scores, closed - start)
    wanted = k + num_closed if is_few else k
    # What is no number comes first, for all to see.
    scores = ops.where(ops.isnan(scores), np.inf, scores)
    scores, places = ops.top_k(scores, min(wanted, num_columns))
    item_ids = ops.cast(places, "int32") + start
    if is_few:
        is_closed = ops.any(item_ids[:, :, None] == closed[:, None, :], axis=-1)
        scores = ops.where(is_closed, CLOSED, scores)
    missing = ((0, 0), (0, max(0, k - num_columns)))
    scores = ops.pad(scores, missing, constant_values=CLOSED)
    item_ids = ops.pad(item_ids, missing)
    scores, places = ops.top_k(scores, k)
    places = ops.cast(places, "int32")
    return scores, ops.take_along_axis(item_ids, places, axis=1)
