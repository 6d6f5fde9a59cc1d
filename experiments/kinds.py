"""The kinds of tables and figures: how each is trained and written down.

A target of `experiments.papers` names its kind; `run` knows what that means.
Whatever is trained is kept in OUTPUT/runs, which all targets share, so that a
command that was interrupted goes on where it was.
"""

import dataclasses
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from experiments import going_on
from experiments import running
from experiments import target_flags
from experiments import transferring
from experiments.papers import counted
from experiments.papers.rows import BUDGET
from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.reporting import against_counting
from experiments.reporting import all_stages
from experiments.reporting import block_use
from experiments.reporting import by_depth
from experiments.reporting import clock
from experiments.reporting import compressed_table
from experiments.reporting import convergence
from experiments.reporting import found
from experiments.reporting import growth_table
from experiments.reporting import published
from experiments.reporting import serving
from experiments.reporting import similarity
from experiments.reporting import tables
from experiments.reporting.store import Store
from nextitnet_tf import paper_data
from nextitnet_tf.commands import flags
from nextitnet_tf.commands import strategies
from nextitnet_tf.protocol import PROTOCOLS
from nextitnet_tf.protocol import Protocol
from nextitnet_tf.tuned import TUNED_PROTOCOLS

# In the place of a number that is not known before data are prepared.
_SOME_ITEMS = 99


def _table(target: ModuleType, choices: Choices) -> str:
    """A table shows every line that is done in its folder."""
    protocols, seeds = flags.protocols(), target_flags.seeds()
    rows = found.asked_rows(target, choices, protocols, seeds)
    if not rows and target_flags.COUNTING not in choices.settings:
        raise ValueError(
            "Expected at least one setting and protocol. Received: "
            f"settings={target_flags.SETTINGS.value}, "
            f"protocol={flags.PROTOCOL.value}"
        )
    folder, output = strategies.sessions_folder(), flags.output_folder()
    store = running.open_store(folder, output)
    done = found.done_rows(target, choices, protocols, seeds, store)
    floors = _floors(choices, protocols, [*rows, *done], store)
    described = paper_data.PAPER_DATA.get(choices.figures_of or "")
    has_figures = choices.figures_of in getattr(target, "PAPER", {})

    def write() -> str:
        done = found.done_rows(target, choices, protocols, seeds, store)
        counts = _floors(choices, protocols, done, store)
        return tables.write(
            [*(row for row in counts if row.data_ratio == 1), *done],
            store,
            output,
            target.TITLE,
            target.NAME,
            described.description if described and has_figures else None,
            floors=counts,
        )

    if target_flags.MEASURE_STEP_TIMES.value:
        recipes = [row.recipe for row in rows]
        clock.measure(recipes, store, output / clock.FILE_NAME)
    elif not target_flags.TABLE_ONLY.value:
        running.train([*floors, *rows], store, write)
    return write()


def _floors(
    choices: Choices,
    protocols: Sequence[Protocol],
    rows: Sequence[Row],
    store: Store,
) -> list[Row]:
    """What is counted under each protocol, on as much data as each row has."""
    num_items = next(iter(store.sessions.values())).num_items
    asked = [(row.recipe.protocol, row.data_ratio) for row in rows]
    return [
        row
        for protocol, ratio in dict.fromkeys(
            [*((protocol, 1.0) for protocol in protocols), *asked]
        )
        for row in counted.rows(
            dataclasses.replace(choices, protocol=protocol),
            "counting",
            num_items,
            ratio,
        )
        if row.recipe.model != "most_pop"  # a baseline of the paper's
    ]


