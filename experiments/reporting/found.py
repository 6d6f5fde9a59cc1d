"""The rows of a target: those that are asked for, those that are there."""

import dataclasses
import itertools
from collections.abc import Iterable
from collections.abc import Sequence
from types import ModuleType

from experiments.papers.rows import Choices
from experiments.papers.rows import Row
from experiments.reporting.store import Store
from nextitnet_tf.models import MODELS
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.stacking import PRESETS


def asked_rows(
    target: ModuleType,
    choices: Choices,
    protocols: Iterable[Protocol],
    seeds: Iterable[int],
) -> list[Row]:
    """The lines of all protocols and seeds, each line once.

    Args:
        target: its module.
        choices: what is asked of it, but for protocol and seed.
        protocols: of the lines.
        seeds: of the lines.

    Raises:
        ValueError: choices that the target cannot be made with.
    """
    return _once(
        row
        for protocol, seed in itertools.product(protocols, seeds)
        for part in _parts(choices)
        for row in target.rows(
            dataclasses.replace(part, protocol=protocol, seed=seed)
        )
    )


def done_rows(
    target: ModuleType,
    choices: Choices,
    protocols: Sequence[Protocol],
    seeds: Sequence[int],
    store: Store,
) -> list[Row]:
    """The lines of a table that have been run, by any command.

    Protocols, seeds, presets, depths and chains are those of the runs. Where
    the paper's depths were divided by another number than the one asked for,
    everything but baselines is left out if nothing was stacked: scratch
    models there belong to another table.

    Args:
        target: as for `asked_rows`.
        choices: as for `asked_rows`.
        protocols: as for `asked_rows`; others are shown as they are named.
        seeds: as for `asked_rows`.
        store: has the runs.
    """
    recipes = store.recipes()
    names = {recipe.protocol.name for recipe in recipes}
    stages = [stage for recipe in recipes for stage in recipe.stages]
    presets = {
        stage.preset or MODELS[recipe.model].best_preset
        for recipe in recipes
        for stage in recipe.stages
        if stage.method
    }
    whole = dataclasses.replace(
        choices,
        settings=target.NAMES,
        presets=[preset for preset in PRESETS if preset in presets],
    )
    ways = itertools.product(
        dict.fromkeys(
            [*(p for n, p in PROTOCOLS.items() if n in names), *protocols]
        ),
        sorted({*seeds, *(recipe.seed for recipe in recipes)}),
        _divisors(target, whole, {stage.num_blocks for stage in stages}),
        [False, True] if "chain" in target.USES else [False],
    )
    found: list[Row] = []
    for protocol, seed, divisor, chain in ways:
        way = dataclasses.replace(
            whole,
            protocol=protocol,
            seed=seed,
            divide_depth=divisor,
            chain=chain,
        )
        is_own = divisor in (1, choices.divide_depth)
        for part in _parts(way):
            found += _done(target, part, store, is_own)
    return _once(found)


def _done(
    target: ModuleType, part: Choices, store: Store, is_own: bool
) -> list[Row]:
    try:
        rows = target.rows(part)
    except ValueError:  # depths that cannot be divided evenly
        return []
    rows = [row for row in rows if store.find(row.recipe)]
    if is_own:
        return rows
    stacked = {row.setting for row in rows if row.role == "stacked"}
    return [
        row for row in rows if row.role == "baseline" or row.setting in stacked
    ]


def _parts(choices: Choices) -> list[Choices]:
    """A chain goes through the settings; else each is a thing of its own."""
    if choices.chain or not choices.settings:
        return [choices]
    return [
        dataclasses.replace(choices, settings=[name])
        for name in choices.settings
    ]


def _divisors(
    target: ModuleType, choices: Choices, depths: Iterable[int]
) -> list[int]:
    """What the paper's depths may have been divided by, by those of runs."""
    undivided = dataclasses.replace(choices, divide_depth=1)
    papers = {row.num_blocks for row in target.rows(undivided)}
    found = {
        paper // depth
        for paper, depth in itertools.product(papers, depths)
        if paper % depth == 0
    }
    return sorted({1, choices.divide_depth, *found})


def _once(rows: Iterable[Row]) -> list[Row]:
    """Each line once, in the order of the first."""
    found: dict[str, Row] = {}
    for row in rows:
        key = (row.setting, row.role, row.label, repr(row.recipe))
        found.setdefault(repr(key), row)
    return list(found.values())
