"""Of the case `inference`: whole answers, from raw ids to raw ids.

`recommend` of a model, and of the same model frozen, for one user and for 64:
hidden states, the softmax over all items, the best of them, and Python around
it. The softmax with the best items is timed by itself, too.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.benchmark import recommending

DEPTH, NUM_ITEMS, WIDTH = 16, 50_000, 64
BATCH_SIZES = (1, 64)
_K = 10


def measure(time_in_turns: Callable) -> list[dict[str, Any]]:
    """Times answers of both sizes.

    Args:
        time_in_turns: `inference.time_in_turns`.
    """
    ways = make_ways()
    found = []
    for batch_size in BATCH_SIZES:
        histories = recommending.make_histories(NUM_ITEMS, 8 * batch_size)
        queries = [
            (histories[i * batch_size : (i + 1) * batch_size],)
            for i in range(8)
        ]
        times = time_in_turns(ways, queries)
        found.append(
            {
                "batch_size": batch_size,
                "answers": {
                    name: [float(p) for p in np.percentile(ms, (50, 90, 99))]
                    for name, ms in times.items()
                },
                "queries": len(times["recommend"]),
            }
        )
    return found


def to_markdown(found: list[dict[str, Any]]) -> list[str]:
    """A line for each way."""
    if not found:
        return []
    lines = [
        f"Whole answers, {_K} of {NUM_ITEMS:,} items after histories of "
        f"{recommending.T}, {DEPTH} blocks of width {WIDTH}, one core. "
        "Milliseconds of the 50th, 90th and 99th percentile; faster than the "
        "model that is not frozen and skips nothing, at the 50th. Which blocks "
        "run is up to "
        "a policy that was not trained. Goal: one user within 5 ms.",
        "",
        "| Users | Way | ms | Faster | Queries |",
        "| --- | --- | --- | --- | --- |",
    ]
    for f in found:
        first = f["answers"]["recommend"][0]
        lines += [
            f"| {f['batch_size']} | {name} | "
            f"{' / '.join(f'{ms:.2f}' for ms in times)} | "
            f"{first / times[0]:.2f}x | {f['queries']} |"
            for name, times in f["answers"].items()
        ]
    return [*lines, ""]


def make_ways() -> dict[str, Callable]:
    """`recommend` of four models, and the end of it alone."""
    import keras
    from keras import ops

    from nextitnet_tf import NextItNet
    from nextitnet_tf import SkipRec
    from nextitnet_tf.models.frozen import HeldWeights

    keras.utils.set_random_seed(0)
    model = NextItNet(NUM_ITEMS, num_blocks=DEPTH, embedding_dim=WIDTH)
    skip_rec = SkipRec(model)
    for one in (model, skip_rec):
        one.vocabulary = recommending.make_vocabulary(NUM_ITEMS)
    end = HeldWeights(model.item_softmax.variables).compile(
        lambda hidden: ops.top_k(model.item_softmax(hidden), _K)[1]
    )
    hidden = np.random.default_rng(0).normal(size=(max(BATCH_SIZES), WIDTH))
    hidden = hidden.astype("float32")
    answering = {
        "recommend": model,
        "recommend, frozen": model.freeze(),
        "SkipRec, recommend": skip_rec,
        "SkipRec, recommend, frozen": skip_rec.freeze(),
    }
    ways: dict[str, Callable] = {}
    for name, one in answering.items():

        def answer(histories, one=one):
            return one.recommend(histories, k=_K)[0]

        ways[name] = answer
    ways["softmax and best items alone, frozen"] = lambda histories: end(
        hidden[: len(histories)]
    )
    return ways
