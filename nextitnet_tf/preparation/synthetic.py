"""Synthetic sessions whose best possible metrics are known."""

import os
import pathlib
from typing import Any

import numpy as np

from nextitnet_tf.preparation import sessions
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.synthetic_law import Law
from nextitnet_tf.preparation.synthetic_law import ceiling
from nextitnet_tf.preparation.synthetic_law import make_law

# What is generated, by the name of the data set: choices of
# `prepare_synthetic`.
GENERATED: dict[str, dict[str, Any]] = {
    "synthetic": {},
    # Up to three look-ups one after the other, in tables of 256 entries each:
    # more than a narrow model of few blocks has room for, and learned soon.
    "deep": {
        "num_rows": 200_000,
        "t": 16,
        "num_items": 240,
        "num_groups": 16,
        "lags": (1, 2, 3, 4),
        "weights": (0.3, 0.3, 0.3),
    },
}


def generate(
    num_rows: int,
    t: int,
    num_items: int,
    seed: int,
    *,
    min_length: int | None = None,
    num_groups: int = 8,
    lags: tuple[int, ...] = (1, 2, 3, 5),
    weights: tuple[float, ...] = (0.3, 0.3, 0.3),
    exponent: float = 1.0,
) -> tuple[np.ndarray, Law]:
    """Draws a law and sessions that follow it.

    Every item, the first one too, is drawn from `Law.next_item_probabilities`
    of the items before it in its session: nothing else decides it. Equal
    arguments give equal sessions.

    Args:
        num_rows: number of sessions.
        t: length of a row.
        num_items: items 1..num_items.
        seed: of the law and, independently, of the sessions.
        min_length: shortest session; lengths are uniform between it and t,
            and t alone by default.
        num_groups: of items; see `Law`.
        lags: see `Law`.
        weights: see `Law`; what is missing to 1 is noise.
        exponent: of the Zipf law of the items within a group.

    Returns:
        `(rows, law)`: `(num_rows, t)` int32, padded with 0 on the left.
    """
    min_length = t if min_length is None else min_length
    if num_rows < 1 or t < 2 or not 1 <= min_length <= t:
        raise DataError(
            "Expected num_rows >= 1, t >= 2 and 1 <= min_length <= t. "
            f"Received: {num_rows=}, {t=}, {min_length=}"
        )
    for_law, for_rows = np.random.SeedSequence(seed).spawn(2)
    law = make_law(
        np.random.Generator(np.random.PCG64(for_law)),
        num_items=num_items,
        num_groups=num_groups,
        lags=lags,
        weights=weights,
        exponent=exponent,
    )
    generator = np.random.Generator(np.random.PCG64(for_rows))
    rows = np.zeros((num_rows, t), np.int32)
    first = generator.integers(0, t - min_length + 1, num_rows)
    for position in range(t):
        drawn = law.sample(rows[:, :position], generator)
        rows[:, position] = np.where(position >= first, drawn, 0)
    return rows, law


def prepare_synthetic(
    folder: str | os.PathLike[str],
    *,
    num_rows: int = 20_000,
    t: int = 20,
    num_items: int = 240,
    seed: int = 1,
    min_length: int | None = None,
    num_groups: int = 8,
    lags: tuple[int, ...] = (1, 2, 3, 5),
    weights: tuple[float, ...] = (0.3, 0.3, 0.3),
    exponent: float = 1.0,
    force: bool = False,
) -> pathlib.Path:
    """Generates sessions on disk, with their law and their ceiling.

    Every row is a user of its own. `meta.json` also holds "law", in the ids
    of the rows on disk (`Law.from_json` reads it), and "ceiling", the metrics
    that nobody can beat on the last items of all rows but by chance.

    Args:
        folder: where the sessions go. If it holds them already, it is left as
            it is.
        num_rows: as for `generate`, like all that follow.
        t: length of a row.
        num_items: items 1..num_items.
        seed: of the law and of the sessions.
        min_length: shortest session, t by default.
        num_groups: of items.
        lags: see `Law`.
        weights: see `Law`.
        exponent: of the Zipf law within a group.
        force: generate again, whatever prepared sessions `folder` holds.

    Returns:
        The path of the folder.
    """
    choices = {
        "format": "synthetic",
        "num_rows": num_rows,
        "t": t,
        "num_items": num_items,
        "seed": seed,
        "min_length": t if min_length is None else min_length,
        "num_groups": num_groups,
        "lags": list(lags),
        "weights": list(weights),
        "exponent": exponent,
    }
    if sessions.is_prepared(folder, choices, [], force=force):
        return pathlib.Path(folder)
    drawn, law = generate(
        num_rows,
        t,
        num_items,
        seed,
        min_length=min_length,
        num_groups=num_groups,
        lags=lags,
        weights=weights,
        exponent=exponent,
    )
    occurrences = np.bincount(drawn.ravel(), minlength=num_items + 1)[1:]
    # Items that were never drawn have an id, too: they have a probability.
    order = np.argsort(-occurrences, kind="stable")
    ids = np.zeros(num_items + 1, np.int32)
    ids[order + 1] = np.arange(1, num_items + 1)
    rows = ids[drawn]
    law = law.renumbered(order + 1)
    count = {
        "step": "generate",
        "users": num_rows,
        "items": int(np.count_nonzero(occurrences)),
        "interactions": int(occurrences.sum()),
    }
    return sessions.write_sessions(
        folder,
        rows,
        np.arange(num_rows, dtype=np.int32),
        order + 1,
        occurrences[order],
        {
            "source": "synthetic",
            "raw": [],
            "choices": choices,
            "counts": [count],
            "law": law.to_json(),
            "ceiling": ceiling(rows, law),
        },
        replace=force,
    )
