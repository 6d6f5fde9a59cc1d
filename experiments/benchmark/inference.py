"""The case `inference`: what serving is spared, and by what.

First what a policy that skips blocks spares, then (`last_position`) what is
spared where the last position alone is wanted.

The hidden state that items are scored by, of batches of histories: with all
blocks, and with half of them, drawn for each history; the policy reads every
history, and its time counts. Both are compiled, as a model that is called and
as one that is frozen (`HeldWeights`), and take turns. A policy of two blocks
bounds what can be spared of L at L / (L / 2 + 2).
"""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from experiments.benchmark import answers
from experiments.benchmark import child
from experiments.benchmark import last_position
from experiments.benchmark.settings import Settings

DEPTHS = (8, 16, 32, 64)
BATCH_SIZES = (1, 8, 64, 256)
_WIDTH, _LENGTH, _NUM_ITEMS = 64, 19, 10_000
_KEEP_RATE = 0.5
# So many queries, unless they take longer than that.
_QUERIES = 1000
_SECONDS = 15.0
_LEAST = 20
_WARM_UP = 3
_FROZEN = {"full": "frozen", "skipping": "frozen_skipping"}


def measure(settings: Settings) -> list[dict[str, Any]]:
    """Times each depth, then answers, then the last position: on one core."""
    del settings
    found = []
    for part, *arguments in (
        *(("depth", str(depth)) for depth in DEPTHS),
        ("answers",),
        ("last_position",),
    ):
        done = child.run("inference", part, *arguments, cores=1)["found"]
        found += done
        print("\n".join(to_markdown(done)), flush=True)
    return found


def measure_part(part: str, *arguments: str) -> dict[str, Any]:
    """What one process measures, all of whose threads share a core."""
    if part == "answers":
        return {"found": answers.measure(time_in_turns)}
    if part == "last_position":
        return {"found": last_position.measure(time_in_turns)}
    (depth,) = (int(argument) for argument in arguments)
    ways = make_ways(depth)
    return {
        "found": [
            summarize(
                depth,
                batch_size,
                time_in_turns(ways, make_queries(depth, batch_size)),
            )
            for batch_size in BATCH_SIZES
        ]
    }


def to_markdown(found: list[dict[str, Any]]) -> list[str]:
    """The table of both ways, and that of the last position."""
    of_answers = [f for f in found if "answers" in f]
    of_last = [f for f in found if "ways" in f]
    found = [f for f in found if "speedup" in f]

    def shown(percentiles) -> str:
        return " / ".join(f"{ms:.2f}" for ms in percentiles)

    of_depths = [
        f"The hidden state after a history, width {_WIDTH}, {_LENGTH} "
        f"positions, NextItNet, one core; half of the blocks run, the "
        "policy's time counts. Milliseconds of the 50th, 90th and 99th "
        "percentile; the bound is that of a policy of two blocks. Frozen is "
        "what `model.freeze()` compiles, by XLA, with weights as constants. "
        "Goal: "
        "1.5x at batch 1, 1.3x at batch 256, of 32 and 64 blocks.",
        "",
        "| Blocks | Batch | All blocks, ms | Skipping, ms | Faster "
        "| Frozen, all blocks, ms | Frozen, skipping, ms | Faster "
        "| Of the bound | Queries |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {f['depth']} | {f['batch_size']} | {shown(f['full'])} | "
            f"{shown(f['skipping'])} | {f['speedup']:.2f}x | "
            f"{shown(f['frozen'])} | {shown(f['frozen_skipping'])} | "
            f"{f['frozen_speedup']:.2f}x | "
            f"{f['frozen_speedup'] / f['bound']:.2f} of {f['bound']:.2f}x | "
            f"{f['queries']} |"
            for f in found
        ),
        "",
    ]
    return [
        *(of_depths if found else ()),
        *answers.to_markdown(of_answers),
        *last_position.to_markdown(of_last),
    ]


def make_ways(depth: int) -> dict[str, Callable]:
    """The ways from histories to hidden states, by name."""
    import tensorflow as tf

    from nextitnet_tf import NextItNet
    from nextitnet_tf import SkipRec
    from nextitnet_tf.models.frozen import HeldWeights

    keras.utils.set_random_seed(0)
    backbone = NextItNet(_NUM_ITEMS, num_blocks=depth, embedding_dim=_WIDTH)
    model = SkipRec(backbone)

    def full(item_ids, keep):
        del keep
        return backbone.last_hidden(item_ids, training=False)

    def skipping(item_ids, keep):
        # The policy reads the histories; what it would do is given, so that
        # half of the blocks run. The sum keeps it in the graph.
        read = tf.reduce_sum(model.keep(item_ids))
        keep = tf.where(tf.math.is_finite(read), keep, 0.0)
        return model.last_hidden(item_ids, training=False, keep=keep)

    weights = HeldWeights(model.variables)
    ways: dict[str, Callable] = {}
    for name, way in (("full", full), ("skipping", skipping)):
        ways[name] = tf.function(way)
        held = weights.compile(lambda inputs, way=way: way(**inputs))
        ways[_FROZEN[name]] = lambda item_ids, keep, held=held: held(
            {"item_ids": item_ids, "keep": keep}
        )
    return ways


def make_queries(depth: int, batch_size: int) -> list[tuple[Any, Any]]:
    """Histories and the blocks that run for each, of several batches."""
    import tensorflow as tf

    generator = np.random.default_rng(0)
    queries = []
    for _ in range(8):
        item_ids = generator.integers(1, _NUM_ITEMS, (batch_size, _LENGTH))
        order = generator.random((batch_size, depth)).argsort(axis=1)
        keep = order < _KEEP_RATE * depth
        queries.append(
            (
                tf.constant(item_ids.astype("int32")),
                tf.constant(keep.astype("float32")),
            )
        )
    return queries


def time_in_turns(
    ways: dict[str, Callable],
    queries: list[tuple[Any, ...]],
    seconds: float = _SECONDS,
) -> dict[str, list[float]]:
    """Milliseconds of each query by each way, one after the other."""
    for way in ways.values():
        for query in queries[:_WARM_UP]:
            np.array(way(*query))
    times: dict[str, list[float]] = {name: [] for name in ways}
    began = time.perf_counter()
    for turn in range(_QUERIES):
        if turn >= _LEAST and time.perf_counter() - began > seconds:
            break
        query = queries[turn % len(queries)]
        for name, way in ways.items():
            at = time.perf_counter()
            np.array(way(*query))
            times[name].append(1000 * (time.perf_counter() - at))
    return times


def summarize(
    depth: int, batch_size: int, times: dict[str, list[float]]
) -> dict[str, Any]:
    """Percentiles of each way, and how much faster the middle of one is."""
    found = {
        name: [float(p) for p in np.percentile(of_way, (50, 90, 99))]
        for name, of_way in times.items()
    }
    return {
        "depth": depth,
        "batch_size": batch_size,
        **found,
        "speedup": found["full"][0] / found["skipping"][0],
        "frozen_speedup": found["frozen"][0] / found["frozen_skipping"][0],
        "bound": depth / (_KEEP_RATE * depth + 2),
        "queries": len(times["full"]),
    }
