"""The same histories, cut into rows at other places."""

from dataclasses import dataclass

import numpy as np

from nextitnet_tf.data.sessions import Sessions


@dataclass(frozen=True)
class Pieces:
    """Histories that training may cut as it likes.

    Preparing cuts a user's history into rows that follow each other. Rows
    with consecutive numbers, of one user and all of them in the training set,
    are one piece again; what lies between two pieces is not known here.

    Attributes:
        items: (num_items_of_all,) int32, piece after piece, oldest first.
        ends: (num_pieces,) where each ends in `items`.
        users: (num_pieces,) whose they are.
        t: length of a row.
        padding_id: of the rows.
    """

    items: np.ndarray
    ends: np.ndarray
    users: np.ndarray
    t: int
    padding_id: int

    @classmethod
    def of(cls, sessions: Sessions, row_numbers: np.ndarray) -> "Pieces":
        """The pieces of a training set.

        Args:
            sessions: all of them.
            row_numbers: the rows of the training set, in any order.
        """
        numbers = np.sort(row_numbers)
        rows, users = sessions.rows[numbers], sessions.users[numbers]
        padding_id = sessions.vocabulary.padding_id
        is_item = rows != padding_id
        # Padding on the left says that nothing came before.
        goes_on = (
            (np.diff(numbers, prepend=-2) == 1)
            & (np.diff(users, prepend=-1) == 0)
            & is_item[:, 0]
        )
        begins = np.flatnonzero(~goes_on)
        lengths = np.add.reduceat(is_item.sum(axis=1), begins)
        return cls(
            rows[is_item],
            np.cumsum(lengths),
            users[begins],
            rows.shape[1],
            padding_id,
        )

    def cut(
        self, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows that begin at places of chance.

        A row begins where the one before it ended, so that but for the first
        item of a piece each is predicted once. The latest items of a piece,
        0 to t - 2 of them by chance, are left out of this cut.

        Args:
            generator: draws the places.

        Returns:
            (num_rows, t) int32 rows, padded on the left, of two items or
            more; and (num_rows,) users.
        """
        stride = self.t - 1
        lengths = np.diff(self.ends, prepend=0)
        left_out = np.where(
            lengths > self.t, generator.integers(0, stride, len(lengths)), 0
        )
        usable = lengths - left_out
        counts = np.maximum(-(-(usable - 1) // stride), 0)
        piece = np.repeat(np.arange(len(lengths)), counts)
        # The number of a row within its piece, from the latest on.
        place = np.arange(len(piece)) - np.repeat(
            np.cumsum(counts) - counts, counts
        )
        ends = self.ends[piece] - left_out[piece] - place * stride
        begins = self.ends[piece] - lengths[piece]
        index = ends[:, None] + np.arange(-self.t, 0)  # (num_rows, t)
        rows = np.where(
            index >= begins[:, None],
            self.items[np.maximum(index, 0)],
            self.padding_id,
        )
        return rows.astype("int32"), self.users[piece]
