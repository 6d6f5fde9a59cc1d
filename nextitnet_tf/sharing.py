"""Sharing kernels between blocks: whose kernels each block uses."""

SCHEMES = (
    "none",
    "cross_layer",
    "cross_block",
    "adjacent_layer",
    "adjacent_block",
)
# Those in which both parts of a block use the same kernel: both must have
# kernels of the same shapes.
LAYER_SCHEMES = ("cross_layer", "adjacent_layer")
_PARTS = (0, 1)


def kernel_owners(num_blocks: int, scheme: str) -> list[tuple[int, int]]:
    """Whose kernel each part of each block uses.

    A block has two parts with kernels: a convolutional one its two
    convolutions, a Transformer block its attention and its dense layers.

    >>> kernel_owners(num_blocks=2, scheme="none")
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    >>> kernel_owners(num_blocks=2, scheme="cross_layer")
    [(0, 0), (0, 0), (0, 0), (0, 0)]
    >>> kernel_owners(num_blocks=2, scheme="cross_block")
    [(0, 0), (0, 1), (0, 0), (0, 1)]
    >>> kernel_owners(num_blocks=2, scheme="adjacent_layer")
    [(0, 0), (0, 0), (1, 0), (1, 0)]
    >>> kernel_owners(num_blocks=3, scheme="adjacent_block")
    [(0, 0), (0, 1), (0, 0), (0, 1), (2, 0), (2, 1)]

    Args:
        num_blocks: L.
        scheme: "none" shares nothing. "cross_layer" (CpRec's Cl) has one
            kernel for all, "cross_block" (Cb) one for each part.
            "adjacent_layer" (Al) has one for both parts of a block,
            "adjacent_block" (Ab) one for each part of two blocks that follow
            each other.

    Returns:
        (block, part) of the owner, block by block, part by part; an owner
        comes no later than who uses its kernel.

    Raises:
        ValueError: an unknown scheme, or no blocks.

    Reference:
        Sun et al., CpRec, SIGIR 2020, Section 3.3 and Figure 4.
    """
    check_scheme(scheme)
    if num_blocks < 1:
        raise ValueError(
            "`num_blocks` must be at least 1. "
            f"Received: num_blocks={num_blocks}"
        )
    owners = {
        "none": lambda block, part: (block, part),
        "cross_layer": lambda block, part: (0, 0),
        "cross_block": lambda block, part: (0, part),
        "adjacent_layer": lambda block, part: (block, 0),
        "adjacent_block": lambda block, part: (block - block % 2, part),
    }
    return [
        owners[scheme](block, part)
        for block in range(num_blocks)
        for part in _PARTS
    ]


def check_scheme(scheme: str) -> None:
    """Raises ValueError if there is no such scheme."""
    if scheme not in SCHEMES:
        raise ValueError(
            f"`sharing` must be one of {SCHEMES}. Received: sharing={scheme!r}"
        )
