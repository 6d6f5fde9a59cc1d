"""The case `compression`: CpRec's models against those in full.

Training: a step of a model of 54,000 items and width 512, targets as frequent
as items are. Answering: the likeliest items of hidden states, with and
without pruning, by the share of the mass that lies outside of the first
cluster (half of it on ML-1M and Beauty, 4 % on Globo). Serving: the same
models as those that train, in a process that reads them from disk and answers.
"""

import gc
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments.benchmark import child
from experiments.benchmark.settings import Settings

# Number of columns, boundaries, ranks.
STEP = (54_000, (7_000, 15_000, 54_000), (512, 128, 32))
# The same program with next to nothing in it: what compiling takes.
TINY_STEP = (100, (20, 50, 100), (16, 8, 4))
_BATCH_SIZE, _T, _NUM_BLOCKS, _WARM_UP, _STEPS = 128, 20, 4, 3, 10
_TINY_BATCH_SIZE = 8
CATALOGUES: dict[int, tuple[tuple[int, ...], tuple[int, ...]]] = {
    54_000: ((7_000, 15_000, 54_000), (64, 16, 4)),
    100_000: ((13_000, 28_000, 100_000), (64, 16, 4)),
    1_000_000: ((130_000, 280_000, 1_000_000), (64, 16, 4)),
}
BATCH_SIZES = (1, 64, 256)
MASSES = (0.5, 0.04)  # outside of the first cluster
_WIDTH = 64
_K = 10
_REPETITIONS = 7


def measure(settings: Settings) -> dict[str, Any]:
    """Runs both parts, each measurement in a process of its own."""
    del settings
    steps = {way: _measure_step(way) for way in ("full", "tree")}
    ratio = steps["full"]["seconds"] / steps["tree"]["seconds"]
    print(f"a step of the tree softmax: {ratio:.1f} times as fast", flush=True)
    served = serve_all()
    print(
        "resident when serving: "
        + ", ".join(
            f"{way} {s['more_gb']:.2f} GB" for way, s in served.items()
        ),
        flush=True,
    )
    answers = []
    for num_columns in CATALOGUES:
        for mass in MASSES:
            for found in child.run("pruned", str(num_columns), str(mass))[
                "batches"
            ]:
                answers.append(
                    {"num_columns": num_columns, "mass": mass, **found}
                )
                print(
                    f"pruned, {num_columns:,} columns, batch "
                    f"{found['batch_size']}: {1000 * found['pruned']:.1f} ms "
                    f"against {1000 * found['full']:.1f} ms",
                    flush=True,
                )
    return {"steps": steps, "served": served, "answers": answers}


def to_markdown(found: dict[str, Any]) -> list[str]:
    """Both tables."""
    steps, answers, served = found["steps"], found["answers"], found["served"]
    return [
        f"A training step of {STEP[0]:,} columns, width 512, {_NUM_BLOCKS} "
        f"blocks, batch {_BATCH_SIZE}, t {_T}. Memory is the peak beyond the "
        "process with its built model before its first step; without what "
        f"XLA takes to compile the same model of {TINY_STEP[0]} columns and "
        f"width {TINY_STEP[2][0]}, too. Goal: 2.5x, half of the memory.",
        "",
        "| Item layers | Seconds a step | Ratio | GB | Ratio | Without "
        "compiling, GB | Ratio | Parameters |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *_step_lines(steps["full"], steps["tree"]),
        "",
        "The same models, saved, read in another process and asked for "
        f"{_K} items after one history and after 32: the file, and what the "
        "process holds then beyond what it held before it read.",
        "",
        "| Item layers | MB on disk | Ratio | MB resident | Ratio |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {way} | {s['file_bytes'] / 1e6:.0f} | "
            f"{served['full']['file_bytes'] / s['file_bytes']:.1f}x | "
            f"{1000 * s['more_gb']:.0f} | "
            f"{served['full']['more_gb'] / s['more_gb']:.1f}x |"
            for way, s in served.items()
        ),
        "",
        f"The {_K} likeliest items of hidden states of width {_WIDTH}; "
        "clusters of 13, 15 and 72 % of the columns, ranks 64, 16, 4; mass: "
        "outside of the first cluster; visited: leaves of 2. Goal: at "
        "1,000,000 columns and batch 1 10 ms on one core, nowhere above 1.1 "
        "times the unpruned.",
        "",
        "| Columns | Mass | Batch | Pruned, ms | All scores, ms | Ratio | "
        "Visited |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {a['num_columns']:,} | {a['mass']:.0%} | {a['batch_size']} | "
            f"{1000 * a['pruned']:.2f} | {1000 * a['full']:.2f} | "
            f"{a['pruned'] / a['full']:.2f} | {a['visited']:.1f} |"
            for a in answers
        ),
        "",
    ]


