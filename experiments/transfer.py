r"""Transfer (TF): a model of one domain, fine-tuned for cold users of another.

Reproduces StackRec's Table 3 on any two domains that share users. The source
domain is what --raw or --sessions has; the target domain is either another
csv of interactions (--target), of which pairs are made (as `python -m
datasets.transfer_pairs` does), or a file of pairs in the release's format
`source items,,target items` (--pairs).

  python -m experiments.transfer --dataset=clicks --raw=source.csv.gz \
    --target=target.csv.gz --protocol=clean --divide_depth=4

--protocol=release fine-tunes as the release does: a table of vectors, one
uniform negative, the target ranked among 99 random items, source items looked
up by the numbers of the file of pairs. --protocol=clean: a new softmax over
the target's items, ranked among all of them, no user in both training and
test, source items by their own numbers. --fine_tuning=clean does so after
pre-training by protocol release; --tune_FIELD=VALUE changes a single choice.
Models are also fine-tuned without pre-training, and popularity
is ranked, to show what transfer is worth.

Writes OUTPUT/table3.md, table3.json and table3-convergence.png, anew after
each line; what is done is kept below OUTPUT/runs, for this command and the
tables. A fine-tuned model answers with target items:

  python -m experiments.recommend --model=OUTPUT/runs/.../model.keras \
    --history=SOURCE,ITEMS
"""

import dataclasses
import itertools
import json
import sys
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from datasets import transfer_pairs
from experiments import command  # first: it quietens TensorFlow
from experiments import options
from experiments import table_options
from experiments import tables
from experiments import transfer_table
from experiments.recipes import paper_data
from experiments.recipes import table3
from experiments.recipes.table3 import TransferRow
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf import transfer
from nextitnet_tf.recipe import FINE_TUNINGS
from nextitnet_tf.recipe import FineTuning
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.recipe import Transfer
from nextitnet_tf.stacking import PRESETS

_TARGET = flags.DEFINE_string(
    "target",
    None,
    "Csv of interactions of the target domain, by users of --raw.",
)
_PAIRS = flags.DEFINE_string(
    "pairs", None, "File of `source items,,target items`, a user a line."
)
_MAX_TARGETS = flags.DEFINE_integer(
    "max_targets",
    3,
    "With --target: users with more target items are not cold, and left out.",
    lower_bound=1,
)
_FINE_TUNING = flags.DEFINE_enum(
    "fine_tuning",
    None,
    list(FINE_TUNINGS),
    "How to fine-tune, if not as --protocol does.",
)
flags.adopt_module_key_flags(options)
for _name in ("seeds", "presets", "divide_depth", "table_only"):
    flags.declare_key_flag(_name)

# One flag a field, None for "as the protocol has it".
_KINDS: dict[str, Any] = {
    "str": flags.DEFINE_string,
    "int": flags.DEFINE_integer,
    "int | None": flags.DEFINE_integer,
    "float": flags.DEFINE_float,
}
_TUNING = {
    field.name: _KINDS[getattr(field.type, "__name__", str(field.type))](
        f"tune_{field.name}",
        None,
        "Changes the fine-tuning: "
        + ", ".join(
            f"{getattr(tuning, field.name)} in {name}"
            for name, tuning in FINE_TUNINGS.items()
        )
        + " (see the FineTuning class).",
    )
    for field in dataclasses.fields(FineTuning)
    if field.name != "name"
}


def main() -> None:
    if (_TARGET.value is None) == (_PAIRS.value is None):
        raise ValueError(
            "Expected either --target=FILE (interactions) or --pairs=FILE. "
            "Received: " + ("neither" if _TARGET.value is None else "both")
        )
    rows = _make_rows(
        ((protocol, _tuning(protocol)) for protocol in options.protocols()),
        table_options.presets(default=["release", "best"]),
        table_options.seeds(default=[0]),
    )
    strategy = distribution.make_strategy(options.STRATEGY.value)
    folder = options.sessions_folder()
    output = options.output_folder()
    sessions = {
        ids: data.read_sessions(folder, ids)
        for ids in ("first_appearance", "frequency")
    }
    pairs_file = _PAIRS.value or _make_pairs(folder, sessions["frequency"])
    pairs: dict[tuple[FineTuning, str], transfer.Pairs] = {}
    for row in rows:
        _read_pairs(row, pairs_file, sessions, pairs)
        _check_batches(row.transfer, pairs[row.reading])

    def write() -> str:
        shown = _with_done(rows, output, pairs_file, sessions, pairs)
        return transfer_table.write(shown, sessions, pairs, output)

    if not table_options.TABLE_ONLY.value:
        for i, row in enumerate(rows):
            recipe = row.transfer.pretraining
            print(
                f"[{i + 1}/{len(rows)}] {row.row.label} {row.row.preset} "
                f"(protocol {recipe.protocol.name}, seed {recipe.seed})",
                file=sys.stderr,
                flush=True,
            )
            transfer.run(
                row.transfer,
                sessions[recipe.protocol.item_ids],
                pairs[row.reading],
                output / "runs",
                strategy=strategy,
            )
            write()
    print(write())


