"""Dropout whose random numbers cost next to nothing on CPU."""

import keras
from keras import ops

# Multipliers of a 32-bit mixer with little bias between input and output
# bits (found by search, Wellons 2018, "lowbias32").
_MULTIPLIERS = (0x7FEB352D, 0x846CA68B)


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class Dropout(keras.layers.Dropout):
    """Keras' dropout, drawn by mixing the number of each entry with a key.

    XLA on CPU draws a number of Keras' own generator in half a microsecond,
    which made half a training step and more of drawing alone. A hash of
    position and key is a dozen integer operations that vectorise.

    Like Keras' own, it drops the same places on every device of a
    `tf.distribute` strategy: each has another part of the batch there.

    Args:
        rate: share of the entries that become 0; the others are divided by
            1 - rate.
        **kwargs: as for `keras.layers.Dropout`. With a `noise_shape` it is
            Keras' own, whose random numbers do cost.

    Call arguments:
        inputs: any shape.
        training: whether anything is dropped.

    Returns:
        The shape of `inputs`.
    """

    def call(self, inputs, training=False):
        # At rate 1 what is divided by 0 would have no gradient.
        is_ours = 0 < self.rate < 1 and self.noise_shape is None
        if not training or not is_ours:
            return super().call(inputs, training=training)
        keep = 1.0 - self.rate
        bits = random_bits(ops.shape(inputs), self.seed_generator.next())
        # The highest 24 bits, which an int32 holds.
        is_kept = ops.cast(
            ops.right_shift(bits, ops.cast(8, "uint32")), "int32"
        ) < int(keep * (1 << 24))
        return ops.where(is_kept, inputs / keep, 0)


def random_bits(shape, seed):
    """Uniform 32-bit numbers.

    Args:
        shape: of the result.
        seed: (2,) integers, as `keras.random.SeedGenerator.next` gives them.

    Returns:
        uint32.
    """
    seed = ops.cast(seed, "uint32")
    size = 1
    for length in shape:
        size = size * length
    numbers = ops.cast(ops.arange(size, dtype="int32"), "uint32")
    # Two rounds with a key each: neighbouring seeds have nothing in common.
    mixed = _mix(ops.bitwise_xor(numbers, _mix(seed[0])))
    mixed = _mix(mixed + _mix(seed[1]))
    return ops.reshape(mixed, shape)


def mixed_bits(numbers):
    """The bits of numbers, mixed: the same of the same number.

    Args:
        numbers: int32 or uint32, any shape.

    Returns:
        uint32, of which every bit depends on all bits of its number.
    """
    return _mix(ops.cast(numbers, "uint32"))


def _mix(x):
    """A bijection of uint32 after which each bit depends on all."""
    for shift, multiplier in zip((16, 15), _MULTIPLIERS, strict=True):
        x = ops.bitwise_xor(x, ops.right_shift(x, ops.cast(shift, "uint32")))
        x = x * ops.cast(multiplier, "uint32")
    return ops.bitwise_xor(x, ops.right_shift(x, ops.cast(16, "uint32")))
