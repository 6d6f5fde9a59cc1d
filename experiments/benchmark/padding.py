"""The case `padding`: what positions that hold no item cost.

Rows as Amazon Beauty's are: 128 histories of at most 50 items, of which
the lengths are geometric, so that 88 % of the positions are padding, with
targets among 12,101 items. A step that counts real targets only stands
beside one that counts every position, as all steps did once.
"""

import dataclasses
from typing import Any

import keras
import numpy as np

from experiments.benchmark import steps
from experiments.benchmark.settings import Settings
from nextitnet_tf.models import SASRec

_MEAN_LENGTH = 5.0


@dataclasses.dataclass(frozen=True)
class Padded:
    """A training step of a SASRec as its authors have it, of one block.

    Attributes:
        embedding_dim: D.
        num_items: without padding.
        batch_size: histories.
        length: T, positions of a row.
    """

    embedding_dim: int = 64
    num_items: int = 12_101
    batch_size: int = 128
    length: int = 50


STEPS = (Padded(), Padded(embedding_dim=256))


def measure(settings: Settings) -> list[dict[str, Any]]:
    """Times each step with and without its paddings."""
    found = []
    for step in STEPS:
        item_ids, targets = make_rows(step)
        is_item = targets != 0
        seconds = {
            name: _seconds(step, item_ids, targets, counted, settings)
            for name, counted in (
                ("all", np.ones(targets.shape)),
                ("real", is_item),
            )
        }
        found.append(
            {
                "embedding_dim": step.embedding_dim,
                "share_of_padding": float(1 - is_item.mean()),
                "seconds_all": seconds["all"],
                "seconds_real": seconds["real"],
                "ratio": seconds["all"] / seconds["real"],
            }
        )
        print(
            f"width {step.embedding_dim}: {1000 * seconds['all']:.0f} ms with "
            f"every position counted, {1000 * seconds['real']:.0f} ms with "
            "real targets",
            flush=True,
        )
    return found


def to_markdown(found: list[dict[str, Any]]) -> list[str]:
    """The table of the ratios."""
    return [
        "| SASRec-1, 128 rows of 50, 12,101 items | Padding | Every position, "
        "ms | Real targets, ms | Ratio |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| width {f['embedding_dim']} | {f['share_of_padding']:.0%} | "
            f"{1000 * f['seconds_all']:.0f} | {1000 * f['seconds_real']:.0f} "
            f"| {f['ratio']:.1f}x |"
            for f in found
        ),
        "",
    ]


def make_rows(step: Padded) -> tuple[np.ndarray, np.ndarray]:
    """Item ids and targets (batch_size, length), padded on the left."""
    generator = np.random.default_rng(0)
    shape = (step.batch_size, step.length + 1)
    rows = generator.integers(1, step.num_items + 1, shape).astype("int32")
    lengths = 1 + generator.geometric(1 / _MEAN_LENGTH, step.batch_size)
    place = np.arange(step.length, -1, -1)  # from the latest, 0
    rows[place[None, :] >= lengths[:, None]] = 0
    return rows[:, :-1], rows[:, 1:]


def _seconds(step: Padded, item_ids, targets, counted, settings) -> float:
    keras.utils.set_random_seed(0)
    model = SASRec(
        num_items=step.num_items,
        num_blocks=1,
        embedding_dim=step.embedding_dim,
        max_length=step.length,
        dropout_rate=0.2,
        use_alpha=False,
        variant="original",
    )
    model.compile(optimizer="adam", jit_compile=True)
    weights = (counted / counted.sum()).astype("float32")
    timing = steps.time_calls(
        lambda: model.train_on_batch(item_ids, targets, weights),
        settings.repetitions,
    )
    return timing.median
