"""Ways to grow over their seeds, by hand."""

import pytest

from experiments.reporting import growth_table
from experiments.reporting import stored_claims
from nextitnet_tf.training import MONITOR


def record(model, role, seed, values, seconds=2.0, flop=3.0):
    """An evaluation after each `seconds`."""
    return {
        **{"model": model, "copied": "", "role": role, "seed": seed},
        "mrr_at_5": values[-1],
        "steps": [len(values)],
        "curve": [
            {"seconds": seconds * i, "flop": flop * i, MONITOR: value}
            for i, value in enumerate(values, start=1)
        ],
    }


# The last five evaluations have 0.5 and 0.3 in the mean: the target is 0.399.
DIRECT = [
    record("deep", "scratch", 0, [0.1, 0.1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]),
    record("deep", "scratch", 1, [0.1, 0.1, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]),
]


def test_the_target_and_who_reaches_it():
    grown = [
        # Half as expensive; a single good evaluation is not enough.
        record("grown", "stacked", 0, [0.9, 0, 0, 0, 0, *[0.4] * 5], 1.0),
        record("grown", "stacked", 1, [0.4] * 10, 1.0),
        record("grown", "stacked", 2, [0.2] * 10, 1.0),
    ]
    found, target = growth_table.summarize([*DIRECT, *grown])
    assert target == pytest.approx(0.4 - 0.001)
    direct, line = found
    assert direct["seeds"] == [0, 1] and direct["reached"] == 1
    # One of two seeds never gets there: half of the way to forever.
    assert direct["time_to_target"] is None
    assert direct["whole_time"] == 1.0
    # Seed 0 at its tenth evaluation, seed 1 at its fifth, seed 2 never; the
    # direct model takes 8 evaluations of 2 seconds.
    assert line["reached"] == 2
    assert line["time_to_target"] == pytest.approx(10 / 16)
    assert line["flop_to_target"] == pytest.approx(30 / 24)
    assert line["whole_time"] == pytest.approx(10 / 16)
    assert line["last"]["mean"] == pytest.approx((0.4 + 0.4 + 0.2) / 3)
    assert line["test"]["mean"] == pytest.approx((0.4 + 0.4 + 0.2) / 3)


def test_a_line_that_never_gets_there():
    found, _ = growth_table.summarize(
        [*DIRECT, record("grown", "stacked", 0, [0.1] * 6)]
    )
    assert found[1]["time_to_target"] is None and found[1]["reached"] == 0
    titles = [column.title for column in growth_table.COLUMNS]
    shown = [column.cell(found[1]) for column in growth_table.COLUMNS]
    assert shown[titles.index("Time to the target")] == "-"
    assert shown[titles.index("Reached by")] == "0 of 1"


def test_what_it_says_of_growing():
    def row(model, last, whole, at, seeds=(0, 1, 2), copied="identity"):
        return {
            "model": model,
            "copied": copied,
            "seeds": list(seeds),
            "last": {"mean": last},
            "whole_time": whole,
            "time_to_target": at,
        }

    rows = [
        row("NextItNet-4", 0.2, 1.0, 0.95),
        row("doubling", 0.19, 0.69, None),
        row("one step", 0.201, 0.5, 0.42),
    ]
    (told,) = stored_claims.grown_sooner([{"rows": rows}], {})
    assert told == (
        "- NextItNet-4, directly: validation MRR@5 0.2000 (3 seeds). Of 2 ways "
        "to grow, most seeds of 1 get as good (less 0.001): one step after "
        "42%; the best is one step, 0.2010, in 50% of the time."
    )
    rows = [row("NextItNet-4", 0.2, 1.0, 0.9, [0]), rows[1]]
    (told,) = stored_claims.grown_sooner([{"rows": rows}], {})
    assert told.endswith(
        "most seeds of 0 get as good (less 0.001); the best is doubling, "
        "0.1900, in 69% of the time; no verdict without three seeds."
    )
    half = row("NextItNet-4 (half)", 0.198, 0.5, None, copied="")
    (told,) = stored_claims.grown_sooner(
        [
            {
                "rows": [
                    row("NextItNet-4", 0.2, 1.0, 0.9, copied=""),
                    half,
                    rows[1],
                ]
            }
        ],
        {},
    )
    assert "Of 1 ways to grow" in told
    assert told.endswith(
        "the best is doubling, 0.1900, in 69% of the time; NextItNet-4 (half), "
        "not grown, 0.1980."
    )
    # Of tables that are still being made there is nothing to say.
    for begun in ([], rows[:1]):
        assert not list(stored_claims.grown_sooner([{"rows": begun}], {}))
