r"""Orders what a user took at one time by the item.

  python -m datasets.order_ties --raw=interactions.csv.gz --output=by_item.csv

Of MovieLens 1M more than half of the ratings bear the second of the one
before: a page of films was rated at once, and which of them counts as the
last is up to the file. This command makes another file of the same
interactions, in which such ties have an order that is the same for all users,
to see what the order is worth.

The raw file (csv, gzip too) has columns user, item, timestamp and order. A
timestamp may be missing: it is that of its neighbours where both have the
same, and else nobody's; with --fill that of the one before (of the first that
of the next), which makes more ties than there are. The output has columns user
and item, its lines are in order (`--time=file`).
"""

import os
import pathlib

import numpy as np
import pandas as pd
from absl import flags

from nextitnet_tf.commands import frame
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.replacing import replace_file

_COLUMNS = ["user", "item", "timestamp", "order"]


def by_item(interactions: pd.DataFrame, fill: bool = False) -> pd.DataFrame:
    """The same interactions, those of one time in the order of their items.

    Args:
        interactions: columns user, item, timestamp (may be missing), order.
        fill: whether a missing time is that of the one before, or of the next
            where there is none before.

    Returns:
        Columns user and item, each user's oldest first.
    """
    table = interactions.sort_values(["user", "order"], ignore_index=True)
    of_user = table.groupby("user").timestamp
    before, after = of_user.ffill(), of_user.bfill()
    time = before.fillna(after) if fill else before.where(before == after)
    # A time that nobody shares begins a group of its own, as another one does.
    is_new = (
        time.isna()
        | (time != time.shift())
        | (table.user != table.user.shift())
    )
    order = np.lexsort((table.item, np.cumsum(is_new)))
    return table.loc[order, ["user", "item"]].reset_index(drop=True)


def write(
    raw: str | os.PathLike[str],
    output: str | os.PathLike[str],
    fill: bool = False,
) -> str:
    """Writes a file anew; what it says of it is returned.

    Args:
        raw: the csv.
        output: the csv to write; it is whole or not there.
        fill: as for `by_item`.

    Raises:
        DataError: no such columns; the file cannot be read.
    """
    try:
        table = pd.read_csv(raw, usecols=_COLUMNS)
    except (OSError, ValueError) as error:
        raise DataError(
            f"Expected a csv with columns {', '.join(_COLUMNS)}. Received: "
            f"{raw} ({error})"
        ) from None
    found = by_item(table, fill)
    replace_file(pathlib.Path(output), found.to_csv(index=False))
    old = table.sort_values(["user", "order"]).item.to_numpy()
    num_moved = np.count_nonzero(old != found.item.to_numpy())
    return f"{output}: {num_moved:,} of {len(found):,} interactions moved"


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this command, not on import."""
    for name, text in (
        ("raw", "csv with columns user, item, timestamp and order."),
        ("output", "csv to write."),
    ):
        flags.DEFINE_string(name, None, text, flag_values=values)
    flags.mark_flags_as_required(["raw", "output"], flag_values=values)
    flags.DEFINE_boolean(
        "fill",
        False,
        "A missing timestamp is that of the one before, or the next.",
        flag_values=values,
    )


def main() -> None:
    print(write(flags.FLAGS.raw, flags.FLAGS.output, flags.FLAGS.fill))


if __name__ == "__main__":
    define_flags(flags.FLAGS)
    frame.run(main, interrupted="nothing was written")