def _measure_step(way: str) -> dict[str, Any]:
    whole, tiny = (
        child.run("compressed_step", way, size) for size in ("whole", "tiny")
    )
    return {**whole, "compiling_gb": tiny["more_gb"]}


def _step_lines(full: dict[str, Any], tree: dict[str, Any]) -> list[str]:
    """The rows of the table of steps."""
    lines = []
    for name, step in (("full", full), (f"clusters {list(STEP[1])}", tree)):
        # Reports of before do not say what compiling took.
        own = [
            s["more_gb"] - s["compiling_gb"]
            for s in (full, step)
            if "compiling_gb" in s
        ]
        without = f"{own[-1]:.2f} | {own[-1] / own[0]:.2f}" if own else " | "
        lines.append(
            f"| {name} | {step['seconds']:.3f} "
            f"| {full['seconds'] / step['seconds']:.1f}x "
            f"| {step['more_gb']:.2f} "
            f"| {step['more_gb'] / full['more_gb']:.2f} | {without} "
            f"| {step['num_parameters']:,} |"
        )
    return lines


def time_step(way: str, size: str = "whole") -> dict[str, Any]:
    """Seconds and memory of training steps, in the process that calls it.

    Args:
        way: "full" or "tree".
        size: "whole", or "tiny".

    Returns:
        `seconds` (the median), `more_gb`, `num_parameters`.
    """
    import keras

    keras.ops.zeros(1) + 1  # TensorFlow has started
    # What building has used and given back stays with the process, and is
    # used again: a start that had it in would hide as much.
    before = child.forget_peak()
    model = _make_model(way, TINY_STEP if size == "tiny" else STEP)
    before += 4 * model.count_params() / 1e9
    model.compile(optimizer="adam", jit_compile=True)
    batch_size = _TINY_BATCH_SIZE if size == "tiny" else _BATCH_SIZE
    rows = log_uniform(model.num_items + 1, (batch_size, _T))
    seconds = []
    for _ in range(_WARM_UP + _STEPS):
        began = time.perf_counter()
        model.train_on_batch(rows[:, :-1], rows[:, 1:])
        seconds.append(time.perf_counter() - began)
    return {
        "seconds": float(np.median(seconds[_WARM_UP:])),
        "more_gb": child.peak_gb() - before,
        "num_parameters": model.count_params(),
    }


def _make_model(way: str, size=None):
    """A model with items in full, or in a "tree"; "int8" and "int4" too."""
    import nextitnet_tf

    num_columns, clusters, ranks = size or STEP
    compression = nextitnet_tf.Compression(clusters, ranks, ranks)
    model = nextitnet_tf.NextItNet(
        num_items=num_columns - 1,
        num_blocks=_NUM_BLOCKS,
        embedding_dim=max(ranks),
        compression=compression if way == "tree" else None,
    )
    if way.startswith("int"):
        model.quantize(way, filters="^item_")
    return model


