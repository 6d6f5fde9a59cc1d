"""The synthetic law: its probabilities, its samples, its ceiling."""

import itertools
import json
import math

import numpy as np
import pytest

from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.synthetic import generate
from nextitnet_tf.preparation.synthetic import prepare_synthetic
from nextitnet_tf.preparation.synthetic_law import Law
from nextitnet_tf.preparation.synthetic_law import ceiling

# Items 1, 2 are of group 0 and 3, 4 of group 1. The first state compares the
# groups at lags 1 and 2 (exclusive or), the second that and the one at lag 3.
XOR = [[0, 1], [1, 0]]
LAW = Law(
    groups=np.array([-1, 0, 0, 1, 1]),
    shares=np.array([0.0, 0.75, 0.25, 0.5, 0.5]),
    tables=np.array([XOR, XOR]),
    lags=(1, 2, 3),
    weights=(0.5, 0.3),
)


@pytest.mark.parametrize(
    ("history", "group_0"),
    [
        # Noise is 0.2 and falls on both groups alike.
        ([1, 1, 1], 0.1 + 0.5 + 0.3),
        ([1, 1, 3], 0.1),
        ([3, 1, 1], 0.1 + 0.5),
        ([4, 3, 2], 0.1 + 0.3),
        ([1, 4, 3, 2], 0.1 + 0.3),
        # Without a third item the second state's weight is noise, too.
        ([0, 1, 2], 0.25 + 0.5),
        ([0, 1, 3], 0.25),
        ([0, 0, 3], 0.5),
        ([0, 0, 0], 0.5),
        ([], 0.5),
    ],
)
def test_probabilities_by_hand(history, group_0):
    found = LAW.next_item_probabilities(np.array([history], dtype=int))
    expected = [
        0, group_0 * 0.75, group_0 * 0.25,
        (1 - group_0) * 0.5, (1 - group_0) * 0.5,
    ]  # fmt: skip
    np.testing.assert_allclose(found, [expected], rtol=0, atol=1e-12)


def test_ceiling_by_brute_force():
    # All histories of length three once, with any last item.
    rows = np.array(
        [(*h, 1) for h in itertools.product([1, 2, 3, 4], repeat=3)]
    )
    mrr, hits, ndcg = [], [], []
    for row in rows:
        a, b, c = (int(item > 2) for item in row[:3])
        group_0 = 0.1 + 0.5 * (b ^ c == 0) + 0.3 * (a ^ b ^ c == 0)
        p = sorted(
            [group_0 * 0.75, group_0 * 0.25]
            + [(1 - group_0) * 0.5, (1 - group_0) * 0.5]
        )[::-1]
        mrr.append(p[0] + p[1] / 2 + p[2] / 3)
        hits.append(p[0] + p[1] + p[2])
        ndcg.append(p[0] + p[1] / math.log2(3) + p[2] / 2)
    found = ceiling(rows, LAW, at=(3, 5))
    assert found["mrr_at_3"] == pytest.approx(np.mean(mrr), abs=1e-12)
    assert found["hit_rate_at_3"] == pytest.approx(np.mean(hits), abs=1e-12)
    assert found["ndcg_at_3"] == pytest.approx(np.mean(ndcg), abs=1e-12)
    # There are only four items.
    assert found["hit_rate_at_5"] == pytest.approx(1, abs=1e-12)


def test_the_law_knows_no_more_than_the_last_column_ahead():
    rows = np.array([[1, 2, 3, 1], [1, 2, 3, 4]])
    assert ceiling(rows[:1], LAW) == ceiling(rows[1:], LAW)


def test_samples_follow_the_law():
    history = np.repeat([[4, 3, 2]], 200_000, axis=0)
    generator = np.random.Generator(np.random.PCG64(5))
    drawn = LAW.sample(history, generator)
    frequencies = np.bincount(drawn, minlength=5) / len(drawn)
    # Group 0 has 0.4. Four standard errors are below 0.005.
    np.testing.assert_allclose(frequencies, [0, 0.3, 0.1, 0.3, 0.3], atol=0.005)


