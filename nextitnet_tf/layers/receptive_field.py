"""Which positions causal convolutions must compute for the last one alone.

Decided beforehand, in NumPy: the number of positions is known, what a
convolution sees is too, and nothing of it depends on a batch.
"""

import dataclasses

import numpy as np
from keras import ops

# A share of all positions, above which the usual way is taken. Of more than
# three quarters too little would be spared to make up for what compilers do
# worse: inputs of another length in each block, gathered where what the last
# position sees has gaps.
_MOST = 0.75


@dataclasses.dataclass(frozen=True, eq=False)
class Taps:
    """Where a convolution finds what its outputs see.

    Not an array: Keras would make a tensor of it, and what is known
    beforehand would not be known any more.

    Attributes:
        places: (W, K) of W outputs, places among the positions that the
            convolution is given, oldest first; negative before the start,
            where there are zeros.
    """

    places: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class Field:
    """What a block needs, and computes, for some positions of its output.

    Attributes:
        inputs: (P,) positions of the block's input that are needed, ascending.
        own: (W,) places among them of the W positions that are wanted.
        taps: one `Taps` a convolution, the first one first.
    """

    inputs: np.ndarray
    own: np.ndarray
    taps: tuple[Taps, ...]

    @classmethod
    def of(cls, convolutions, wanted):
        """The field of convolutions one after the other, with a residual.

        Args:
            convolutions: `DilatedConv`s, the first one first. Each sees the
                position that it computes, so that the residual finds its own
                position among what the first one needs.
            wanted: (W,) positions, ascending.

        Returns:
            A `Field`.
        """
        taps, inputs = [], wanted
        for convolution in reversed(convolutions):
            seen = convolution.sees(inputs)  # (W, K)
            inputs = np.unique(seen[seen >= 0])
            places = np.searchsorted(inputs, seen)
            taps.insert(0, Taps(np.where(seen < 0, seen, places)))
        return cls(inputs, np.searchsorted(inputs, wanted), tuple(taps))


def computed_share(fields, length) -> float:
    """Positions that are computed, as a share of all of all convolutions.

    Args:
        fields: a `Field` a block.
        length: T, positions that a convolution computes otherwise.
    """
    taps = [of_one for field in fields for of_one in field.taps]
    computed = sum(len(of_one.places) for of_one in taps)
    return computed / (length * len(taps))


def is_worth_it(fields, length) -> bool:
    """Whether so few positions are computed that it pays to choose them.

    Args:
        fields: a `Field` a block.
        length: T.
    """
    return computed_share(fields, length) <= _MOST


def take_places(x, places):
    """(B, W, ...): some positions of `x`, (B, P, ...), in ascending order.

    Args:
        x: a tensor.
        places: (W,) of NumPy.
    """
    first, last = int(places[0]), int(places[-1])
    if last - first + 1 == len(places):  # a slice costs less
        return x[:, first : last + 1]
    return ops.take(x, places, axis=1)
