"""From a setting's shallow model to its deep one from scratch."""

import numpy as np
import pytest

from experiments.papers.rows import Choices
from experiments.papers.stackrec import table2
from experiments.reporting import over_seeds
from nextitnet_tf.recipe import PROTOCOLS


def entry(name, seed, ranks, **changes):
    ranks = np.array(ranks)
    mrr = over_seeds.compare_ranks([ranks], [ranks + 9], None)["difference"]
    return over_seeds.Entry(
        key=("40-60", name, "", "clean"),
        record={
            "seed": seed,
            "speedup": None,
            "is_compared": False,
            "paper": {"mrr_at_5": None},
            **{metric: mrr for metric in over_seeds._METRICS},
        },
        ranks=ranks,
        reference=None,
        name=f"{name} {seed}",
        **changes,
    )


def test_a_rise_has_its_range_over_sessions_and_seeds():
    shallow = ("40-60", "shallow", "", "clean")
    of_shallow, of_deep = over_seeds.summarize(
        [
            # Reciprocal ranks 1/2 become 1, of every session and seed.
            *(entry("shallow", seed, [1, 1, 1]) for seed in range(3)),
            *(
                entry("deep", seed, [0, 0, 0], shallow=shallow)
                for seed in range(3)
            ),
        ]
    )
    assert "rise_difference" not in of_shallow
    for name in ("difference", "low", "high"):
        assert of_deep[f"rise_{name}"] == pytest.approx(0.5)


def test_deep_models_from_scratch_take_the_place_of_shallow_ones():
    choices = Choices(
        PROTOCOLS["release"], settings=["60-80"], presets=["best"]
    )
    rows = {row.role: row for row in table2.rows(choices)}
    assert rows["scratch"].grown_from == rows["shallow"]
    assert (rows["shallow"].num_blocks, rows["scratch"].num_blocks) == (8, 16)
    assert rows["stacked"].grown_from is None
