"""Prepared sessions, read from their folder.

The sequence contract, said here and nowhere else:

- Raw ids are strings or integers. Inside, item ids are 1..num_items by
  falling frequency (ties by raw id) and 0 is padding.
- A session is a row of t ids, padded on the LEFT with 0, latest item at -1.
- Inputs are row[:-1], targets row[1:]: T = t - 1. A model that needs users
  gets pairs: (row[:-1], user).
- Evaluation predicts row[-1] from row[:-1] and ranks it among ALL columns,
  for EVERY session; ties go to the lower id, unless a protocol says
  otherwise.
- Protocol `release` renumbers on reading: id 0 is `<UNK>` and never occurs,
  padding is an ordinary item with an id of its own. It also drops the last
  batch, in training and in evaluation. `cprec_release` numbers by frequency
  with padding counted among the items: usually id 0. `skiprec_release` does
  the same from 1 on, after `<UNK>`, and keeps a last batch that is full.

Batches all have one shape: where a last batch is kept, it is filled up with
rows of weight 0, so that nothing is compiled twice. Training weights are
normalised here, over the global batch, so that the loss is the same number
on any number of devices.
"""

import dataclasses
import functools
import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nextitnet_tf import preparation
from nextitnet_tf import release
from nextitnet_tf.data.session_folder import read_session_folder
from nextitnet_tf.protocol import NUMBERINGS
from nextitnet_tf.protocol import Protocol
from nextitnet_tf.vocabulary import RawId
from nextitnet_tf.vocabulary import Vocabulary


@dataclass(frozen=True)
class Sessions:
    """Sessions in memory, numbered for a protocol.

    Attributes:
        rows: (num_rows, t) int32 item ids.
        users: (num_rows,) int32 user of each row.
        vocabulary: raw ids by model id.
        meta: what preparing wrote down.
        times: (num_rows,) float64 time of each row's latest item, in the
            unit of the raw data, where those have timestamps.
        item_ids: how items are numbered (`Protocol.item_ids`), where it is
            known.
    """

    rows: np.ndarray
    users: np.ndarray
    vocabulary: Vocabulary
    meta: dict
    times: np.ndarray | None = None
    item_ids: str | None = None

    @classmethod
    def from_interactions(
        cls,
        table,
        *,
        user: str | None = None,
        item: str | None = None,
        time: str | None = "auto",
        t: int = 20,
        item_ids: str = "frequency",
        **choices,
    ) -> "Sessions":
        """Sessions of who took what when, prepared as the commands do it.

        Args:
            table: one row an interaction: a pandas DataFrame, a polars or
                Arrow table, or a mapping of columns.
            user: name of the column of users; by default a usual one.
            item: likewise.
            time: name of the column of times, numbers or dates; "auto" takes
                a usual one; None says that rows are in order of time.
            t: length of a row, in items.
            item_ids: as for `read_sessions`.
            **choices: other attributes of `preparation.Choices`, such as
                `min_users_per_item`, 10 by default, and `min_items_per_user`,
                5.

        Returns:
            The sessions.

        Raises:
            DataError: the table is not as expected, or nothing is left of it.
        """
        named = {
            "user_column": preparation.as_name(user),
            "item_column": preparation.as_name(item),
            "t": t,
            **choices,
        }
        if time is None:
            named["time"] = "file"
        elif time != "auto":
            named["timestamp_column"] = preparation.as_name(time)
        made = preparation.make_sessions(table, **named)
        if said := preparation.few_left(made.meta, as_flags=False):
            logging.getLogger(__name__).warning(said)
        return _numbered(
            np.ascontiguousarray(made.rows, np.int32),
            np.asarray(made.users, np.int32),
            [raw if isinstance(raw, str) else int(raw) for raw in made.raw_ids],
            [int(count) for count in made.counts],
            dict(made.meta),
            made.times,
            item_ids,
        )

    @property
    def num_items(self) -> int:
        """Columns of the softmax but one."""
        return len(self.vocabulary.raw_ids) - 1

    @property
    def num_users(self) -> int:
        """Users are 0..num_users - 1."""
        return int(self.users.max()) + 1

    def with_items_of(self, vocabulary: Vocabulary) -> "Sessions":
        """The same sessions, in which other items could occur, too.

        Args:
            vocabulary: has more items; they get ids behind those of here.
        """
        larger = self.vocabulary.with_items_of(vocabulary)
        return dataclasses.replace(self, vocabulary=larger)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Changes when a row, its user, its numbering or a raw id does.

        Raw ids count with their types: 1 and "1" are two items.
        """
        digest = hashlib.sha256(np.ascontiguousarray(self.rows).data)
        digest.update(np.ascontiguousarray(self.users).data)
        known = self.vocabulary
        names = json.dumps([known.padding_id, list(known.raw_ids)])
        digest.update(names.encode())
        return digest.hexdigest()[:16]

    def fingerprint_for(self, protocol: Protocol) -> str:
        """The fingerprint, with the times where they decide the split."""
        if protocol.split != "temporal" or self.times is None:
            return self.fingerprint
        digest = hashlib.sha256(np.ascontiguousarray(self.times).data)
        return f"{self.fingerprint}-{digest.hexdigest()[:16]}"


def read_sessions(folder, item_ids: str = "frequency") -> Sessions:
    """Reads a folder of prepared sessions.

    Args:
        folder: what `preparation` wrote.
        item_ids: "frequency" as on disk; "first_appearance" renumbers as
            StackRec's release does, "counted_padding" as CpRec's,
            "counted_after_unknown" as SkipRec's.

    Returns:
        The sessions.

    Raises:
        ValueError: not such a folder, or one that is damaged; the message
            names the file.
    """
    return _numbered(*read_session_folder(Path(folder)), item_ids)


def _numbered(
    rows: np.ndarray,
    users: np.ndarray,
    on_disk: list[RawId],
    occurrences: list[int],
    meta: dict,
    times: np.ndarray | None,
    item_ids: str,
) -> Sessions:
    """Sessions, numbered as a protocol has them.

    Args:
        rows: (num_rows, t) ids by falling frequency, 0 for padding.
        users: (num_rows,) user of each row.
        on_disk: raw ids of items 1, 2, ...
        occurrences: how often items 1, 2, ... occur in the rows.
        meta: what preparing wrote down.
        times: (num_rows,), or None.
        item_ids: as for `read_sessions`.
    """
    if item_ids not in NUMBERINGS:
        raise ValueError(
            f"`item_ids` must be one of {NUMBERINGS}. Received: {item_ids=}"
        )
    raw_ids: list[RawId | None] = [None, *on_disk]
    counts = [0, *occurrences]
    padding_id = 0
    if item_ids != "frequency":
        if item_ids == "first_appearance":
            rows, old_ids = release.number_by_first_appearance(rows)
        else:
            rows, old_ids = release.number_by_count(
                rows, on_disk, item_ids == "counted_after_unknown"
            )
        raw_ids = [raw_ids[i] if i > 0 else None for i in old_ids]
        counts = [counts[i] if i > 0 else 0 for i in old_ids]
        # A set without any padding still needs an id to fill histories with:
        # `<UNK>`, which the release's own loader would use.
        padding_id = int(np.argmax(old_ids == 0))
    vocabulary = Vocabulary(
        raw_ids, counts, padding_id, history_length=rows.shape[1] - 1
    )
    return Sessions(rows, users, vocabulary, meta, times, item_ids)
