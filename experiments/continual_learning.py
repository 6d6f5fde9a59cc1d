r"""Continual learning (CL): a deeper model whenever the data have grown.

Reproduces StackRec's tables on any data: a shallow model trained on an early
fraction is stacked into a deeper one and fine-tuned on a larger fraction,
against the deep model from scratch. --table=2 is the main comparison, with
baselines and the shallow model continued; 4 compares what is copied; 5 grows
by half; 6 leaves alpha out; 7 stacks GRec, SASRec and SSE-PT.

  python -m experiments.continual_learning --dataset=ml1m \
    --raw=interactions.csv.gz --protocol=release --settings=40-60

Every stage is kept in a folder of its own below OUTPUT/runs, which all tables
share; a command that was interrupted goes on where it was. OUTPUT/table.md,
table.json and convergence.png (table4.md, ... for the others) show every line
that is done there, and are written anew after each.
"""

import dataclasses
import itertools
import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import options
from experiments import step_times
from experiments import table_options
from experiments import tables
from experiments.recipes import paper_data
from experiments.recipes import table2
from experiments.recipes.rows import Row
from nextitnet_tf import data
from nextitnet_tf import distribution
from nextitnet_tf import training
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.stacking import PRESETS

# Depths that a table is also shown at, if something was stacked there.
_DIVISORS = (1, 2, 3, 4, 6, 8, 16)

_TABLE = flags.DEFINE_enum(
    "table", "2", list(table_options.TABLES), "Of the paper."
)
_CHAIN = flags.DEFINE_boolean(
    "chain",
    False,
    "Stack each setting upon the stacked model of the setting before, "
    "instead of upon a shallow model trained from scratch.",
)
_MEASURE = flags.DEFINE_boolean(
    "measure_step_times",
    False,
    "Train nothing: on an idle machine, measure a training step at each "
    "depth of the settings, into OUTPUT/step_times.json.",
)

flags.adopt_module_key_flags(options)
flags.adopt_module_key_flags(table_options)


def main() -> None:
    table = table_options.TABLES[_TABLE.value]
    strategy = distribution.make_strategy(options.STRATEGY.value)
    settings = list(table.NAMES)
    if table_options.SETTINGS.value is not None:
        settings = [
            _setting(table, name) for name in table_options.SETTINGS.value
        ]
    seeds = table_options.seeds(default=[0])
    protocols = options.protocols()
    rows = _make_rows(
        table,
        settings,
        protocols,
        table_options.PRESETS.value,
        seeds,
        [_CHAIN.value],
    )
    if not settings or not rows:
        raise ValueError(
            "Expected at least one setting and protocol. Received: "
            f"settings={table_options.SETTINGS.value}, "
            f"protocol={options.PROTOCOL.value}"
        )
    folder = options.sessions_folder()
    output = options.output_folder()
    sessions = {
        name: data.read_sessions(folder, name)
        for name in ("first_appearance", "frequency")
    }
    if _MEASURE.value:
        _measure(rows, sessions, output)
    # The table also shows what other commands have done in this folder.
    shown = _make_rows(
        table,
        table.NAMES,
        list(dict.fromkeys([*PROTOCOLS.values(), *protocols])),
        PRESETS,
        sorted({*seeds, *tables.find_seeds(output)}),
        chains=[False, True],
        divisors=sorted({*_DIVISORS, table_options.DIVIDE_DEPTH.value}),
        is_done=lambda row: (
            training.read_run(
                row.recipe,
                sessions[row.recipe.protocol.item_ids],
                output / "runs",
            )
            is not None
        ),
    )

    def write_table() -> str:
        return tables.write(
            shown,
            sessions,
            output,
            table.TITLE,
            name=table.NAME,
            paper=_paper(table),
        )

    if not (table_options.TABLE_ONLY.value or _MEASURE.value):
        tables.run(rows, sessions, output, strategy, write_table)
    print(write_table())


def _paper(table) -> tables.Paper | None:
    """The paper's figures that the data set's may be compared with."""
    name = paper_data.comparable(options.dataset_name())
    if name is None or name not in table.PAPER:
        return None
    return tables.Paper(
        paper_data.PAPER_DATA[name].description, table.PAPER[name]
    )


def _measure(rows: Sequence[Row], sessions, output) -> None:
    """A step of each model at each depth of the rows, once."""
    done = set()
    for row in rows:
        recipe = row.recipe
        depth = recipe.stages[-1].num_blocks
        if recipe.model == "most_pop":
            continue
        of_row = sessions[recipe.protocol.item_ids]
        name = step_times.name_of(recipe, depth, of_row)
        if name not in done:
            done.add(name)
            step_times.measure(
                recipe, depth, of_row, output / step_times.FILE_NAME
            )


def _make_rows(
    table,
    settings: Sequence[str],
    protocols: Iterable[Protocol],
    presets: Sequence[str] | None,
    seeds: Iterable[int],
    chains: Iterable[bool],
    divisors: Iterable[int] = (),
    is_done: Callable[[Row], bool] | None = None,
) -> list[Row]:
    """The lines of all protocols and seeds, each line once.

    Where `is_done` is given, to show what is there, depths that cannot be
    divided evenly are left out; and, at other divisors than the flag's,
    everything but baselines if nothing was stacked: scratch models there
    belong to another table.
    """
    budget = paper_data.budget(options.dataset_name())
    found: dict[str, Row] = {}
    for protocol, seed, divisor, chain in itertools.product(
        protocols,
        seeds,
        divisors or (table_options.DIVIDE_DEPTH.value,),
        chains if table is table2 else (False,),
    ):
        # A chain goes through the settings; else each is a thing of its own.
        groups = [list(settings)] if chain else [[name] for name in settings]
        for names in groups:
            try:
                rows = table.select(
                    names,
                    protocol,
                    presets,
                    seed,
                    divide_depth=divisor,
                    **({"chain": True} if chain else {}),
                    **options.budget(budget),
                    **options.recipe_options(),
                )
            except ValueError:
                if is_done is None:
                    raise
                continue
            if (
                is_done
                and divisor not in (1, table_options.DIVIDE_DEPTH.value)
                and not any(r.role == "stacked" and is_done(r) for r in rows)
            ):
                rows = [row for row in rows if row.role == "baseline"]
            for row in rows:
                text = json.dumps(dataclasses.asdict(row), sort_keys=True)
                found.setdefault(text, row)
    return list(found.values())


def _setting(table, name: str) -> str:
    if name not in table.NAMES:
        raise ValueError(
            f"--settings must be among {', '.join(table.NAMES)}. "
            f"Received: {name}"
        )
    return name


if __name__ == "__main__":
    command.run(main)
