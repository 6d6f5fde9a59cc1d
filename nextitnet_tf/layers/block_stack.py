"""The loop over a model's residual blocks, the only one there is."""

import itertools

import numpy as np
from keras import ops

from nextitnet_tf import sharing as of_sharing
from nextitnet_tf.layers.kept_rows import run_kept
from nextitnet_tf.layers.receptive_field import take_places


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
        self._fields = {}
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
        self._check_keep(keep, hidden.shape[0])
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

    def fields(self, length):
        """What each block computes where the last position alone is wanted.

        Args:
            length: T, at least 1.

        Returns:
            A `Field` a block, the first one first; of blocks that have one
            (`DilatedResidualBlock.field`).
        """
        if length not in self._fields:
            wanted, fields = np.array([length - 1]), []
            for block in reversed(self.blocks):
                fields.insert(0, block.field(wanted))
                wanted = fields[0].inputs
            self._fields[length] = fields
        return self._fields[length]

    def last(self, hidden, fields, *, keep=None):
        """The last position after the last block, outside of training.

        What it does not see is not computed.

        Args:
            hidden: (B, P, D) what the first block gets, of the positions
                `fields[0].inputs`.
            fields: what `self.fields` says.
            keep: (B, L), as for a call.

        Returns:
            (B, 1, D), what a call gives at position -1.
        """
        self._check_keep(keep, hidden.shape[0])
        for i, (block, field) in enumerate(
            zip(self.blocks, fields, strict=True)
        ):
            if keep is None:
                hidden = block(hidden, field=field)
            else:
                skipped = take_places(hidden, field.own)
                hidden = run_kept(
                    block, hidden, keep[:, i], skipped=skipped, field=field
                )
        return hidden

    def extend(self, hidden, state=None, *, keep=None):
        """Hidden states of positions that follow others, those not computed.

        Args:
            hidden: (B, T, D) what the first block gets.
            state: (B, S, D) what the blocks have seen of the positions before,
                as this returned it; by default there are none.
            keep: (1, L) of a single history; the same as for `state`.

        Returns:
            (B, T, D) hidden states after the last block; the new state.

        Raises:
            ValueError: a state of another shape; `keep` of several rows.
        """
        self._check_keep(keep)
        if keep is not None and keep.shape[0] != 1:
            raise ValueError(
                "Expected `keep` of a single history. "
                f"Received: keep of shape {tuple(keep.shape)}"
            )
        size = sum(sum(block.past_lengths) for block in self.blocks)
        if state is None:
            shape = (ops.shape(hidden)[0], size, hidden.shape[-1])
            state = ops.zeros(shape, hidden.dtype)
        elif state.shape[1] != size:
            raise ValueError(
                f"Expected a state of {size} positions. "
                f"Received: state of shape {tuple(state.shape)}"
            )
        start, grown = 0, []
        for i, block in enumerate(self.blocks):
            ends = start + np.cumsum([0, *block.past_lengths])
            past = tuple(state[:, a:b] for a, b in itertools.pairwise(ends))
            start = ends[-1]

            def run(block=block, hidden=hidden, past=past):
                return block(hidden, past=past)

            def skip(hidden=hidden, past=past):
                return hidden, past

            if keep is None:
                hidden, past = run()
            else:
                hidden, past = ops.cond(keep[0, i] > 0, run, skip)
            grown += past
        return hidden, ops.concatenate(grown, axis=1)

    def _check_keep(self, keep, num_rows=None):
        if keep is None:
            return
        if keep.shape[-1] != len(self.blocks):
            raise ValueError(
                "`keep` must have a column for each of the "
                f"{len(self.blocks)} blocks. "
                f"Received: keep of shape {tuple(keep.shape)}"
            )
        if None not in (num_rows, keep.shape[0]) and num_rows != keep.shape[0]:
            raise ValueError(
                f"`keep` must have a row for each of the {num_rows} "
                f"histories. Received: keep of shape {tuple(keep.shape)}"
            )

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
