"""The loop over a model's residual blocks, the only one there is."""

from keras import ops

from nextitnet_tf import sharing as of_sharing
from nextitnet_tf.layers.kept_rows import run_kept


class BlockStack:
    """Runs residual blocks one after the other.

    Each block gets what the one before it returned. The stack says whether
    blocks train, which rows keep which block, and whose kernels a block uses.
    It is no Keras layer: the blocks stay the model's own, so that their
    weights have the same names and places in files whoever runs them.

    Args:
        blocks: L layers, (B, T, D) -> (B, T, D). Those that can share have
            `kernel_parts`.
        sharing: whose kernels a block uses (`sharing.kernel_owners`); norms,
            alphas and dilations are a block's own in any case.

    Call arguments:
        hidden: (B, T, D) what the first block gets.
        training: whether blocks behave as in training.
        keep: (B, L) 1 where a row runs a block, 0 where the block leaves the
            row as it is; by default every row runs every block. In training
            both are computed, elsewhere a block is computed for the rows that
            keep it (`kept_rows`).
        item_mask: (B, T) True where an item is. It is passed on to the
            blocks, which then take an argument of that name, and what stands
            where no item is becomes 0 after each block. By default every
            position is an item.

    Returns:
        (B, T, D) hidden states after the last block.

    Raises:
        ValueError: `keep` has another number of columns than blocks; kernels
            that cannot be shared so.
    """

    def __init__(self, blocks, sharing="none"):
        self.blocks = blocks
        self.sharing = sharing
        if sharing != "none":
            self._share_kernels()

    def build(self, input_shape):
        """Makes the weights of all blocks."""
        for block in self.blocks:
            block.build(input_shape)

    def __call__(self, hidden, *, training=None, keep=None, item_mask=None):
        *_, hidden = self.states(
            hidden, training=training, keep=keep, item_mask=item_mask
        )
        return hidden

    def states(self, hidden, *, training=None, keep=None, item_mask=None):
        """The hidden states before the first block, then after each.

        Args:
            hidden: as for a call, like all others.
            training: whether blocks behave as in training.
            keep: (B, L).
            item_mask: (B, T).

        Yields:
            (B, T, D), L + 1 times.
        """
        if keep is not None and keep.shape[-1] != len(self.blocks):
            raise ValueError(
                "`keep` must have a column for each of the "
                f"{len(self.blocks)} blocks. "
                f"Received: keep of shape {tuple(keep.shape)}"
            )
        arguments = {"training": training}
        if item_mask is not None:
            arguments["item_mask"] = item_mask
            is_item = ops.cast(item_mask, hidden.dtype)[..., None]
        yield hidden
        for i, block in enumerate(self.blocks):
            if keep is not None and not training:
                after = run_kept(block, hidden, keep[:, i], **arguments)
            else:
                after = block(hidden, **arguments)
            if item_mask is not None:
                after = after * is_item
            if keep is not None and training:
                # A product, so that whoever decides can be trained through it.
                runs = ops.cast(keep[:, i], hidden.dtype)[:, None, None]
                after = runs * after + (1 - runs) * hidden
            hidden = after
            yield hidden

    def _share_kernels(self):
        """Gives each block the kernels that it uses."""
        for block in self.blocks:
            if not hasattr(block, "kernel_parts"):
                raise ValueError(
                    "Expected blocks that name their kernels (`kernel_parts`). "
                    f"Received: {type(block).__name__} with "
                    f"sharing={self.sharing!r}"
                )
        parts = [part for block in self.blocks for part in block.kernel_parts()]
        if self.sharing in of_sharing.LAYER_SCHEMES and len(parts[0]) > 1:
            raise ValueError(
                "The parts of a Transformer block are too unlike to share "
                f"kernels. Received: sharing={self.sharing!r}"
            )
        owners = of_sharing.kernel_owners(len(self.blocks), self.sharing)
        for place, (block, part) in enumerate(owners):
            owner = 2 * block + part
            if owner != place:
                for layer, other in zip(
                    parts[place], parts[owner], strict=True
                ):
                    layer.use_kernel_of(other)