@pytest.mark.parametrize("min_length", [None, 2])
def test_generated_rows_follow_the_law(min_length):
    rows, law = generate(
        40_000, 8, 12, 3, num_groups=3, lags=(1, 2, 4), weights=(0.5, 0.4),
        min_length=min_length,
    )  # fmt: skip
    # A calibrated law: where it says p, the share of hits is p.
    for position in range(8):
        real = rows[:, position] > 0
        history, target = rows[real, :position], rows[real, position]
        p = law.next_item_probabilities(history)
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
        hit = np.zeros_like(p)
        hit[np.arange(len(target)), target] = 1
        for low, high in [(0, 0.02), (0.02, 0.1), (0.1, 0.3), (0.3, 1)]:
            chosen = (low <= p) & (p < high) & (np.arange(13) > 0)
            if chosen.sum() > 1000:
                error = (hit - p)[chosen]
                assert abs(error.mean()) < 5 * error.std() / error.size**0.5
        # The two states at once make the surest predictions.
        if position >= 4:
            assert p.max() == pytest.approx(
                (0.9 + 0.1 / 3) / (1 + 1 / 2 + 1 / 3 + 1 / 4), abs=1e-9
            )


def test_a_ranking_by_the_law_reaches_the_ceiling():
    rows, law = generate(20_000, 10, 40, 1, num_groups=4)
    p = law.next_item_probabilities(rows[:, :-1])
    of_target = p[np.arange(len(rows)), rows[:, -1]]
    rank = (p > of_target[:, None]).sum(axis=1) + (
        (p == of_target[:, None]) & (np.arange(41) < rows[:, -1:])
    ).sum(axis=1)
    best = ceiling(rows, law)
    hits = (rank < 5).mean()
    assert hits == pytest.approx(best["hit_rate_at_5"], abs=0.014)
    mrr = np.where(rank < 5, 1 / (rank + 1), 0).mean()
    assert mrr == pytest.approx(best["mrr_at_5"], abs=0.01)


def test_lengths():
    rows, _ = generate(2_000, 6, 20, 0, min_length=3, num_groups=4)
    lengths = (rows > 0).sum(axis=1)
    assert sorted(set(lengths.tolist())) == [3, 4, 5, 6]
    assert (np.diff((rows > 0).astype(int), axis=1) >= 0).all()


def test_same_seed_same_bytes(tmp_path):
    options = {"num_rows": 500, "t": 7, "num_items": 40}
    first = prepare_synthetic(tmp_path / "a", seed=1, **options)
    second = prepare_synthetic(tmp_path / "b", seed=1, **options)
    other = prepare_synthetic(tmp_path / "c", seed=2, **options)
    names = sorted(path.name for path in first.iterdir())
    assert len(names) == 4
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()
    name = "sessions-00000.npy"
    assert (first / name).read_bytes() != (other / name).read_bytes()


def test_a_folder_holds_the_law_of_its_own_ids(tmp_path):
    folder = prepare_synthetic(
        tmp_path / "s", num_rows=3000, t=8, num_items=30, num_groups=3
    )
    meta = json.loads((folder / "meta.json").read_text())
    rows = np.load(folder / "sessions-00000.npy")
    law = Law.from_json(meta["law"])
    assert law.num_items == meta["num_items"] == 30
    assert ceiling(rows, law) == meta["ceiling"]
    assert set(meta["ceiling"]) == {
        "mrr_at_5", "hit_rate_at_5", "ndcg_at_5",
        "mrr_at_10", "hit_rate_at_10", "ndcg_at_10",
    }  # fmt: skip
    counts = np.bincount(rows.ravel(), minlength=31)
    assert (np.diff(counts[1:]) <= 0).all()
    # The law gives the rows more likelihood than one with other ids.
    p = law.next_item_probabilities(rows[:, :-1])
    q = law.renumbered(np.arange(30, 0, -1)).next_item_probabilities(
        rows[:, :-1]
    )
    chosen = np.arange(len(rows)), rows[:, -1]
    assert np.log(p[chosen]).mean() > np.log(q[chosen]).mean() + 0.5


def test_an_item_that_is_never_drawn_keeps_its_probability(tmp_path):
    folder = prepare_synthetic(
        tmp_path / "s", num_rows=3, t=6, num_items=200, num_groups=4
    )
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["num_items"] == 200
    last = (folder / "items.csv").read_text().splitlines()[-1]
    assert last.startswith("200,") and last.endswith(",0")


@pytest.mark.parametrize(
    "option",
    [
        {"num_rows": 0},
        {"min_length": 21},
        {"lags": (1,), "weights": ()},
        {"lags": (2, 1, 3), "weights": (0.5, 0.5)},
        {"lags": (0, 1), "weights": (0.5,)},
        {"weights": (0.5, 0.5, 0.5)},
        {"weights": (0.5,)},
        {"num_groups": 1},
        {"num_groups": 999},
        {"exponent": -1.0},
    ],
)
def test_bad_arguments(tmp_path, option):
    with pytest.raises(DataError, match="^Expected .* Received: "):
        prepare_synthetic(tmp_path / "s", **{"num_rows": 9, **option})
    assert list(tmp_path.iterdir()) == []
