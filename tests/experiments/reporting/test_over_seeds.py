"""Rows over their seeds: means, and what is not noise."""

import numpy as np
import pytest

from experiments.reporting import over_seeds
from experiments.reporting import statistics
from nextitnet_tf import comparing

SCRATCH = ("60-80", "scratch", "", "clean")
DEEP = ("60-80", "deep", "", "clean")


def entry(
    model, seed, mrr, speedup=None, ranks=None, reference=None, unseen=None
):
    return over_seeds.Entry(
        key=("60-80", model, "", "clean"),
        record={
            "seed": seed,
            **{f"{name}_at_5": mrr for name in ("mrr", "hit_rate", "ndcg")},
            "paper": {"mrr_at_5": 0.08},
            "speedup": speedup,
            "is_compared": reference is not None,
            "unseen_mrr_at_5": None if unseen is None else 2 * mrr,
            "role": "stacked",
            "num_blocks": 16,
        },
        ranks=None if ranks is None else np.array(ranks),
        reference=reference,
        unseen_ranks=None if unseen is None else np.array(unseen),
        name=f"{model}-{seed}",
    )


def test_reciprocal_ranks():
    found = comparing.reciprocal_ranks(np.array([0, 1, 4, 5, 99, 255]))
    np.testing.assert_allclose(found, [1, 0.5, 0.2, 0, 0, 0])
    clipped = np.array([0, 254, 255], "uint8")
    np.testing.assert_allclose(
        comparing.reciprocal_ranks(clipped, at=500), [1, 1 / 255, 1 / 256]
    )


@pytest.mark.parametrize(
    ("difference", "low", "high", "seeds", "expected"),
    [
        (0.1, 0.05, 0.2, 3, "holds"),
        (-0.1, -0.2, -0.05, 5, "does not hold"),
        (0.1, -0.1, 0.2, 3, "not told apart"),
        (0.1, 0.0, 0.2, 3, "not told apart"),
        (0.1, None, None, 3, "not told apart"),
        (0.1, 0.05, 0.2, 1, "one seed"),
        (0.1, 0.05, 0.2, 2, "two seeds"),
        (None, None, None, 3, ""),
    ],
)
def test_a_verdict_needs_three_seeds(difference, low, high, seeds, expected):
    assert statistics.verdict(difference, low, high, seeds) == expected


def test_means_and_speedups():
    groups = over_seeds.summarize(
        [
            entry("scratch", 0, 0.04, 1.0, reference=SCRATCH),
            entry("deep", 0, 0.05, 2.0, reference=SCRATCH),
            entry("scratch", 1, 0.06, 1.0, reference=SCRATCH),
            entry("deep", 1, 0.09, None, reference=SCRATCH),
            entry("deep", 2, 0.10, 4.0, reference=SCRATCH),
        ]
    )
    assert [g["model"] for g in groups] == ["scratch", "deep"]
    deep = groups[1]
    assert deep["seeds"] == [0, 1, 2]
    assert deep["mrr_at_5"]["mean"] == pytest.approx(0.08)
    # Deviations -.03, .01, .02: their squares are 14e-4, over n - 1.
    assert deep["mrr_at_5"]["sd"] == pytest.approx((14e-4 / 2) ** 0.5)
    assert (deep["speedup"], deep["num_reached"]) == (3.0, 2)
    assert deep["difference"] is None  # no ranks were kept
    # What the row is comes along.
    assert (deep["role"], deep["num_blocks"]) == ("stacked", 16)


def test_a_difference_among_unseen_items_has_ranks_of_its_own():
    groups = over_seeds.summarize(
        [
            entry("deep", 0, 0.1, None, [0] * 50, DEEP, [1] * 50),
            entry("deep", 1, 0.3, None, [0] * 50, DEEP),  # has none
            entry("other", 0, 0.2, None, [1] * 50, DEEP, [0] * 50),
        ]
    )
    assert "unseen_mrr_at_5" not in groups[0]
    other = groups[1]
    assert other["compared_with"] == "deep"
    assert other["unseen_mrr_at_5"] == pytest.approx(0.4)
    assert other["difference"] == pytest.approx(-0.5)
    assert other["unseen_difference"] == pytest.approx(0.5)


