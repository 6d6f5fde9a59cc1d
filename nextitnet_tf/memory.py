"""Memory, asked about before it is taken."""

import os
from pathlib import Path

# Where Linux says what a container may take, of either version of cgroups.
LIMITS = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


def available() -> int:
    """Bytes that this process may take: the machine's, or its container's.

    More than any machine has where it does not say.
    """
    if not hasattr(os, "sysconf"):  # Windows
        return 1 << 60
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([there, *_limits()])


def check_fits(needed: int, what: str) -> None:
    """Raises ValueError for what is larger than the memory that there is.

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


def _limits() -> list[int]:
    found = []
    for path in LIMITS:
        try:
            text = Path(path).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if text.isdecimal():  # "max" is no limit
            found.append(int(text))
    return found
