r"""Makes a file of `source items,,target items` from two of interactions.

  python -m datasets.transfer_pairs --source=clicks.csv.gz \
      --target=purchases.csv.gz --output=pairs.csv

Both files have a header with a user, an item and a timestamp (or order)
column, as for `python -m datasets.prepare`; users of one name are one user.
A line of the output is a user who is in both, in ascending order of their
ids: the latest --t source items, oldest first, padded with 0 on the left;
then `,,`; then the target items, first taken first, each once. Users with
more than --max_targets target items are not cold, and left out. This is the
format of StackRec's release (ColdRec).

Times of the two files are not compared: a history may hold items that were
taken after the target's. Where both share a clock, cut the source file first.
"""

import os
import pathlib
import re
from collections.abc import Container
from typing import Any

import numpy as np
from absl import flags

from nextitnet_tf.commands import frame
from nextitnet_tf.commands import preparation_flags
from nextitnet_tf.preparation.columns import column_names
from nextitnet_tf.preparation.columns import find_columns
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.histories import pad_left
from nextitnet_tf.preparation.histories import sort_interactions
from nextitnet_tf.preparation.interactions_csv import Interactions
from nextitnet_tf.preparation.interactions_csv import read_interactions
from nextitnet_tf.preparation.raw_files import RawFile
from nextitnet_tf.preparation.replacing import replace_file

_PADDING = "0"
# What would be another field, another line, or be lost on reading.
_UNSAFE = re.compile(r"[,\s\"]")


def make_pairs(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    t: int = 20,
    max_targets: int = 3,
    time: str = "auto",
    source_items: Container[str] | None = None,
    **columns: str | None,
) -> dict[str, int]:
    """Writes the pairs of two files of interactions.

    Args:
        source: a csv file (gzip too) with a header.
        target: likewise, of the same users.
        output: the csv to write; it is whole or not there.
        t: latest source items that are kept.
        max_targets: users with more target items are left out.
        time: "auto", or "file" where the order of the lines is that of time.
        source_items: the only source items to keep, as they are written, such
            as those of prepared sessions; default all.
        **columns: user_column, item_column, timestamp_column, order_column,
            names in both files; by default well-known ones are tried.

    Returns:
        Counts: `source_users`, `target_users`, `shared_users`; of these
        `users` (that were written), `unknown_users` (without a source item
        that is kept) and `warm_users` (with more than max_targets);
        `pairs`, `source_items`, `target_items`.

    Raises:
        DataError: an argument or a file is not as expected, an id cannot be
            a field, or no user is left.
    """
    for name, value in (("t", t), ("max_targets", max_targets)):
        if value < 1:
            raise DataError(f"Expected {name} of at least 1. Received: {value}")
    for path in (source, target):
        if pathlib.Path(path).resolve() == pathlib.Path(output).resolve():
            raise DataError(
                "Expected an output that is not one of the files to read. "
                f"Received: output={str(output)!r}"
            )
    of_source = _only(_read(source, time, columns), source_items)
    of_target = _read(target, time, columns)
    shared = _shared_users(of_source, of_target)
    histories, is_kept = _latest(of_source, shared[:, 0], t)
    firsts = _first_of_each(of_target)
    targets = np.split(firsts.items, np.cumsum(np.bincount(firsts.users))[:-1])
    source_ids = _as_fields(of_source, source)
    target_ids = _as_fields(of_target, target)
    counts = {
        "source_users": len(of_source.user_ids),
        "target_users": len(of_target.user_ids),
        "shared_users": len(shared),
    }
    lines, pairs, num_unknown = [], 0, 0
    seen_source: set[int] = set()
    seen_target: set[int] = set()
    for row, real, user in zip(histories, is_kept, shared[:, 1], strict=True):
        wanted = targets[user]
        num_unknown += not real.any()
        if not real.any() or not 0 < len(wanted) <= max_targets:
            continue
        items = row[real].tolist()
        fields = [_PADDING] * (t - len(items))
        fields += [source_ids[item] for item in items]
        lines.append(
            ",".join(fields)
            + ",,"
            + ",".join(target_ids[item] for item in wanted)
            + "\n"
        )
        pairs += len(wanted)
        seen_source.update(items)
        seen_target.update(wanted.tolist())
    if not lines:
        raise DataError(
            f"Expected users in both files with 1 to {max_targets} target "
            f"items. Received: {len(shared)} users in both {source} and "
            f"{target}" + f", {num_unknown} of them without a source item that "
            "is among those to keep" * (num_unknown > 0)
        )
    replace_file(pathlib.Path(output), "".join(lines))
    return counts | {
        "users": len(lines),
        "unknown_users": num_unknown,
        "warm_users": len(shared) - num_unknown - len(lines),
        "pairs": pairs,
        "source_items": len(seen_source),
        "target_items": len(seen_target),
    }


