"""The case `recommend`: the likeliest items of many histories.

Against the way that comes to mind first: all scores of a batch to NumPy, and
a full sort of each row.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.benchmark import child
from experiments.benchmark.settings import Settings

NUM_ITEMS = (50_000, 500_000)
NUM_HISTORIES = 10_000
# The full sort's are so slow that fewer of them tell as much.
NUM_SORTED = 256
T = 20
K = 10
_BATCH_SIZE = 256
_GOAL = {50_000: "", 500_000: "5x, 0.6 GB"}


def measure(settings: Settings) -> list[dict[str, Any]]:
    """Runs both ways, each in a process of its own."""
    del settings
    found = []
    for num_items in NUM_ITEMS:
        ours, full_sort = (
            child.run("recommend", way, str(num_items), str(num_histories))
            for way, num_histories in (
                ("top_items", NUM_HISTORIES),
                ("full_sort", NUM_SORTED),
            )
        )
        ratio = ours["histories_per_second"] / full_sort["histories_per_second"]
        print(
            f"recommend, {num_items:,} items: "
            f"{ours['histories_per_second']:,.0f} histories a second, "
            f"{ratio:.1f} times the full sort's; {ours['more_gb']:.2f} GB",
            flush=True,
        )
        found.append(
            {
                "num_items": num_items,
                "goal": _GOAL[num_items],
                "ratio": ratio,
                "top_items": ours,
                "full_sort": full_sort,
            }
        )
    return found


def to_markdown(found: list[dict[str, Any]]) -> list[str]:
    """The table of the catalogues."""
    lines = [
        f"Recommending {K} items after histories of {T}: `recommend` against "
        "a full sort of all scores in NumPy, the same model and batch size. "
        "Memory is the peak beyond program and weights, compiling included.",
        "",
        "| Items | Histories a second | GB | Full sort, histories a second "
        "| GB | Ratio | Goal |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in found:
        ours, full_sort = row["top_items"], row["full_sort"]
        lines.append(
            f"| {row['num_items']:,} | {ours['histories_per_second']:,.0f} "
            f"| {ours['more_gb']:.2f} "
            f"| {full_sort['histories_per_second']:,.0f} "
            f"| {full_sort['more_gb']:.2f} | {row['ratio']:.1f}x "
            f"| {row['goal']} |"
        )
    return [*lines, ""]


def time_one_way(way: str, num_items: int, num_histories: int) -> dict:
    """Seconds and memory of one way, in the process that calls it.

    Args:
        way: "top_items" or "full_sort".
        num_items: without padding.
        num_histories: how many are answered, after one batch to warm up.

    Returns:
        `seconds`, `histories_per_second`, `more_gb`.
    """
    import nextitnet_tf

    histories = make_histories(num_items, num_histories)
    vocabulary = make_vocabulary(num_items)
    without_model = child.forget_peak()
    model = nextitnet_tf.NextItNet(num_items=num_items, num_blocks=4)
    model.vocabulary = vocabulary
    weights = 4 * model.count_params() / 1e9
    # TensorFlow keeps what building has used for itself and uses it again:
    # a start that had it in would hide as much.
    start = without_model + weights
    child.forget_peak()
    answer = WAYS[way]
    answer(model, histories[:_BATCH_SIZE])
    began = time.perf_counter()
    answer(model, histories)
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "num_histories": num_histories,
        "histories_per_second": num_histories / seconds,
        "more_gb": child.peak_gb() - start,
    }


def make_vocabulary(num_items: int):
    """Raw ids 1, 2, ...; the lower, the more popular."""
    import nextitnet_tf

    vocabulary = nextitnet_tf.Vocabulary(
        raw_ids=[None, *range(1, num_items + 1)],
        counts=[0, *range(num_items, 0, -1)],
        padding_id=0,
        history_length=T,
    )
    len(vocabulary.ids)  # made at the first look
    return vocabulary


def make_histories(num_items: int, num_histories: int) -> list[list[int]]:
    """Random ones, T items each."""
    generator = np.random.default_rng(0)
    rows = generator.integers(1, num_items + 1, (num_histories, T))
    return rows.tolist()


def top_items(model, histories: list[list[int]]) -> list[list[int]]:
    """What the library does."""
    return model.recommend(histories, k=K, batch_size=_BATCH_SIZE)


def full_sort(model, histories: list[list[int]]) -> list[list[int]]:
    """All scores to NumPy, every row sorted."""
    vocabulary = model.vocabulary
    answers = []
    for start in range(0, len(histories), _BATCH_SIZE):
        batch = [
            vocabulary.encode(history)[0]
            for history in histories[start : start + _BATCH_SIZE]
        ]
        scores = np.array(model.predict_on_batch(np.array(batch, "int32")))
        for row, history in zip(scores, batch, strict=True):
            row[vocabulary.not_items] = -np.inf
            row[history] = -np.inf
        best = np.argsort(-scores, axis=-1, kind="stable")[:, :K]
        answers += [[vocabulary.raw_ids[i] for i in ids] for ids in best]
    return answers


WAYS: dict[str, Callable[..., list[list[int]]]] = {
    "top_items": top_items,
    "full_sort": full_sort,
}
