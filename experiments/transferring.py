"""Pre-trains, fine-tunes, and writes it down: the kind "transfer"."""

import dataclasses
import itertools
import sys
from pathlib import Path
from types import ModuleType

from datasets import transfer_pairs
from experiments import running
from experiments import target_flags
from experiments.papers.rows import Choices
from experiments.papers.stackrec import table3
from experiments.papers.stackrec.table3 import TransferRow
from experiments.reporting import transfer_lines
from experiments.reporting import transfer_table
from experiments.reporting.transfer_pairs import PairsOf
from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.commands import flag_values
from nextitnet_tf.commands import flags
from nextitnet_tf.commands import preparation_flags as preparing
from nextitnet_tf.commands import strategies
from nextitnet_tf.recipe import FINE_TUNINGS
from nextitnet_tf.recipe import FineTuning
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.recipe import Transfer


def run(target: ModuleType, choices: Choices) -> str:
    """Runs the rows that are not done.

    Returns:
        The table, as markdown.

    Raises:
        ValueError: no pairs, or too few of them for what is asked.
    """
    raw, pairs_file = target_flags.TARGET_RAW, target_flags.PAIRS
    if (raw.value is None) == (pairs_file.value is None):
        raise ValueError(
            "Expected either --target_raw=FILE (interactions) or "
            "--pairs=FILE. Received: "
            + ("neither" if raw.value is None else "both")
        )
    tunings = {p: _tuning(p) for p in flags.protocols()}
    strategy = strategies.of_one_process("fine-tuning on pairs")
    folder, output = flags.sessions_folder(), flags.output_folder()
    store = running.open_store(folder, output)
    num_items = store.sessions["frequency"].num_items
    choices = dataclasses.replace(choices, num_items=num_items)
    asked = [
        row
        for (protocol, tuning), seed in itertools.product(
            tunings.items(), target_flags.seeds()
        )
        for row in target.rows(
            dataclasses.replace(choices, protocol=protocol, seed=seed), tuning
        )
    ]
    file = pairs_file.value or _make_pairs(folder, store.sessions["frequency"])
    pairs = PairsOf(file, store, flags.dataset_name())
    for row in asked:
        _check_batches(row.transfer, pairs.read(row))

    def write() -> str:
        shown = transfer_lines.done_rows(target, asked, choices, pairs)
        return transfer_table.write(target, shown, pairs, output)

    if not target_flags.TABLE_ONLY.value:
        for i, row in enumerate(asked):
            running.announce(i, len(asked), row.row)
            if pairs.find(row) is None:
                _train(row, pairs, strategy)
                write()
    return write()


def _train(row: TransferRow, pairs: PairsOf, strategy) -> None:
    sessions = pairs.store.sessions_of(row.transfer.pretraining)
    training.transfer.run(
        row.transfer,
        sessions,
        pairs.read(row),
        pairs.store.folder,
        strategy=strategy,
    )


def _tuning(protocol: Protocol) -> FineTuning:
    """How the flags have it after a pre-training."""
    name = target_flags.FINE_TUNING.value or protocol.name
    if name not in FINE_TUNINGS:
        raise ValueError(
            f"--protocol={name} says nothing of fine-tuning: expected "
            f"--fine_tuning, one of {', '.join(FINE_TUNINGS)}. Received: none"
        )
    changes = flag_values.given(target_flags.TUNE)
    return table3.fine_tuning(flags.dataset_name(), name, **changes)


def _check_batches(job: Transfer, pairs: data.Pairs) -> None:
    """Raises before anything is trained, not after hours of pre-training."""
    parts = data.split_pairs(pairs, job.fine_tuning)
    for numbers in (parts.train, parts.validation, parts.test):
        try:
            data.num_batches(
                len(numbers),
                job.fine_tuning.batch_size,
                job.pretraining.protocol,
            )
        except ValueError as error:
            raise ValueError(f"{error}. Of pairs: --tune_batch_size") from None


def _make_pairs(folder: Path, sessions: data.Sessions) -> Path:
    """Pairs of --raw and --target_raw, beside the prepared sessions."""
    if flags.RAW.value is None:
        raise ValueError(
            "--target_raw needs --raw=FILE, the interactions of the same "
            "users in the source domain. Received: no --raw"
        )
    path = folder.parent / f"{folder.name}-pairs.csv"
    counts = transfer_pairs.make_pairs(
        flags.RAW.value,
        target_flags.TARGET_RAW.value,
        path,
        t=sessions.rows.shape[1],
        max_targets=target_flags.MAX_TARGETS.value,
        # Not what preparing the sessions filtered.
        source_items=sessions.vocabulary.ids,
        **preparing.given(names=preparing.COLUMN_FLAGS),
    )
    print(transfer_pairs.describe(counts, path), file=sys.stderr)
    return path
