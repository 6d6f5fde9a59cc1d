"""What to start from, and what was tried: docs/accuracy.md."""

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path

from experiments.reporting import against_counting
from experiments.reporting import columns
from experiments.reporting import published
from experiments.reporting import search_table
from experiments.reporting import wording
from experiments.reporting import written
from experiments.reporting.columns import Column
from nextitnet_tf.tuned import SPARSE
from nextitnet_tf.tuned import SPARSE_BELOW
from nextitnet_tf.tuned import SPARSE_MODEL
from nextitnet_tf.tuned import TUNED

HEAD = """\
# Accuracy

Written by `make conclusions` from what `make reproduce-accuracy`,
`make reproduce-depth`, `make tune` and `make reproduce-leave-one-out` have
left in `results/`. A model that is trained must be above what counting gives
in seconds (the floor); the ranking that decides leaves out the items of the
history, as `recommend` does.

## What to start from

`make train RAW=my.csv` takes these settings (`nextitnet_tf/tuned.py`); a flag
changes any of them, and `make tune` looks for better ones on your data.
"""


_RECIPES = (
    Column("Model", lambda r: r.model),
    Column("Blocks", lambda r: str(r.stages[0].num_blocks)),
    Column("Arguments", lambda r: wording.changes(r.model_config)),
    Column("Learning rate", lambda r: f"{r.learning_rate:g}, {r.decay}"),
    Column("Smoothing", lambda r: f"{r.label_smoothing:g}"),
    Column("Batch", lambda r: str(r.batch_size)),
    Column("Passes", lambda r: str(r.stages[0].max_steps)),
    Column("Patience", lambda r: str(r.stages[0].patience)),
    Column("Cut anew", lambda r: "yes" if r.protocol.recut else "no"),
)


def make_page(folders: Sequence[Path]) -> str:
    """The whole document.

    Args:
        folders: of results, one a data set.
    """
    lines = [HEAD, *columns.table(_RECIPES, TUNED.values()), ""]
    lines += [_of_sparse_data(), ""]
    sections: Mapping[str, tuple[str, Sequence[Column]]] = {
        "accuracy": ("Beside counting", against_counting.COLUMNS),
        "depth": ("By depth", against_counting.COLUMNS),
        "leave_one_out": ("By the field's protocol", published.COLUMNS),
        "tuning-*": ("Settings tried", search_table.COLUMNS),
    }
    for pattern, (title, shown) in sections.items():
        found = list(_tables(folders, pattern, shown))
        if found:
            lines += [f"## {title}", "", *found]
    return "\n".join(lines)


def _of_sparse_data() -> str:
    better = "; ".join(
        f"{model}: {wording.changes(arguments)}"
        for model, arguments in SPARSE.items()
    )
    return (
        "Where items have few interactions, other arguments were better "
        f"({better}), and {SPARSE_MODEL} best: on Amazon Beauty, which has 23 "
        "an item as it is prepared here. `make train` names them below "
        f"{SPARSE_BELOW} an item; they were not tried on data with more."
    )


def _tables(
    folders: Sequence[Path], pattern: str, shown: Sequence[Column]
) -> Iterator[str]:
    for folder in folders:
        for path in sorted(folder.glob(f"{pattern}.json")):
            content = written.read(path)
            with written.naming(path):
                lines = [
                    f"### {folder.name}: {columns.escape(content['title'])}",
                    "",
                    *columns.table(shown, content["rows"]),
                    "",
                    *(f"- {columns.escape(n)}" for n in content["notes"]),
                    "",
                ]
            yield from lines
