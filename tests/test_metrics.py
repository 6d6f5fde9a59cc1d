"""Ranks and ranking metrics, against hand-made numbers and TensorFlow."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from nextitnet_tf import metrics
from nextitnet_tf.metrics import target_rank

INF = math.inf
NAN = math.nan


@pytest.mark.parametrize(
    ("logits", "target", "expected"),
    [
        ([1.0, 3.0, 2.0], 0, 2),
        ([1.0, 3.0, 2.0], 1, 0),
        ([1.0, 3.0, 2.0], 2, 1),
        ([5.0], 0, 0),
        # Ties: the lower id first.
        ([2.0, 2.0, 2.0, 2.0], 0, 0),
        ([2.0, 2.0, 2.0, 2.0], 1, 1),
        ([2.0, 2.0, 2.0, 2.0], 3, 3),
        ([1.0, 4.0, 1.0, 4.0], 2, 3),
        ([0.0, -0.0, 0.0], 1, 1),
        # Columns that were taken out.
        ([-INF, 1.0, 2.0], 1, 1),
        ([-INF, 1.0, 2.0], 0, 2),
        ([-INF, -INF, 2.0], 0, 1),
        ([-INF, -INF, 2.0], 1, 2),
        ([INF, INF, 0.0], 1, 1),
        # What is not a number ranks as badly as can be.
        ([NAN, 1.0, 2.0], 2, 1),
        ([2.0, 1.0, NAN], 0, 1),
        ([NAN, 1.0, 2.0], 0, 2),
        ([2.0, 1.0, NAN], 2, 2),
        ([NAN, NAN, NAN], 0, 2),
        ([NAN, -INF, 0.0], 1, 2),
    ],
)
def test_target_rank(logits, target, expected):
    rank = target_rank(np.array([logits], "float32"), np.array([target]))
    assert np.array(rank).tolist() == [expected]


@pytest.mark.parametrize(
    ("logits", "target", "ignored", "seen", "expected"),
    [
        ([2.0, 2.0, 2.0, 2.0], 3, (), None, 0),
        ([2.0, 2.0, 2.0, 2.0], 0, (), None, 3),
        ([1.0, 4.0, 1.0, 4.0], 0, (), None, 3),
        ([1.0, 4.0, 1.0, 4.0], 2, (), None, 2),
        ([1.0, 3.0, 2.0], 0, (), None, 2),
        # Column 3 cannot be ranked; 1 and 3 are not counted.
        ([2.0, 2.0, 2.0, 2.0], 0, (3,), None, 2),
        ([2.0, 2.0, 2.0, 2.0], 0, (3,), [1, 1, 0], 1),
        ([2.0, 2.0, 2.0, 2.0], 2, (), [1, 3, 0], 0),
    ],
)
def test_ties_to_the_higher_id(logits, target, ignored, seen, expected):
    logits = np.array([logits], "float32")
    seen = None if seen is None else np.array([seen])
    rank = metrics.rank_among(
        logits, np.array([target]), ignored, seen, ties_to="higher"
    )
    assert np.array(rank).tolist() == [expected]
    # Keras' own evaluate has a metric for it.
    metric = metrics.HitRate(at=1, ignored_ids=ignored, ties_to="higher")
    metric.update_state(np.array([target]), logits)
    if seen is None:
        assert float(metric.result()) == (expected == 0)


def test_target_rank_of_a_batch():
    logits = np.array([[0, 1, 2], [2, 1, 0], [1, 1, 1]], "float32")
    rank = target_rank(logits, np.array([0, 0, 2]))
    assert np.array(rank).tolist() == [2, 0, 2]


def test_target_rank_under_tf_function_and_xla():
    logits = np.array([[0, 1, 2], [2, 2, 0]], "float32")
    for jit_compile in (False, True):
        compiled = tf.function(target_rank, jit_compile=jit_compile)
        found = compiled(tf.constant(logits), tf.constant([1, 1]))
        assert found.numpy().tolist() == [1, 1]


@settings(max_examples=50, deadline=None)
@given(
    num_columns=st.integers(1, 12),
    num_values=st.integers(1, 5),
    seed=st.integers(0, 2**31),
)
def test_target_rank_is_the_place_in_top_k(num_columns, num_values, seed):
    generator = np.random.default_rng(seed)
    # Few values: many ties.
    logits = generator.integers(0, num_values, (8, num_columns))
    logits = logits.astype("float32")
    targets = generator.integers(0, num_columns, 8)
    order = tf.math.top_k(logits, num_columns).indices.numpy()
    expected = [list(o).index(t) for o, t in zip(order, targets, strict=True)]
    assert np.array(target_rank(logits, targets)).tolist() == expected


def test_items_of_the_history_left_out_by_hand():
    # Columns by falling logit: 3, 1, 4, 0, 2.
    logits = np.array([[1, 3, 0, 4, 2]] * 5, "float32")
    targets = np.array([0, 0, 0, 3, 2])
    seen = np.array(
        [
            [2, 2, 2],  # below the target
            [1, 3, 1],  # both above it, one of them twice
            [0, 4, 4],  # the target is in its own history, and stays
            [3, 3, 3],  # nothing but the target
            [0, 1, 3],
        ]
    )
    found = metrics.rank_among(logits, targets, (), seen)
    assert np.array(found).tolist() == [3, 1, 2, 0, 1]
    # Column 4 cannot be ranked at all: it is not left out twice.
    found = metrics.rank_among(logits, targets, (4,), seen)
    assert np.array(found).tolist() == [2, 0, 2, 0, 0]


@settings(max_examples=50, deadline=None)
@given(
    num_columns=st.integers(1, 9),
    length=st.integers(1, 6),
    num_values=st.integers(1, 4),
    seed=st.integers(0, 2**31),
)
def test_items_of_the_history_are_as_if_they_scored_nothing(
    num_columns, length, num_values, seed
):
    generator = np.random.default_rng(seed)
    logits = generator.integers(0, num_values, (8, num_columns))
    logits = logits.astype("float32")
    targets = generator.integers(0, num_columns, 8)
    seen = generator.integers(0, num_columns, (8, length))
    without = logits.copy()
    for row, history, target in zip(without, seen, targets, strict=True):
        row[[i for i in history if i != target]] = -1
    expected = np.array(target_rank(without, targets))
    found = metrics.rank_among(logits, targets, (), seen)
    assert np.array(found).tolist() == expected.tolist()


# --- metrics --------------------------------------------------------------

# Ranks 0, 4, 5, 9, 10 of the target 0 among twelve columns.
RANKS = (0, 4, 5, 9, 10)


def logits_of_rank(rank, num_columns=12):
    """Logits for which column 0 has this rank."""
    row = np.zeros(num_columns, "float32")
    row[1 : rank + 1] = 2
    row[0] = 1
    return row


def five_sessions():
    return np.zeros(5, "int32"), np.stack([logits_of_rank(r) for r in RANKS])


@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("MRR", 5, (1 + 1 / 5) / 5),
        ("MRR", 10, (1 + 1 / 5 + 1 / 6 + 1 / 10) / 5),
        ("HitRate", 5, 2 / 5),
        ("HitRate", 10, 4 / 5),
        ("NDCG", 5, (1 + 1 / math.log2(6)) / 5),
        (
            "NDCG",
            10,
            (1 + 1 / math.log2(6) + 1 / math.log2(7) + 1 / math.log2(11)) / 5,
        ),
        ("HitRate", 1, 1 / 5),
        ("HitRate", 11, 1),
    ],
)
def test_metrics_by_hand(name, at, expected):
    metric = getattr(metrics, name)(at=at)
    targets, logits = five_sessions()
    # In two batches of unequal size: a mean over sessions, not batches.
    metric.update_state(targets[:2], logits[:2])
    metric.update_state(targets[2:], logits[2:])
    assert float(metric.result()) == pytest.approx(expected, rel=1e-6)
    metric.reset_state()
    metric.update_state(targets[:1], logits[:1])
    assert float(metric.result()) == 1


def test_metrics_of_known_ranks():
    found = metrics.from_ranks(np.array(RANKS))
    assert set(found) == {
        f"{name}_at_{n}"
        for name in ("mrr", "hit_rate", "ndcg")
        for n in (5, 10)
    }
    assert found["mrr_at_5"] == pytest.approx((1 + 1 / 5) / 5)
    assert found["hit_rate_at_10"] == pytest.approx(4 / 5)
    assert found["ndcg_at_5"] == pytest.approx((1 + 1 / math.log2(6)) / 5)


def test_rows_of_weight_0_do_not_count():
    metric = metrics.MRR(at=5)
    targets, logits = five_sessions()
    metric.update_state(
        targets, logits, sample_weight=np.array([1, 1, 0, 0, 0], "float32")
    )
    assert float(metric.result()) == pytest.approx((1 + 1 / 5) / 2)
    metric.update_state(
        targets, logits, sample_weight=np.array([0, 0, 1, 0, 0], "float32")
    )
    assert float(metric.result()) == pytest.approx((1 + 1 / 5) / 3)


def test_ignored_columns_are_not_ranked():
    targets = np.array([2, 2])
    logits = np.array([[9, 1, 3, 4], [1, 1, 3, 2]], "float32")
    metric = metrics.MRR(at=5)
    metric.update_state(targets, logits)
    assert float(metric.result()) == pytest.approx((1 / 3 + 1) / 2)
    for ignored_ids, expected in (
        ((0,), (1 / 2 + 1) / 2),
        ((0, 3), 1.0),
        ((1,), (1 / 3 + 1) / 2),
    ):
        metric = metrics.MRR(at=5, ignored_ids=ignored_ids)
        metric.update_state(targets, logits)
        assert float(metric.result()) == pytest.approx(expected)


def test_a_model_that_diverged_never_looks_good():
    # All logits NaN: comparisons that are false must not make rank 0.
    metric = metrics.HitRate(at=5)
    metric.update_state(
        np.zeros(4, "int32"), np.full((4, 20), np.nan, "float32")
    )
    assert float(metric.result()) == 0


def test_a_target_beyond_the_cutoff_scores_exactly_0():
    for name in ("MRR", "HitRate", "NDCG"):
        metric = getattr(metrics, name)(at=5)
        metric.update_state(np.array([0]), logits_of_rank(5)[None])
        assert float(metric.result()) == 0


def test_make_ranking_metrics():
    made = metrics.make_ranking_metrics(cutoffs=(5, 10), ignored_ids=(0,))
    assert [m.name for m in made] == [
        *("mrr_at_5", "hit_rate_at_5", "ndcg_at_5"),
        *("mrr_at_10", "hit_rate_at_10", "ndcg_at_10"),
    ]
    assert all(m.ignored_ids == (0,) for m in made)
    again = metrics.make_ranking_metrics()
    assert len(again) == 6
    assert not set(map(id, made)) & set(map(id, again))


@pytest.mark.parametrize("name", ["MRR", "HitRate", "NDCG"])
def test_metrics_keep_their_configuration(name):
    metric = getattr(metrics, name)(at=7, ignored_ids=(0, 3), ties_to="higher")
    copy = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(metric)
    )
    assert type(copy) is type(metric)
    assert copy.at == 7
    assert copy.ignored_ids == (0, 3)
    assert copy.ties_to == "higher"
    assert copy.name == metric.name


# --- beside others' -------------------------------------------------------


def test_as_a_published_library_has_it():
    """Ties included: it takes the name that comes last for the better."""
    ir_measures = pytest.importorskip(
        "ir_measures", reason="ir-measures is not installed"
    )
    generator = np.random.default_rng(0)
    logits = generator.integers(0, 6, (200, 30)).astype("float32")
    targets = generator.integers(0, 30, 200)
    names = [f"{99 - column}" for column in range(30)]
    asked = {str(row): {names[column]: 1} for row, column in enumerate(targets)}
    ranked = {
        str(row): dict(zip(names, map(float, scores), strict=True))
        for row, scores in enumerate(logits)
    }
    found = metrics.from_ranks(np.asarray(metrics.target_rank(logits, targets)))
    # Its RR with a cutoff breaks ties in another way.
    of_rows = ir_measures.iter_calc([ir_measures.RR], asked, ranked)
    reciprocal = np.array([of_row.value for of_row in of_rows])
    assert len(reciprocal) == 200
    for cutoff in (5, 10):
        theirs = {
            "mrr": np.where(reciprocal >= 1 / cutoff, reciprocal, 0).mean()
        }
        for name, measure in (
            ("hit_rate", ir_measures.Success @ cutoff),
            ("ndcg", ir_measures.nDCG @ cutoff),
        ):
            done = ir_measures.calc_aggregate([measure], asked, ranked)
            theirs[name] = done[measure]
        for name, value in theirs.items():
            ours = found[f"{name}_at_{cutoff}"]
            assert ours == pytest.approx(value, abs=1e-6), (name, cutoff)