def _make_rows(
    ways: Iterable[tuple[Protocol, FineTuning]],
    presets: Sequence[str],
    seeds: Iterable[int],
) -> list[TransferRow]:
    """The rows of each way to pre-train and to fine-tune."""
    budget = paper_data.budget(options.dataset_name())
    return [
        row
        for (protocol, tuning), seed in itertools.product(ways, seeds)
        for row in table3.select(
            protocol,
            tuning,
            presets,
            seed,
            divide_depth=table_options.DIVIDE_DEPTH.value,
            **options.budget(budget),
            **options.recipe_options(),
        )
    ]


def _with_done(
    rows: Sequence[TransferRow],
    output: Path,
    pairs_file: str | Path,
    sessions: Mapping[str, data.Sessions],
    pairs: dict[tuple[FineTuning, str], transfer.Pairs],
) -> list[TransferRow]:
    """The rows, and those that other commands may have done in a folder."""
    seeds = {*table_options.seeds(default=[0]), *tables.find_seeds(output)}
    found = list(rows)
    for row in _make_rows(_ways_done(output), PRESETS, sorted(seeds)):
        if row in found:
            continue
        try:
            _read_pairs(row, pairs_file, sessions, pairs)
        except ValueError:
            continue  # other pairs, of which these cannot be read that way
        found.append(row)
    return found


def _tuning(protocol: Protocol) -> FineTuning:
    """How the flags have it after a pre-training."""
    changes = {
        name: flag.value
        for name, flag in _TUNING.items()
        if flag.value is not None
    }
    name = _FINE_TUNING.value or protocol.name
    return table3.fine_tuning(options.dataset_name(), name, **changes)


def _ways_done(output: Path) -> list[tuple[Protocol, FineTuning]]:
    """How all runs of a folder were pre-trained and fine-tuned."""
    protocols = {p.name: p for p in options.all_protocols()}
    runs = (
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(output.glob("runs/*-transfer-*/run.json"))
    )
    # Runs of other fields are another version's.
    fields = {field.name for field in dataclasses.fields(FineTuning)}
    return list(
        dict.fromkeys(
            (
                protocols[run["protocol"]["name"]],
                FineTuning(**run["fine_tuning"]),
            )
            for run in runs
            if run["protocol"]["name"] in protocols
            and set(run["fine_tuning"]) == fields
        )
    )


def _read_pairs(
    row: TransferRow,
    file: str | Path,
    sessions: Mapping[str, data.Sessions],
    pairs: dict[tuple[FineTuning, str], transfer.Pairs],
) -> None:
    """Adds the pairs of a row's fine-tuning; raises if they are too few."""
    if row.reading not in pairs:
        tuning, item_ids = row.reading
        found = transfer.read_pairs(file, sessions[item_ids], tuning)
        transfer.split(found, tuning)
        pairs[row.reading] = found


def _check_batches(job: Transfer, pairs: transfer.Pairs) -> None:
    """Raises before anything is trained, not after hours of pre-training."""
    parts = transfer.split(pairs, job.fine_tuning)
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
    """Pairs of --raw and --target, beside the prepared sessions."""
    if options.RAW.value is None:
        raise ValueError(
            "--target needs --raw=FILE, the interactions of the same users in "
            "the source domain. Received: no --raw"
        )
    path = folder.parent / f"{folder.name}-pairs.csv"
    counts = transfer_pairs.make_pairs(
        options.RAW.value,
        _TARGET.value,
        path,
        t=sessions.rows.shape[1],
        max_targets=_MAX_TARGETS.value,
        # Not what preparing the sessions filtered.
        source_items=sessions.vocabulary.ids,
    )
    print(transfer_pairs.describe(counts, path), file=sys.stderr)
    return path


if __name__ == "__main__":
    command.run(main)
