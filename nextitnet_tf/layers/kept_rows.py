"""A block that runs for some rows of a batch, and costs nothing for others."""

from keras import ops

# Rows that are run at a time: a share of the batch, since more would be wasted
# on the last of them and fewer would cost in calls; so many, where a graph does
# not know its batch.
_SHARE = 8
_UNKNOWN = 4


def run_kept(block, hidden, keep, item_mask=None, **arguments):
    """What a block makes of the rows that keep it; others stay as they are.

    The rows that keep it are brought together and run a chunk at a time, in a
    loop that ends where they end: chunks have one shape, so that compilers can
    make it, and what is skipped is not computed. A single row runs the block,
    or does not.

    Args:
        block: (B, T, D) -> (B, T, D), row by row.
        hidden: (B, T, D).
        keep: (B,) 1 where a row runs the block.
        item_mask: (B, T), which goes to the block with its rows, if any.
        **arguments: of the block.

    Returns:
        (B, T, D).
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
            is_kept[0], lambda: call(hidden, *masks), lambda: hidden
        )
    chunk = _UNKNOWN if num_rows is None else -(-num_rows // _SHARE)
    # Those that keep it come first; the place of each is remembered.
    order = ops.argsort(ops.cast(ops.logical_not(is_kept), "int32"))
    count = ops.sum(ops.cast(is_kept, "int32"))
    ordered, *masks = (
        _with_rows_to_spare(ops.take(tensor, order, axis=0), chunk - 1)
        for tensor in (hidden, *masks)
    )

    def rows_of(tensor, start):
        begin = (start, *[0] * (len(tensor.shape) - 1))
        shape = (chunk, *ops.shape(tensor)[1:])
        return ops.slice(tensor, begin, shape)

    def more(start, ordered):
        rows = rows_of(ordered, start)
        after = call(rows, *(rows_of(mask, start) for mask in masks))
        # The last chunk has rows that do not keep it.
        is_own = start + ops.arange(chunk, dtype="int32") < count
        after = ops.where(is_own[:, None, None], after, rows)
        return start + chunk, ops.slice_update(ordered, (start, 0, 0), after)

    _, ordered = ops.while_loop(
        lambda start, ordered: start < count,
        more,
        (ops.zeros((), "int32"), ordered),
    )
    return ops.take(ordered, ops.argsort(order), axis=0)


def _with_rows_to_spare(tensor, count):
    """(B + count, ...), so that a chunk never reaches beyond the end."""
    spare = ops.zeros_like(tensor[:1])
    return ops.concatenate([tensor, *[spare] * count], axis=0)