@pytest.mark.parametrize(("num_seeds", "mark"), [(2, ""), (3, "*")])
def test_a_difference_pairs_sessions_and_seeds(num_seeds, mark):
    """It is marked as no noise where there are three seeds."""
    ranks = [0, 0, 9, 1] * 50
    better = [0, 0, 1, 1] * 50
    groups = over_seeds.summarize(
        [
            entry(name, seed, 0.1, 1.0, of_name, SCRATCH)
            for name, of_name in {"scratch": ranks, "deep": better}.items()
            for seed in range(num_seeds)
        ]
    )
    deep = groups[1]
    # A quarter of the sessions gains 1/2.
    assert deep["difference"] == pytest.approx(0.125)
    # One standard error: 0.5 * sqrt(.25 * .75 / 200) = 0.0153.
    assert deep["low"] == pytest.approx(0.125 - 1.96 * 0.0153, abs=0.005)
    assert deep["high"] == pytest.approx(0.125 + 1.96 * 0.0153, abs=0.005)
    lines = over_seeds.to_markdown(groups)
    (shown,) = [line for line in lines if "| deep |" in line]
    assert "+0.1250" in shown and shown.endswith(f"| {mark} |")


def test_a_comparison_is_made_once():
    known, made = {}, []

    def once(key, compute):
        if key not in known:
            made.append(key)
            known[key] = compute()
        return known[key]

    entries = [
        entry("scratch", 0, 0.1, 1.0, [0] * 9, SCRATCH),
        entry("deep", 0, 0.2, 1.0, [1] * 9, SCRATCH),
    ]
    over_seeds.summarize(entries, once)
    over_seeds.summarize(entries, once)
    assert made == [("deep-0", "scratch-0", "ranks")]
    # Another run is another comparison.
    entries.append(entry("scratch", 1, 0.1, 1.0, [0] * 9, SCRATCH))
    entries.append(entry("deep", 1, 0.2, 1.0, [1] * 9, SCRATCH))
    over_seeds.summarize(entries, once)
    assert len(made) == 2


def test_a_range_is_of_all_seeds_or_of_none():
    of_scratch = [
        entry("scratch", 0, 0.1, 1.0, [0] * 9, SCRATCH),
        entry("scratch", 1, 0.1, 1.0, [0] * 9, SCRATCH),
    ]
    kept = entry("deep", 0, 0.2, 1.0, [1] * 9, SCRATCH)
    for other, difference in (
        # Its ranks are gone: .1 and -.04, by the metrics.
        (entry("deep", 1, 0.06, 1.0, None, SCRATCH), 0.03),
        # It has no counterpart.
        (entry("deep", 2, 0.1, 1.0, [9] * 9, SCRATCH), None),
    ):
        groups = over_seeds.summarize([*of_scratch, kept, other])
        deep = groups[1]
        assert deep["difference"] == (difference and pytest.approx(difference))
        assert deep.get("low") is None and deep.get("high") is None
        (shown,) = [
            line
            for line in over_seeds.to_markdown(groups)
            if "| deep |" in line
        ]
        assert ("+0.0300" in shown) == (difference is not None)
        assert "*" not in shown


@pytest.mark.parametrize(
    ("of_seeds", "of_users", "of_both", "num_seeds"),
    [
        (0.0, 1.0, 1.0, 1),
        (0.0, 1.0, 1.0, 3),
        (0.0, 0.0, 1.0, 3),
        (0.02, 0.0, 1.0, 3),
        (0.1, 1.0, 0.5, 3),
        (0.5, 0.0, 1.0, 3),
        (0.1, 1.0, 0.5, 5),
    ],
)
def test_noise_is_told_in_one_case_of_twenty(
    of_seeds, of_users, of_both, num_seeds
):
    """Whether users differ, or seeds, which a bootstrap over three misses."""
    generator = np.random.default_rng(0)
    told = 0
    for _ in range(1000):
        noise = of_seeds * generator.normal(size=(num_seeds, 1))
        noise = noise + of_users * generator.normal(size=(1, 200))
        noise = noise + of_both * generator.normal(size=(num_seeds, 200))
        _, low, high = comparing.paired_difference(noise, np.zeros_like(noise))
        told += low > 0 or high < 0
    # 50 are expected, 7 is a standard error; fewer where users alone vary.
    assert 15 <= told <= 75


