"""`model.evaluate_sessions`: metrics on sessions of any numbering."""

import logging
import math

import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf import Vocabulary
from nextitnet_tf.data import Sessions


def always(order, history_length=3):
    """A model that always ranks the items "a", "b", ... in this order."""
    model = nextitnet_tf.NextItNet(num_items=4, num_blocks=1, embedding_dim=2)
    model.vocabulary = Vocabulary(
        [None, *"abcd"], [0, 4, 3, 2, 1], 0, history_length=history_length
    )
    kernel, bias = model.item_softmax.get_weights()
    bias = np.zeros_like(bias)
    for place, item in enumerate(order):
        bias["abcd".index(item) + 1] = 10 - place
    # Padding is above all, and cannot be ranked.
    bias[0] = 20
    model.item_softmax.set_weights([np.zeros_like(kernel), bias])
    return model


def sessions(rows, raw_ids="abcd"):
    ids = {raw: i for i, raw in enumerate(raw_ids, start=1)}
    numbers = [[0 if raw == "-" else ids[raw] for raw in row] for row in rows]
    counts = [0] + [sum(row.count(raw) for row in rows) for raw in raw_ids]
    return Sessions(
        np.array(numbers, np.int32),
        np.zeros(len(rows), np.int32),
        Vocabulary([None, *raw_ids], counts, 0, len(rows[0]) - 1),
        {},
    )


def test_by_hand():
    found = always("cabd").evaluate_sessions(
        sessions(["-abc", "--ca", "cabd"]), batch_size=2
    )
    # Ranks: c 0, a 1, d 3.
    assert found["num_sessions"] == 3
    assert found["mrr_at_5"] == pytest.approx((1 + 1 / 2 + 1 / 4) / 3)
    assert found["hit_rate_at_5"] == 1
    assert found["ndcg_at_5"] == pytest.approx(
        (1 + 1 / math.log2(3) + 1 / math.log2(5)) / 3
    )


def test_without_the_items_of_the_history():
    found = always("cabd").evaluate_sessions(
        sessions(["-abc", "--ca", "cabd"]), exclude_seen=True
    )
    # a comes first where c was seen, d where all others were.
    assert found["mrr_at_5"] == 1


def test_another_numbering_gives_the_same():
    model = always("cabd")
    rows = ["-abc", "--ca", "cabd"]
    expected = model.evaluate_sessions(sessions(rows))
    assert model.evaluate_sessions(sessions(rows, "dbca")) == expected


def test_items_that_the_model_does_not_know(caplog):
    """One of a history is left out, one that follows is missed."""
    seen = []
    model = always("cabd")
    call = model.predict_on_batch

    def predict_on_batch(inputs):
        seen.append(np.array(inputs))
        return call(inputs)

    model.predict_on_batch = predict_on_batch
    with caplog.at_level(logging.WARNING):
        found = model.evaluate_sessions(
            sessions(["axbc", "--cy"], "abcdxy"), batch_size=2
        )
    assert seen[0].tolist() == [[0, 1, 2], [0, 0, 3]]
    assert found["mrr_at_5"] == found["hit_rate_at_10"] == 1 / 2
    assert "1 of 2 sessions end with an item" in caplog.text


def test_longer_and_shorter_sessions():
    """The latest items count, padded on the left."""
    model = always("cabd", history_length=2)
    found = model.evaluate_sessions(sessions(["abcdc"]), exclude_seen=True)
    # Of c, d alone d is seen: a and b are not left out.
    assert found["mrr_at_5"] == 1
    model = always("cabd", history_length=6)
    assert model.evaluate_sessions(sessions(["ac"]))["mrr_at_5"] == 1


def test_what_is_refused():
    model = always("cabd")
    model.vocabulary = None
    with pytest.raises(ValueError, match="knows its raw ids"):
        model.evaluate_sessions(sessions(["ab"]))
    model = nextitnet_tf.SSEPT(
        num_items=4, num_users=1, num_blocks=1, embedding_dim=4, max_length=3
    )
    model.vocabulary = always("abcd").vocabulary
    assert model.evaluate_sessions(sessions(["-abc"]))["num_sessions"] == 1
    with pytest.raises(ValueError, match="of the users"):
        model.evaluate_sessions(sessions(["-abc"], "dabc"))


def test_a_model_that_diverged():
    model = always("cabd")
    model.set_weights([w * np.nan for w in model.get_weights()])
    with pytest.raises(FloatingPointError, match="NaN or infinite"):
        model.evaluate_sessions(sessions(["ab"]))
