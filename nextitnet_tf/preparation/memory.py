"""Memory, asked for before it is taken."""

from nextitnet_tf import memory
from nextitnet_tf.preparation.errors import DataError

# A row's item is held as int32, and as int64 while it is counted.
_BYTES = 4 + 8


def check_rows(num_rows: int, t: int) -> None:
    """Raises DataError if rows of t items do not fit into memory.

    Args:
        num_rows: how many.
        t: length of each.
    """
    needed, there = num_rows * t * _BYTES, memory.available()
    if needed > there:
        raise DataError(
            f"Expected rows that fit into the {there / 2**30:.0f} GiB of "
            f"memory; choose a smaller t. Received: {num_rows:,} rows of "
            f"{t=}, which take {needed / 2**30:,.0f} GiB"
        )
