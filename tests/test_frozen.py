"""Frozen models answer as they did, whatever becomes of their weights."""

import threading
import time
from concurrent import futures

import keras
import numpy as np
import pytest
import tensorflow as tf

import nextitnet_tf
from nextitnet_tf import SkipRec
from nextitnet_tf.models import frozen
from tests import checks
from tests import test_incremental as sessions

N, T, CLICKS = sessions.N, sessions.T, sessions.CLICKS
raw, with_vocabulary = sessions.raw, sessions.with_vocabulary
HISTORIES = [raw([3, 5, 9]), raw(range(1, 15)), [], raw([2, 2]), ["unknown"]]
SMALL = {"num_items": N, "embedding_dim": 8}
DEEP = {**SMALL, "num_blocks": 2}
MODELS = {
    "nextitnet": lambda: sessions.make_model(),
    "compressed": lambda: sessions.make_model(
        num_blocks=4, compression=sessions.SHARED
    ),
    "skip_rec": lambda: sessions.make_skip_rec(),
    "skip_rec gru": lambda: sessions.make_skip_rec(policy="gru"),
    "grec": lambda: nextitnet_tf.GRec(**DEEP),
    "sasrec": lambda: nextitnet_tf.SASRec(**DEEP, max_length=T),
    "gru4rec": lambda: nextitnet_tf.GRU4Rec(**SMALL),
    "caser": lambda: nextitnet_tf.Caser(**SMALL, window=7),
    "nfm": lambda: nextitnet_tf.NFM(**SMALL),
    "fine_tuned": lambda: nextitnet_tf.FineTuned(sessions.make_model(), N),
}


def make(name):
    keras.utils.set_random_seed(1)
    model = with_vocabulary(MODELS[name]())
    if name == "fine_tuned":
        model.source_vocabulary = model.vocabulary
    checks.scramble(model)
    return model


def best_by_hand(model, ids, k, seen):
    """The items of the largest logits, neither padding nor seen."""
    logits = np.array(model(np.array([([0] * T + ids)[-T:]], "int32")))[0]
    logits[[0, *seen]] = -np.inf
    return raw(np.argsort(-logits, kind="stable")[:k])


@pytest.mark.parametrize("name", MODELS)
def test_it_answers_by_the_model_s_logits(name):
    model = make(name)
    served = model.freeze()
    found = served.recommend(HISTORIES, k=4)
    for answer, ids in zip(found, ([3, 5, 9], [*range(1, 15)]), strict=False):
        seen = [] if name == "fine_tuned" else ids
        assert answer == best_by_hand(model, ids, 4, seen)
    # The most popular, where there is no item.
    assert found[2] == found[4] == raw([1, 2, 3, 4])
    assert served.recommend([raw([3])], 5, exclude_seen=False) == [
        best_by_hand(model, [3], 5, [])
    ]
    assert served.recommend([]) == []


@pytest.mark.parametrize(
    ("name", "limits"),
    [
        ("nextitnet", {}),
        ("nextitnet", {"_MOST_BYTES": 0}),
        ("compressed", {"_MOST_BYTES_OF_ALL": 3000}),
        ("skip_rec", {"_MOST_BYTES": 300}),
    ],
)
def test_weights_are_held(name, limits, monkeypatch):
    """As constants, and handed over at each call, though training goes on."""
    for limit, value in limits.items():
        monkeypatch.setattr(frozen, limit, value)
    model = make(name)
    expected = model.recommend(HISTORIES[:2], 5)
    session = model.start(raw([4]))
    hidden = [session.hidden]
    for click in CLICKS[:2]:
        session.append(f"item {click}")
        hidden.append(session.hidden)
    top = session.top(5)
    served = model.freeze()
    model.compile(keras.optimizers.SGD(5.0))
    rows = np.random.default_rng(0).integers(1, N + 1, (8, T))
    model.train_on_batch(rows, rows)
    checks.scramble(model, 3)
    assert model.recommend(HISTORIES[:2], 5) != expected
    assert served.recommend(HISTORIES[:2], 5) == expected
    session = served.start(raw([4]))
    for click, before in zip([*CLICKS[:2], 1], hidden, strict=True):
        np.testing.assert_allclose(session.hidden, before, atol=1e-5)
        if before is not hidden[-1]:
            session.append(f"item {click}")
    assert session.top(5) == top


def test_counting_models_are_frozen():
    rows = np.random.default_rng(0).integers(1, N + 1, (60, T))
    for kind in ("MostPop", "Markov", "ItemKNN", "EASE"):
        model = with_vocabulary(getattr(nextitnet_tf, kind)(N))
        model.adapt(rows)
        assert model.freeze().recommend(HISTORIES, 6) == model.recommend(
            HISTORIES, 6
        )