def serve_all() -> dict[str, Any]:
    """What a model takes on disk and in a process that serves it, by way."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for way in ("full", "tree", "int8", "int4"):
            path = Path(folder) / f"{way}.keras"
            child.run("save_to_serve", way, str(path))
            found[way] = {
                **child.run("serve", str(path)),
                "file_bytes": path.stat().st_size,
            }
    return found


def save_to_serve(way: str, path: str) -> dict[str, Any]:
    """Saves a model, in the process that calls it."""
    from nextitnet_tf import Vocabulary

    model = _make_model(way)
    num_items = model.num_items
    model.vocabulary = Vocabulary(
        [None, *range(1, num_items + 1)], [0, *[1] * num_items], 0, _T - 1
    )
    model.save(path)
    return {}


def serve(path: str) -> dict[str, Any]:
    """Memory of a model that is read and answers, in this process.

    Returns:
        `more_gb` beyond what the process held before.
    """
    from nextitnet_tf.models import saved

    before = child.forget_peak()
    model = saved.load_model(Path(path))
    histories = log_uniform(STEP[0] - 1, (32, _T - 1)) + 1
    for batch in (histories[:1], histories):
        model.recommend(batch.tolist(), k=_K)
    gc.collect()
    return {"more_gb": child.forget_peak() - before}


def time_answers(num_columns: int, mass: float) -> dict[str, Any]:
    """Milliseconds of the likeliest items, pruned and not.

    Args:
        num_columns: a key of `CATALOGUES`.
        mass: of the leaves, in the mean.

    Returns:
        `batches`: `batch_size`, `pruned` and `full` seconds, `visited` of
        each of `BATCH_SIZES`.
    """
    import keras
    from keras import ops

    from nextitnet_tf.layers.pruned_top_items import leaf_reaches
    from nextitnet_tf.layers.pruned_top_items import pruned_top_items

    softmax = make_softmax(num_columns, mass)
    reaches = leaf_reaches(softmax)  # once for all answers

    def pruned(hidden):
        closed = ops.zeros((hidden.shape[0], 1), "int32")
        return pruned_top_items(softmax, hidden, _K, closed, reaches)

    def full(hidden):
        return ops.top_k(softmax(hidden), _K)

    found = []
    for batch_size in BATCH_SIZES:
        hidden = make_hidden(batch_size)
        seconds = {}
        for name, way in (("pruned", pruned), ("full", full)):
            inputs = keras.Input(batch_shape=hidden.shape)
            model = keras.Model(inputs, keras.layers.Lambda(way)(inputs))
            model.compile(jit_compile=False)
            model.predict_on_batch(hidden)
            times = []
            for _ in range(_REPETITIONS):
                began = time.perf_counter()
                answer = model.predict_on_batch(hidden)
                times.append(time.perf_counter() - began)
            seconds[name] = float(np.median(times))
            if name == "pruned":
                visited = int(answer[2])
        found.append({"batch_size": batch_size, "visited": visited, **seconds})
    return {"batches": found}


def log_uniform(num_columns: int, shape: tuple[int, ...]) -> np.ndarray:
    """Ids of which the k-th is drawn about 1 / k as often as the first."""
    uniform = np.random.default_rng(0).uniform(size=shape)
    return (np.exp(uniform * np.log(num_columns)) - 1).astype("int32")


def make_hidden(batch_size: int) -> np.ndarray:
    """Hidden states whose first channel is 1."""
    hidden = np.random.default_rng(1).normal(size=(batch_size, _WIDTH))
    hidden[:, 0] = 1
    return hidden.astype("float32")


def make_softmax(num_columns: int, mass: float):
    """A tree with the masses of a trained one.

    Logits of items have a standard deviation of 2, in the leaves, too; the
    first channel of hidden states gives each leaf a share of the mass.
    """
    from nextitnet_tf import layers

    clusters, ranks = CATALOGUES[num_columns]
    softmax = layers.TreeSoftmax(num_columns - 1, clusters, ranks)
    softmax.build((None, _WIDTH))
    generator = np.random.default_rng(2)
    for kernel, projection in zip(
        softmax.kernels, softmax.projections, strict=True
    ):
        rank = kernel.shape[1]
        kernel.assign(generator.normal(scale=2 * rank**-0.5, size=kernel.shape))
        if projection is not None:
            projection.assign(
                generator.normal(scale=_WIDTH**-0.5, size=projection.shape)
            )
    hidden = make_hidden(64)
    root = np.array(softmax.kernels[0])
    root[clusters[0] :] = 0
    powers = np.exp(hidden @ root[: clusters[0]].T).sum(axis=1)
    num_leaves = len(clusters) - 1
    root[clusters[0] :, 0] = np.log(
        powers.mean() * mass / (1 - mass) / num_leaves
    )
    softmax.kernels[0].assign(root)
    return softmax