def _read(path, time: str, columns: dict[str, Any]) -> Interactions:
    raw = RawFile(pathlib.Path(path))
    found = find_columns(column_names(raw), raw.label, time=time, **columns)
    return sort_interactions(read_interactions(raw, found))


def _only(found: Interactions, item_ids: Container[str] | None) -> Interactions:
    """Interactions with some items; with all, if None."""
    if item_ids is None:
        return found
    is_known = np.array([str(item) in item_ids for item in found.item_ids])
    return found.take(is_known[found.items])


def _shared_users(source: Interactions, target: Interactions) -> np.ndarray:
    """(n, 2) their numbers in both files, ascending by source number."""
    known = {str(user): i for i, user in enumerate(target.user_ids)}
    found = [
        (i, known[str(user)])
        for i, user in enumerate(source.user_ids)
        if str(user) in known
    ]
    return np.array(found, np.int64).reshape(-1, 2)


def _latest(
    found: Interactions, users: np.ndarray, t: int
) -> tuple[np.ndarray, np.ndarray]:
    """(n, t) latest items of each user, and which of them are real."""
    ends = np.cumsum(np.bincount(found.users, minlength=len(found.user_ids)))
    starts = np.concatenate([[0], ends[:-1]])
    lengths = np.minimum(ends - starts, t)[users]
    places = np.arange(t) - t + ends[users][:, None]  # (n, t)
    is_real = np.arange(t) >= t - lengths[:, None]
    rows = pad_left(found.items[places[is_real]], lengths, t)
    return rows, is_real


def _first_of_each(found: Interactions) -> Interactions:
    """Each item of a user once, where the user first took it."""
    keys = found.users.astype(np.int64) * len(found.item_ids) + found.items
    _, first = np.unique(keys, return_index=True)
    return found.take(np.sort(first))


def _as_fields(found: Interactions, path) -> list[str]:
    """Raw ids as they are written."""
    fields = [str(item) for item in found.item_ids]
    for field in fields:
        if field == _PADDING or not field or _UNSAFE.search(field):
            raise DataError(
                "Expected item ids without commas, quotes and white space, "
                f"and none of them {_PADDING}, which stands for no item in a "
                f"file of pairs. Received: item {field!r} in {path}"
            )
    return fields


def describe(counts: dict[str, int], output: str | os.PathLike[str]) -> str:
    """Counts of `make_pairs`, for people."""
    left_out = [
        f"{counts[name]:,} {why}"
        for name, why in (
            ("unknown_users", "without a source item that is prepared"),
            ("warm_users", "with more target items than --max_targets"),
        )
        if counts[name]
    ]
    return (
        f"  {counts['source_users']:,} source users, "
        f"{counts['target_users']:,} target users, "
        f"{counts['shared_users']:,} in both"
        + f"; left out: {', '.join(left_out)}"
        * bool(left_out)
        + "\n"
        f"  {output}: {counts['users']:,} users with "
        f"{counts['pairs']:,} target items ({counts['target_items']:,} "
        f"different ones) and {counts['source_items']:,} different source "
        "items"
    )


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this command, not on import."""

    def string(name: str, default: str | None, text: str) -> None:
        flags.DEFINE_string(name, default, text, flag_values=values)

    string("source", None, "Interactions of the source domain.")
    string("target", None, "Interactions of the target domain.")
    string("output", None, "File of pairs to write.")
    flags.mark_flags_as_required(
        ["source", "target", "output"], flag_values=values
    )
    flags.DEFINE_integer(
        "t", 20, "Latest source items that are kept.", flag_values=values
    )
    flags.DEFINE_integer(
        "max_targets",
        3,
        "Leave out users with more target items.",
        flag_values=values,
    )
    preparation_flags.define_column_flags(values)


def main() -> None:
    given = preparation_flags.given(
        flags.FLAGS,
        [*("source", "target", "output", "t", "max_targets")]
        + [*preparation_flags.COLUMN_FLAGS],
    )
    print(describe(make_pairs(**given), given["output"]))


if __name__ == "__main__":
    define_flags(flags.FLAGS)
    frame.run(main, interrupted="nothing was written")