def _figure(
    writer: Callable,
    needs_model: bool = False,
    finish: Callable[[Sequence[Row], Store, Path], None] | None = None,
    needs_items: bool = False,
    named: Mapping[str, Protocol] = PROTOCOLS,
) -> Callable[[ModuleType, Choices], str]:
    """A figure shows what its command names.

    Args:
        writer: of the figure.
        needs_model: whether it looks at the models.
        finish: what is measured when all is trained.
        needs_items: whether the lines depend on the number of items.
        named: what each protocol is, where no flag says.
    """

    def run_figure(target: ModuleType, choices: Choices) -> str:
        protocol = flags.protocol(named)
        if getattr(target, "HAS_OWN_RECIPES", False):
            choices = _as_said(choices)

        def ask(num_items: int) -> list[Row]:
            rows = found.asked_rows(
                target,
                dataclasses.replace(choices, num_items=num_items),
                [protocol],
                target_flags.seeds(),
            )
            if not rows:
                raise ValueError(
                    "Expected at least one line. Received: "
                    + ", ".join(
                        f"{name}={getattr(choices, name)}"
                        for name in ("settings", "depths", "ratios")
                    )
                )
            return rows

        # What cannot be made is refused before data are prepared.
        rows = ask(_SOME_ITEMS)
        folder, output = strategies.sessions_folder(), flags.output_folder()
        store = running.open_store(folder, output, [protocol.item_ids])
        if needs_items:
            rows = ask(store.sessions[protocol.item_ids].num_items)

        def write() -> str:
            return writer(rows, store, output, target.NAME, target.TITLE)

        if not target_flags.TABLE_ONLY.value:
            running.train(rows, store, write, needs_model)
            if finish:
                finish(rows, store, output)
        return write()

    return run_figure


def _as_said(choices: Choices) -> Choices:
    """Without a budget but what flags say: the target has one of its own."""
    unsaid = set(BUDGET) - flags.budget().keys()
    options = {k: v for k, v in choices.options.items() if k not in unsaid}
    return dataclasses.replace(choices, options=options)


def _measure_steps(rows: Sequence[Row], store: Store, output: Path) -> None:
    """The time of a step of every stage."""
    recipes = [
        row.recipe.up_to(i)
        for row in rows
        for i in range(len(row.recipe.stages))
    ]
    clock.measure_missing(recipes, store, output / clock.FILE_NAME)


def _measure_answers(rows: Sequence[Row], store: Store, output: Path) -> None:
    """The time of a step, then of answers."""
    _measure_steps(rows, store, output)
    serving.measure(rows, store, output / serving.FILE_NAME)


def _published(target: ModuleType, choices: Choices) -> str:
    """A table beside published values, of data kept as those were."""
    protocol = flags.protocol()
    choices = _as_said(choices)
    rows = found.asked_rows(target, choices, [protocol], target_flags.seeds())
    dataset = flags.dataset_name()
    folder = strategies.sessions_folder(
        target.preparation(dataset), suffix=f"-{target.NAME}"
    )
    output = flags.output_folder()
    store = running.open_store(folder, output, [protocol.item_ids])

    def write() -> str:
        return published.write(
            rows,
            store,
            output,
            target.NAME,
            target.TITLE,
            target.PAPER.get(dataset, {}).get("published", {}),
        )

    if not target_flags.TABLE_ONLY.value:
        running.train(rows, store, write)
    return write()


_KINDS: dict[str, Callable[[ModuleType, Choices], str]] = {
    "table": _table,
    "by_depth": _figure(by_depth.write),
    "convergence": _figure(convergence.write),
    "all_stages": _figure(all_stages.write),
    "similarity": _figure(similarity.write, needs_model=True),
    "block_use": _figure(
        block_use.write,
        needs_model=True,
        needs_items=True,
        named=TUNED_PROTOCOLS,
    ),
    "transfer": transferring.run,
    "new_items": going_on.run,
    "published": _published,
    "against_counting": _figure(against_counting.write, named=TUNED_PROTOCOLS),
    "growth": _figure(growth_table.write, finish=_measure_steps),
    "compressed": _figure(
        compressed_table.write,
        finish=_measure_answers,
        needs_items=True,
        named=TUNED_PROTOCOLS,
    ),
}


def run(target: ModuleType, name: str, own: Collection[str] = ()) -> str:
    """Trains what is not done of a target, and writes it down.

    Args:
        target: its module (`papers.find`).
        name: what it is called.
        own: flags of the command itself.

    Returns:
        What to print.

    Raises:
        ValueError: flags that the target does not take.
    """
    if target.KIND not in _KINDS:
        raise ValueError(
            f"KIND of a target must be among {', '.join(_KINDS)}. "
            f"Received: {target.__name__} with KIND={target.KIND!r}"
        )
    target_flags.check(target, name, own)
    return _KINDS[target.KIND](target, target_flags.choices(target))
