"""Memory, asked about before it is taken."""

import os


def available() -> int:
    """Bytes that this machine has; more than any has where it does not say."""
    if not hasattr(os, "sysconf"):  # Windows
        return 1 << 60
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_fits(needed: int, what: str) -> None:
    """Raises ValueError for what is larger than this machine's memory.

    Args:
        needed: bytes.
        what: takes them, in words.
    """
    there = available()
    if needed > there:
        raise ValueError(
            f"Expected what fits into the {there / 2**30:.0f} GiB of memory. "
            f"Received: {what}, which takes {needed / 2**30:,.0f} GiB"
        )
