"""A block that runs for some rows of a batch, and costs nothing for others."""

from keras import ops

# Rows that are run at a time: a share of the batch, since more would be wasted
# on the last of them, but not so few that calls outweigh them; so many, too,
# where a graph does not know its batch.
_SHARE = 8
_LEAST = 4


def run_kept(block, hidden, keep, item_mask=None, skipped=None, **arguments):
    """What a block makes of the rows that keep it; others stay as they are.

    The rows that keep it are brought together and run a chunk at a time, in a
    loop that ends where they end: chunks have one shape, so that compilers can
    make it, and what is skipped is not computed. A single row runs the block,
    or does not.

    Args:
        block: (B, T, D) -> (B, T, D), or as `skipped`, row by row.
        hidden: (B, T, D).
        keep: (B,) 1 where a row runs the block.
        item_mask: (B, T), which goes to the block with its rows, if any.
        skipped: (B, W, D) what becomes of a row that does not keep a block
            whose output has another length; by default what it was.
        **arguments: of the block.

    Returns:
        (B, T, D), or as `skipped`.
    """
    masks = () if item_mask is None else (item_mask,)

    def call(rows, *masks):
        if masks:
            return block(rows, item_mask=masks[0], **arguments)
        return block(rows, **arguments)

    num_rows = hidden.shape[0]
    is_kept = keep > 0
    if num_rows == 1:
        return ops.cond(
            is_kept[0],
            lambda: call(hidden, *masks),
            lambda: hidden if skipped is None else skipped,
        )
    # Of a batch that the graph does not know there may be too few for a chunk.
    spare = 0 if num_rows else _LEAST
    chunk = min(max(_LEAST, (num_rows or 0) // _SHARE), num_rows or _LEAST)
    hidden, is_kept, *masks = (
        _with_more_rows(tensor, spare) for tensor in (hidden, is_kept, *masks)
    )
    if skipped is not None:
        skipped = _with_more_rows(skipped, spare)
    total = ops.shape(hidden)[0]
    # Those that keep it come first.
    order = ops.argsort(ops.cast(ops.logical_not(is_kept), "int32"))
    order = ops.cast(order, "int32")
    count = ops.sum(ops.cast(is_kept, "int32"))

    def more(start, result):
        # The last chunk begins early enough to be whole.
        begin = ops.minimum(start, total - chunk)
        places = ops.slice(order, (begin,), (chunk,))
        before = ops.take(result, places, axis=0)
        rows = before
        if skipped is not None:
            rows = ops.take(hidden, places, axis=0)
        after = call(rows, *(ops.take(mask, places, axis=0) for mask in masks))
        at = begin + ops.arange(chunk, dtype="int32")
        is_own = ops.logical_and(at >= start, at < count)
        after = ops.where(is_own[:, None, None], after, before)
        result = ops.scatter_update(result, places[:, None], after)
        return start + chunk, result

    _, result = ops.while_loop(
        lambda start, result: start < count,
        more,
        (ops.zeros((), "int32"), hidden if skipped is None else skipped),
    )
    return result[:-spare] if spare else result


def _with_more_rows(tensor, count):
    """(B + count, ...): zeros below."""
    if not count:
        return tensor
    more = ops.zeros((count, *tensor.shape[1:]), tensor.dtype)
    return ops.concatenate([tensor, more], axis=0)
