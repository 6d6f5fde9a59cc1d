"""Of the case `inference`: what it costs to have the last position alone.

A click: one more item of a history of which all else was computed before,
against a pass over the whole history. The receptive field: the positions that
the last one sees, against all positions, whether the library would choose so
or not. Ways take turns; all are compiled, by TensorFlow, or, of a frozen
model, by XLA with weights as constants.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

CLICKS = ((16, 20), (16, 200))  # blocks, t
FIELDS = ((16, 20), (16, 200), (64, 20), (64, 200))
BATCH_SIZES = (1, 64)
_FROZEN = ", frozen"
_WIDTH, _NUM_ITEMS = 64, 10_000
# Clicks are cheap: all queries are made.
_SECONDS_OF_CLICKS = 600.0


def measure(time_in_turns: Callable) -> list[dict[str, Any]]:
    """Times clicks, then receptive fields.

    Args:
        time_in_turns: `inference.time_in_turns`.
    """
    found = []
    for depth, t in CLICKS:
        ways, share = click_ways(depth, t)
        times = time_in_turns(ways, make_queries(t, 1), _SECONDS_OF_CLICKS)
        found.append(summarize("a click", depth, t, 1, share, times))
    for depth, t in FIELDS:
        ways, share = field_ways(depth, t)
        for batch_size in BATCH_SIZES:
            times = time_in_turns(ways, make_queries(t, batch_size))
            found.append(
                summarize("the field", depth, t, batch_size, share, times)
            )
    return found


def to_markdown(found: list[dict[str, Any]]) -> list[str]:
    """A line for each way."""
    if not found:
        return []
    lines = [
        f"The hidden state of the last position, NextItNet of width {_WIDTH}, "
        "t - 1 positions, one core: after one more click, and from the "
        "positions that it sees alone (receptive field). The share is that of "
        "the positions "
        "computed. Milliseconds of the 50th, 90th and 99th percentile; "
        "faster than a full pass, of a frozen model than a frozen one's, at "
        "the 50th. Goal of a click: 5x at 16 blocks and t = 20.",
        "",
        "| What | Blocks | t | Batch | Share | Way | ms | Faster | Queries |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for f in found:
        for name, times in f["ways"].items():
            is_frozen = name.endswith(_FROZEN)
            full = f["ways"]["full" + _FROZEN * is_frozen][0]
            lines.append(
                f"| {f['what']} | {f['depth']} | {f['t']} "
                f"| {f['batch_size']} | {f['share']:.0%} | {name} | "
                f"{' / '.join(f'{ms:.2f}' for ms in times)} | "
                f"{full / times[0]:.2f}x | {f['queries']} |"
            )
    return [*lines, ""]


def click_ways(depth: int, t: int) -> tuple[dict[str, Callable], float]:
    """Ways from a history to its last hidden state, one click later."""
    import tensorflow as tf

    from nextitnet_tf import Vocabulary
    from nextitnet_tf.models.frozen import HeldWeights

    model = _make_model(depth)
    model.vocabulary = Vocabulary(
        [None, *range(1, _NUM_ITEMS + 1)], [1] * (_NUM_ITEMS + 1), 0, t - 1
    )
    weights = HeldWeights(model.variables)
    _, state = model.encode_more(np.ones((1, t - 2), "int32"))
    state = tf.convert_to_tensor(state)

    def full(item_ids):
        return model.encode(item_ids)[:, -1]

    def click(inputs):
        # The new state is computed, too, but stays where it is.
        return model.encode_more(inputs["item_ids"], inputs["state"])

    ways: dict[str, Callable] = {}
    for suffix, compile_, live in (
        ("", tf.function, model),
        (_FROZEN, weights.compile, model.freeze()),
    ):
        step, session = compile_(click), live.start([1, 2, 3])

        def clicked(ids, step=step):
            return step({"item_ids": ids[:, -1:], "state": state})[0]

        def append(ids, session=session):
            session.append(int(ids[0, -1]))
            return session.hidden

        ways["full" + suffix] = compile_(full)
        ways["click" + suffix] = clicked
        ways["Session.append" + suffix] = append
    return ways, 1 / (t - 1)


def field_ways(depth: int, t: int) -> tuple[dict[str, Callable], float]:
    """All positions, and those that the last one sees."""
    import tensorflow as tf

    from nextitnet_tf.layers.receptive_field import computed_share
    from nextitnet_tf.models.frozen import HeldWeights

    model = _make_model(depth)
    fields = model.block_stack.fields(t - 1)

    def full(item_ids):
        return model.encode(item_ids)[:, -1]

    def field(item_ids):
        item_ids = tf.gather(item_ids, fields[0].inputs, axis=1)
        hidden = model.item_embedding(item_ids)
        return model.block_stack.last(hidden, fields)[:, -1]

    weights = HeldWeights(model.variables)
    ways: dict[str, Callable] = {}
    for suffix, compile_ in (("", tf.function), (_FROZEN, weights.compile)):
        ways["full" + suffix] = compile_(full)
        ways["field" + suffix] = compile_(field)
    return ways, computed_share(fields, t - 1)


def make_queries(t: int, batch_size: int) -> list[tuple[Any]]:
    """Batches of histories."""
    import tensorflow as tf

    shape = (8, batch_size, t - 1)
    rows = np.random.default_rng(0).integers(1, _NUM_ITEMS, shape)
    return [(tf.constant(row.astype("int32")),) for row in rows]


def summarize(
    what: str,
    depth: int,
    t: int,
    batch_size: int,
    share: float,
    times: dict[str, list[float]],
) -> dict[str, Any]:
    """Percentiles of each way."""
    return {
        "what": what,
        "depth": depth,
        "t": t,
        "batch_size": batch_size,
        "share": share,
        "ways": {
            name: [float(p) for p in np.percentile(of_way, (50, 90, 99))]
            for name, of_way in times.items()
        },
        "queries": len(times["full"]),
    }


def _make_model(depth: int):
    from nextitnet_tf import NextItNet

    keras.utils.set_random_seed(0)
    return NextItNet(_NUM_ITEMS, num_blocks=depth, embedding_dim=_WIDTH)
