"""GRec: a masked-item objective on NextItNet's blocks."""

import keras
from keras import ops

from nextitnet_tf.models.nextitnet import NextItNet

# The id that stands for a masked item. No item has it; where padding is 0
# (protocol `clean`), a mask looks like one.
_MASK = 0
VARIANTS = ("stackrec", "original")


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class GRec(NextItNet):
    """The encoder of GRec: some items are masked, some positions predict.

    In training `mask_fraction` of the positions of a session are drawn anew
    at each step; only they count in the loss, each for all that it stands
    for. The first item is never drawn.

    - `stackrec`, the model of StackRec's paper and release: the network is
      NextItNet's, causal; the drawn items are masked in the input, and the
      position BEFORE a drawn one predicts it. A recommender of the next item
      which misses a part of its history.
    - `original`, after the encoder of GRec's authors, who put a decoder
      behind it and mask 40 %: convolutions look both ways, and a masked
      position predicts the item that it hides. A recommendation is what a
      mask behind the history predicts.

    The loss of an evaluation masks nothing at random, so that it is the same
    at each call. Under `stackrec` it is that of a recommender of the next
    item: every position predicts what follows it. Under `original`, where
    the positions see what they are to predict, it is that of the last item
    of the session alone, predicted by a mask in its place, which counts for
    its row.

    Args:
        num_items: number of items without padding; ids are 0..num_items.
        num_blocks: L; one block is two convolutions.
        variant: "stackrec" or "original".
        mask_fraction: of the positions behind the first; at least one of
            them, and at most 50, as in the release.
        **kwargs: as for `NextItNet`.

    Call arguments:
        item_ids: (B, T) int, latest item at position -1.

    Returns:
        (B, N) logits of the item that follows the last position.

    Raises:
        ValueError: an unknown variant; a fraction that is not in (0, 1].

    Reference:
        Yuan et al., Future Data Helps Training, WWW 2020; StackRec and its
        release, `deep_GRec.py`.
    """

    def __init__(
        self,
        num_items,
        num_blocks=8,
        variant="stackrec",
        mask_fraction=0.2,
        **kwargs,
    ):
        if variant not in VARIANTS:
            raise ValueError(
                f"`variant` must be one of {VARIANTS}. "
                f"Received: variant={variant!r}"
            )
        if not 0 < mask_fraction <= 1:
            raise ValueError(
                "`mask_fraction` must be in (0, 1]. "
                f"Received: mask_fraction={mask_fraction}"
            )
        super().__init__(
            num_items,
            num_blocks=num_blocks,
            causal=variant == "stackrec",
            **kwargs,
        )
        self.variant = variant
        self.mask_fraction = mask_fraction

    def build_layers(self):
        self.mask_seed_generator = keras.random.SeedGenerator()
        super().build_layers()

    def last_hidden(self, item_ids, training=None, keep=None):
        if self.variant == "original":
            mask = ops.full_like(item_ids[:, :1], _MASK)
            item_ids = ops.concatenate([item_ids, mask], axis=1)
        return super().last_hidden(item_ids, training, keep)

    def encode_for_loss(self, item_ids, targets, weights, training):
        if not training:
            return self._encode_without_masks(item_ids, targets, weights)
        positions = self._draw_positions(targets)  # (B, n), of the targets
        length, num_drawn = ops.shape(targets)[1], ops.shape(positions)[1]
        places = ops.arange(length, dtype="int32")
        drawn = ops.any(positions[:, :, None] == places, axis=1)  # (B, T)
        if self.variant == "stackrec":
            # Target k is input k + 1; the last one is no input at all.
            hides = ops.pad(drawn[:, :-1], ((0, 0), (1, 0)))
            inputs = ops.where(hides, _MASK, item_ids)
            hidden = self.encode(inputs, training=True)
        else:
            inputs = ops.where(drawn, _MASK, targets)
            inputs = ops.concatenate([item_ids[:, :1], inputs], axis=1)
            hidden = self.encode(inputs, training=True)[:, 1:]
        # A drawn position counts for all that it was drawn from, so that the
        # weights still sum to what they did, in the mean over draws.
        counted = ops.cast(length / num_drawn, "float32")
        return (
            ops.take_along_axis(hidden, positions[:, :, None], axis=1),
            ops.take_along_axis(targets, positions, axis=1),
            ops.take_along_axis(weights, positions, axis=1) * counted,
        )

    def _encode_without_masks(self, item_ids, targets, weights):
        """What the loss of an evaluation predicts from."""
        if self.variant == "stackrec":
            return self.encode(item_ids, training=False), targets, weights
        mask = ops.full_like(item_ids[:, :1], _MASK)
        inputs = ops.concatenate([item_ids, mask], axis=1)
        hidden = self.encode(inputs, training=False)[:, -1:]
        of_row = ops.sum(weights, axis=1, keepdims=True)
        of_last = ops.where(weights[:, -1:] > 0, of_row, 0.0)
        return hidden, targets[:, -1:], of_last

    def _draw_positions(self, targets):
        """(B, n) int32, different ones in each row, ascending."""
        length = ops.shape(targets)[1]
        if isinstance(length, int):
            num_drawn = min(50, max(1, round(length * self.mask_fraction)))
        else:  # known when it runs
            share = ops.cast(length, "float32") * self.mask_fraction
            num_drawn = ops.clip(ops.cast(ops.round(share), "int32"), 1, 50)
        order = ops.argsort(
            keras.random.uniform(
                ops.shape(targets), seed=self.mask_seed_generator
            ),
            axis=-1,
        )
        return ops.sort(ops.cast(order[:, :num_drawn], "int32"), axis=-1)

    def get_config(self):
        config = super().get_config()
        del config["causal"]
        return {
            **config,
            "variant": self.variant,
            "mask_fraction": self.mask_fraction,
        }