@pytest.mark.parametrize(
    ("freedom", "expected"),
    [(1, 12.706), (2, 4.303), (5, 2.571), (30, 2.042), (200_000, 1.960)],
)
def test_students_t(freedom, expected):
    """As printed in any table of it."""
    assert comparing.students_t(freedom) == pytest.approx(expected, abs=5e-4)


def test_an_interval_by_hand():
    """Seeds at 1, 2 and 6, whatever the user: t of 2 degrees of freedom."""
    scores = np.repeat([[1.0], [2.0], [6.0]], 50, axis=1)
    mean, low, high = comparing.paired_difference(scores, np.zeros((3, 50)))
    # Deviations -2, -1, 3: variance 7, of a mean of three 7 / 3.
    half = 4.3027 * (7 / 3) ** 0.5
    assert (mean, low, high) == pytest.approx((3, 3 - half, 3 + half), rel=1e-4)


def test_where_nothing_varies_there_is_no_width():
    same = np.full((3, 7), 0.5)
    assert comparing.paired_difference(same, same - 0.25) == (0.25, 0.25, 0.25)


def test_of_one_user():
    """Seeds tell of seeds; one seed of one user tells of nothing."""
    one = np.array([[0.5]])
    assert comparing.paired_difference(one, one) == (0.0, -np.inf, np.inf)
    scores = np.repeat([[1.0], [2.0], [6.0]], 2, axis=1)
    mean, low, high = comparing.paired_difference(
        scores, np.zeros((3, 2)), groups=np.array([4, 4])
    )
    half = 4.3027 * (7 / 3) ** 0.5
    assert (mean, low, high) == pytest.approx((3, 3 - half, 3 + half), rel=1e-4)


def test_one_user_with_most_of_the_sessions():
    """Is worth not many users: noise is told in one case of ten, not nine."""
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(101), [500, *[1] * 100])
    told = 0
    for _ in range(200):
        scores = generator.normal(size=101)[groups][None]
        _, low, high = comparing.paired_difference(
            scores, np.zeros_like(scores), groups
        )
        told += low > 0 or high < 0
    assert told <= 20


def test_seeds_that_disagree_are_noise():
    """+1 in one seed and -0.9 in the other is no difference."""
    scores = np.stack([np.ones(500), np.zeros(500)])
    others = np.stack([np.zeros(500), np.full(500, 0.9)])
    difference, low, high = comparing.paired_difference(scores, others)
    assert difference == pytest.approx(0.05)
    assert low < 0 < high


def test_sessions_of_one_user_are_drawn_together():
    """Of 400 users with 3 equal sessions each only 400 are independent."""
    generator = np.random.default_rng(1)
    of_users = generator.normal(0.1, 1.0, 400)
    scores = np.repeat(of_users, 3)[None]
    users = np.repeat(np.arange(400), 3)
    zeros = np.zeros_like(scores)
    mean, low, high = comparing.paired_difference(scores, zeros, groups=users)
    alone = comparing.paired_difference(of_users[None], zeros[:, :400])
    assert mean == pytest.approx(of_users.mean())
    # 1.96 standard errors to either side, s / sqrt(400).
    width = 2 * 1.96 * of_users.std() / 20
    assert high - low == pytest.approx(width, rel=0.1)
    assert high - low == pytest.approx(alone[2] - alone[1], rel=0.1)


def test_users_with_more_sessions_count_more():
    """3 sessions of 1.0 and one of 0, 100 times: the mean is of sessions."""
    scores = np.tile([[1.0, 1.0, 1.0, 0.0]], 100)
    users = np.repeat(np.arange(200), np.tile([3, 1], 100))
    mean, low, high = comparing.paired_difference(
        scores, np.zeros_like(scores), groups=users
    )
    # Of users the deviations are 3 * .25 and -.75, at 2 sessions a user:
    # a standard error of .75 / 2 / sqrt(200), less one for the mean. They are
    # worth 400 ** 2 / (100 * 9 + 100) = 160 users: t of 159.
    half = 1.97500 * 0.375 / 199**0.5
    assert (mean, low, high) == pytest.approx(
        (0.75, 0.75 - half, 0.75 + half), rel=1e-5
    )
