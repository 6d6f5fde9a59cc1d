"""Of the case `inference`: what it costs to have the last position alone.

A click: one more item of a history of which all else was computed before,
against a pass over the whole history. The receptive field: the positions that
the last one sees, against all positions, whether the library would choose so
or not. Ways take turns; all are compiled, by TensorFlow, or by XLA where it is
said.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

CLICK = (16, 20)  # blocks, t
FIELDS = ((16, 20), (16, 200), (64, 20), (64, 200))
BATCH_SIZES = (1, 64)
_WIDTH, _NUM_ITEMS = 64, 10_000
# Clicks are cheap: all queries are made.
_SECONDS_OF_CLICKS = 600.0


def measure(time_in_turns: Callable) -> list[dict[str, Any]]:
    """Times clicks, then receptive fields.

    Args:
        time_in_turns: `inference.time_in_turns`.
    """
    ways, share = click_ways(*CLICK)
    queries = make_queries(CLICK[1], 1)
    times = time_in_turns(ways, queries, _SECONDS_OF_CLICKS)
    found = [summarize("a click", *CLICK, 1, share, times)]
    for depth, t in FIELDS:
        ways, share = field_ways(depth, t)
        for batch_size in BATCH_SIZES:
            times = time_in_turns(ways, make_queries(t, batch_size))
            found.append(
                summarize("the field", depth, t, batch_size, share, times)
            )
            print(to_markdown(found[-1:])[-2], flush=True)
    return found


def to_markdown(found: list[dict[str, Any]]) -> list[str]:
    """A line for each way."""
    if not found:
        return []
    lines = [
        f"The hidden state of the last position, NextItNet of width {_WIDTH}, "
        "t - 1 positions: after one more click, and from the positions that it "
        "sees alone (receptive field). The share is that of the positions "
        "computed. Milliseconds of the 50th, 90th and 99th percentile; "
        "faster than a full pass, at the 50th.",
        "",
        "| What | Blocks | t | Batch | Share | Way | ms | Faster | Queries |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for f in found:
        full = f["ways"]["full"][0]
        lines += [
            f"| {f['what']} | {f['depth']} | {f['t']} | {f['batch_size']} | "
            f"{f['share']:.0%} | {name} | "
            f"{' / '.join(f'{ms:.2f}' for ms in times)} | "
            f"{full / times[0]:.2f}x | {f['queries']} |"
            for name, times in f["ways"].items()
        ]
    return [*lines, ""]


def click_ways(depth: int, t: int) -> tuple[dict[str, Callable], float]:
    """Ways from a history to its last hidden state, one click later."""
    import tensorflow as tf

    from nextitnet_tf import Vocabulary

    model = _make_model(depth)
    model.vocabulary = Vocabulary(
        [None, *range(1, _NUM_ITEMS + 1)], [1] * (_NUM_ITEMS + 1), 0, t - 1
    )
    session = model.start([1, 2, 3])
    _, state = model.encode_more(np.ones((1, t - 2), "int32"))

    def full(item_ids):
        return model.encode(item_ids)[:, -1]

    def click(item_ids):
        return model.encode_more(item_ids[:, -1:], state)

    def append(item_ids):
        session.append(int(item_ids[0, -1]))
        return session.hidden

    ways: dict[str, Callable] = {}
    for suffix, is_xla in (("", False), (", XLA", True)):
        ways["full" + suffix] = tf.function(full, jit_compile=is_xla)
        step = tf.function(click, jit_compile=is_xla)
        # The new state is computed, too, but stays where it is.
        ways["click" + suffix] = lambda ids, step=step: step(ids)[0]
    return {**ways, "Session.append": append}, 1 / (t - 1)


def field_ways(depth: int, t: int) -> tuple[dict[str, Callable], float]:
    """All positions, and those that the last one sees."""
    import tensorflow as tf

    from nextitnet_tf.layers.receptive_field import computed_share

    model = _make_model(depth)
    fields = model.block_stack.fields(t - 1)

    def full(item_ids):
        return model.encode(item_ids)[:, -1]

    def field(item_ids):
        item_ids = tf.gather(item_ids, fields[0].inputs, axis=1)
        hidden = model.item_embedding(item_ids)
        return model.block_stack.last(hidden, fields)[:, -1]

    ways = {"full": tf.function(full), "field": tf.function(field)}
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
