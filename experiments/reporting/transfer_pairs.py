"""The pairs of a transfer, read as each line needs them."""

from pathlib import Path

import numpy as np

from experiments.papers.stackrec import table3
from experiments.papers.stackrec.table3 import TransferRow
from experiments.reporting.store import Store
from nextitnet_tf import data
from nextitnet_tf.protocol import protocol_differences
from nextitnet_tf.training import Run
from nextitnet_tf.training import runs

# What makes another experiment of it, not another budget.
_CHOICES = ("source_ids", "head", "target_l2", "split", "ranked_negatives")


class PairsOf:
    """A file of pairs, read as each line needs it.

    Args:
        file: of pairs.
        store: has the sessions of the source domain.
        dataset: what the data are called.
    """

    def __init__(self, file: str | Path, store: Store, dataset: str):
        self.file = file
        self.store = store
        self.dataset = dataset

    def read(self, row: TransferRow) -> data.Pairs:
        """The pairs of a row's fine-tuning.

        Raises:
            ValueError: they are too few, or cannot be read that way.
        """

        def read() -> data.Pairs:
            tuning, item_ids = row.reading
            sessions = self.store.sessions[item_ids]
            found = data.read_pairs(self.file, sessions, tuning)
            data.split_pairs(found, tuning)
            return found

        return self.store.once(("pairs", row.reading), read)

    def find(self, row: TransferRow) -> Run | None:
        """A row's fine-tuned run, if it is done."""
        recipe = row.transfer.pretraining
        sessions = self.store.sessions_of(recipe)
        fingerprint = sessions.fingerprint_for(recipe.protocol)
        return self.store.read(
            runs.name_of_transfer(row.transfer, fingerprint, self.read(row))
        )

    def users(self, row: TransferRow, num_ranked: int) -> np.ndarray:
        """The user of each pair of a row's test that was ranked."""
        found = self.read(row)
        test = data.split_pairs(found, row.transfer.fine_tuning).test
        return found.users[test[:num_ranked]]

    def protocol(self, row: TransferRow) -> str:
        """The protocol's name, and what differs from it."""
        protocol = row.transfer.pretraining.protocol
        tuning = row.transfer.fine_tuning
        usual = table3.fine_tuning(self.dataset, tuning.name)
        changed = [f"fine_tuning={tuning.name}"] * (
            tuning.name != protocol.name
        )
        changed += [
            f"tune_{field}={getattr(tuning, field)}"
            for field in _CHOICES
            if getattr(tuning, field) != getattr(usual, field)
        ]
        return " ".join(
            [protocol.name, *protocol_differences(protocol), *changed]
        )