def test_which_blocks_ran():
    model = make("skip_rec")
    answers, choices = model.freeze().recommend(HISTORIES[:2], 3, explain=True)
    rows = [([0] * T + ids)[-T:] for ids in ([3, 5, 9], [*range(1, 15)])]
    keep = np.array(model.keep(np.array(rows)))
    assert 0 < keep.mean() < 1
    np.testing.assert_array_equal(choices, keep)
    assert answers == model.recommend(HISTORIES[:2], 3)
    with pytest.raises(ValueError, match="chooses which blocks run"):
        make("nextitnet").freeze().recommend(HISTORIES, explain=True)


def test_compiled_once_a_shape(monkeypatch):
    model = make("nextitnet")
    traced = []
    last_hidden = model.last_hidden

    def watched(item_ids, *args, **kwargs):
        traced.append(item_ids.shape[0])
        return last_hidden(item_ids, *args, **kwargs)

    monkeypatch.setattr(model, "last_hidden", watched)
    served = model.freeze()
    for _ in range(2):
        served.recommend(HISTORIES[:1])
        served.recommend(HISTORIES[:2], k=3)
        # What is asked for, and how long histories are, is no new network.
        served.recommend([raw(range(1, 30))] * 2, exclude_seen=False)
    assert traced == [1, 2]


def test_threads_that_ask_at_once(monkeypatch):
    model = make("nextitnet")
    expected = model.recommend(HISTORIES, 5)
    traced = []
    last_hidden = model.last_hidden

    def watched(*args, **kwargs):
        traced.append(threading.get_ident())
        time.sleep(0.3)  # so that the others come meanwhile
        return last_hidden(*args, **kwargs)

    monkeypatch.setattr(model, "last_hidden", watched)
    served = model.freeze()
    with futures.ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(served.recommend, HISTORIES, 5) for _ in range(8)]
    assert [answer.result() for answer in asked] == [expected] * 8
    assert len(traced) == 1


def test_constants_are_few():
    """Each program has copies of them, so that their sum is bounded."""
    weights = [keras.Variable(np.zeros(n, "float32")) for n in MANY]
    held = frozen.HeldWeights(weights)
    assert [v.shape[0] for v, _ in held._constants] == [1_000_000] * 3 + [
        900_000
    ]
    assert [v.shape[0] for v, _ in held._tables] == [1_000_001, 1_000_000]


MANY = [1_000_000, 1_000_001, *[1_000_000] * 2, 900_000, 1_000_000]


def test_layers_without_xla_are_left_to_the_backend(monkeypatch):
    """As recurrent ones are on GPUs, by Keras."""
    asked = []
    function = tf.function

    def watched(program, jit_compile=None):
        asked.append(jit_compile)
        return function(program, jit_compile=jit_compile)

    monkeypatch.setattr(tf, "function", watched)
    model = make("nextitnet")
    model.freeze().recommend(HISTORIES[:1])
    model.blocks[1].conv1.supports_jit = False
    model.freeze().recommend(HISTORIES[:1])
    assert asked == [True, True, None, None]


def test_what_is_refused():
    model = sessions.make_model()
    model.vocabulary = None
    with pytest.raises(ValueError, match="knows its raw ids"):
        model.freeze()
    noisy = with_vocabulary(SkipRec(sessions.make_model(), is_noisy=True))
    with pytest.raises(ValueError, match="draws at each answer"):
        noisy.freeze()
    inside = with_vocabulary(nextitnet_tf.FineTuned(noisy, N))
    inside.source_vocabulary = noisy.vocabulary
    with pytest.raises(ValueError, match="draws at each answer"):
        inside.freeze()
    served = make("sasrec").freeze()
    with pytest.raises(ValueError, match="A SASRec does not grow"):
        served.start(raw([1]))
    for wrong in (0, -1, True, 1.5):
        with pytest.raises(ValueError, match="`k` must be"):
            served.recommend(HISTORIES, k=wrong)
    model = make("nextitnet")
    model.item_softmax.bias.assign(np.full(N + 1, np.nan))
    with pytest.raises(FloatingPointError, match="finite"):
        model.freeze().recommend(HISTORIES)


def test_a_model_that_has_become_another():
    """Not half of the one and half of the other, in silence."""
    model = make("nextitnet")
    for change in (
        lambda: with_vocabulary(model),
        lambda: model.quantize("int8", filters="^item_"),
    ):
        served = model.freeze()
        change()
        with pytest.raises(ValueError, match="another since it was frozen"):
            served.recommend(HISTORIES)
        with pytest.raises(ValueError, match="another since it was frozen"):
            served.start(HISTORIES[0])
    assert model.freeze().recommend(HISTORIES) == model.recommend(HISTORIES)
