"""Sessions that grow click by click, against `encode` of the whole row."""

import zipfile

import h5py
import keras
import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf import Compression
from nextitnet_tf import NextItNet
from nextitnet_tf import SkipRec
from nextitnet_tf import Vocabulary
from nextitnet_tf.models import incremental
from tests import checks

N, T = 30, 8
CLICKS = [7, 3, 30, 7, 1, 12, 25, 2, 9, 9, 14, 28]
SHARED = Compression((9, N + 1), (8, 4), (8, 4), "adjacent_block")


def with_vocabulary(model):
    model.vocabulary = Vocabulary(
        [None, *(f"item {i}" for i in range(1, N + 1))],
        [0, *range(N, 0, -1)],
        padding_id=0,
        history_length=T,
    )
    return model


def make_model(**options):
    options = {"num_blocks": 3, "embedding_dim": 8, **options}
    model = NextItNet(num_items=N, **options)
    checks.scramble(model)
    return with_vocabulary(model)


def make_skip_rec(**options):
    model = SkipRec(make_model(num_blocks=6), **options)
    checks.scramble(model.skip_policy)
    return with_vocabulary(model)


def raw(ids):
    return [f"item {i}" for i in ids]


def top_by_hand(model, row, seen, k):
    """Of the row's last hidden state; neither padding nor what was seen."""
    hidden = np.array(model.encode(np.array([row]), keep=None))[:, -1]
    logits = np.array(model.item_softmax(hidden))[0]
    logits[[0, *seen]] = -np.inf
    return raw(np.argsort(-logits, kind="stable")[:k])


@pytest.mark.parametrize("num_before", [0, 3, 20])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kernel_size": 2, "dilation_rates": (1, 2, 4), "use_alpha": False},
        {"kernel_size": 1},
        {"num_blocks": 4, "compression": SHARED},
        {"relu_before_softmax": True},
        {"tie_output": True, "dropout_rate": 0.5},
    ],
    ids=["usual", "narrow", "one", "compressed", "relu", "tied"],
)
def test_after_each_click_as_the_whole_row(options, num_before):
    model = make_model(**options)
    history = np.random.default_rng(1).integers(1, N + 1, num_before).tolist()
    row = ([0] * T + history)[-T:]
    session = model.start(raw(history))
    for click in [None, *CLICKS]:
        if click is not None:
            session.append(f"item {click}")
            row.append(click)
            history.append(click)
        expected = np.array(model.encode(np.array([row])))[:, -1]
        np.testing.assert_allclose(
            session.hidden, expected, rtol=1e-5, atol=1e-5
        )
    assert session.item_ids == history
    assert session.top(5) == top_by_hand(model, row, history, 5)
    assert session.top(5, exclude_seen=False) == top_by_hand(model, row, [], 5)


@pytest.mark.parametrize("policy", ["cnn", "random"])
def test_a_policy_decides_at_the_start(policy):
    model = make_skip_rec(policy=policy)
    row = [0, 0, 5, 3, 22, 8, 1, 17]
    keep = np.array(model.keep(np.array([row])))
    assert 0 < keep.sum() < 6  # or nothing would be shown
    session = model.start(raw(row[2:]))
    np.testing.assert_array_equal(session.keep, keep)
    for click in CLICKS:
        session.append(f"item {click}")
        row.append(click)
        expected = np.array(model.encode(np.array([row]), keep=keep))[:, -1]
        np.testing.assert_allclose(
            session.hidden, expected, rtol=1e-5, atol=1e-5
        )


class Counts(keras.layers.Layer):
    """Counts how often it is called, as the graph runs."""

    def __init__(self):
        super().__init__()
        self.calls = self.add_weight(shape=(), dtype="int32", trainable=False)

    def call(self, x):
        self.calls.assign_add(1)
        return x


def test_skipped_blocks_are_not_called(monkeypatch):
    model = make_skip_rec()
    counts = []
    for block in model.backbone.blocks:
        count = Counts()
        call = block.call

        def counting(x, call=call, count=count, **kwargs):
            return call(count(x), **kwargs)

        monkeypatch.setattr(block, "call", counting)
        counts.append(count)
    monkeypatch.setattr(model, "keep", lambda row: KEEP)
    session = model.start(raw([5, 3]))
    for click in CLICKS[:4]:
        session.append(f"item {click}")
    found = [int(count.calls) for count in counts]
    assert found == [5, 0, 5, 0, 0, 5]


KEEP = np.array([[1, 0, 1, 0, 0, 1]], "float32")


def test_it_begins_as_recommend_answers():
    for model in (make_model(), make_skip_rec()):
        for history in (raw([3, 5, 9]), raw(range(1, 15)), [], ["unknown"]):
            session = model.start(history)
            for exclude_seen in (True, False):
                assert (
                    session.top(4, exclude_seen)
                    == (model.recommend([history], 4, exclude_seen)[0])
                )
    # The most popular, until there is an item.
    session = make_model().start([])
    assert session.top(3) == raw([1, 2, 3])
    session.append("item 1")
    assert "item 1" not in session.top(N) and len(session.top(N)) == N - 1


@pytest.mark.parametrize("make", [make_model, make_skip_rec])
def test_an_evaluation_asks_what_sessions_answer(make):
    model = make()
    histories = [[5, 3, 22, 8, 1, 17], [4, 9, 9, 2, 30, 11, 6, 7], [3, 4], []]
    rows = np.array([([0] * T + history)[-T:] for history in histories])
    for clicks in (1, 4):
        logits = np.array(incremental.AfterClicks(model, clicks)(rows))
        for history, row in zip(histories, logits, strict=True):
            if not history:  # which has no session, but an answer
                assert np.isfinite(row).all()
                continue
            session = model.start(raw(history[:-clicks]))
            for item in raw(history[-clicks:]):
                session.append(item)
            row[[0, *history]] = -np.inf
            best = np.argsort(-row, kind="stable")[:5]
            assert session.top(5) == raw(best)
    with pytest.raises(ValueError, match="`clicks` must be at least 1"):
        incremental.AfterClicks(model, 0)


def test_sessions_do_not_disturb_each_other():
    model = make_model()
    first, second = model.start(raw([4])), model.start(raw([8, 9]))
    for click in CLICKS[:3]:
        first.append(f"item {click}")
        second.append(f"item {click + 1 if click < N else 1}")
    again = model.start(raw([4]))
    for click in CLICKS[:3]:
        again.append(f"item {click}")
    np.testing.assert_array_equal(first.hidden, again.hidden)
    assert first.top() == again.top()


def test_a_model_that_has_sessions_is_saved(tmp_path):
    model = make_skip_rec()
    model.start(raw([4])).top()
    files = []
    for name, one in (("used", model), ("unused", make_skip_rec())):
        one.save(tmp_path / f"{name}.keras")
        with zipfile.ZipFile(tmp_path / f"{name}.keras") as archive:
            archive.extract("model.weights.h5", tmp_path / name)
        with h5py.File(tmp_path / name / "model.weights.h5") as file:
            files.append([])
            file.visit(files[-1].append)
    # What answers is there, without weights, as it is after `recommend`.
    files[0] = [n for n in files[0] if not n.startswith("_top_items")]
    assert files[0] == files[1]
    copy = keras.saving.load_model(tmp_path / "used.keras")
    assert copy.start(raw([4])).top() == model.start(raw([4])).top()


def test_unknown_items_are_skipped(caplog):
    session = make_model().start(raw([4, 5]))
    before = session.hidden
    with caplog.at_level("WARNING"):
        session.append("something else")
    np.testing.assert_array_equal(session.hidden, before)
    assert session.item_ids == [4, 5]
    assert "skipped: 1" in caplog.text


def test_one_compiled_step(monkeypatch):
    """Traced for a row and for a click, whatever the sessions."""
    model = make_model()
    traced = []
    encode_more = model.encode_more

    def watched(item_ids, *args):
        traced.append(tuple(item_ids.shape))
        return encode_more(item_ids, *args)

    monkeypatch.setattr(model, "encode_more", watched)
    for history in ([], [3], range(1, 20)):
        session = model.start(raw(history))
        for click in CLICKS:
            session.append(f"item {click}")
    assert traced.count((1, T)) == traced.count((1, 1)) == len(traced) // 2
    assert len(traced) <= 4


def test_half_precision_and_few_bits():
    model = make_model(dtype="mixed_bfloat16")
    few_bits = make_model()
    few_bits.quantize("int8", filters="^item_")
    for one, close in ((model, 0.05), (few_bits, 1e-5)):
        session = one.start(raw([4, 5]))
        for click in CLICKS[:3]:
            session.append(f"item {click}")
        row = np.array([[0] * (T - 2) + [4, 5] + CLICKS[:3]])
        expected = np.array(one.encode(row)[:, -1], "float32")
        found = np.array(session.hidden, "float32")
        atol = close * np.abs(expected).max()
        np.testing.assert_allclose(found, expected, atol=atol)
        assert len(session.top(4)) == 4


def test_scores_that_are_no_numbers():
    model = make_model()
    session = model.start(raw([4]))
    model.item_softmax.bias.assign(np.full(N + 1, np.nan))
    with pytest.raises(FloatingPointError, match="finite"):
        session.top()


def test_what_is_refused():
    deep = {"num_items": N, "num_blocks": 1, "embedding_dim": 8}
    sasrec = nextitnet_tf.SASRec(**deep)
    for refused, message in (
        (sasrec, "A SASRec does not grow"),
        (SkipRec(sasrec), "A SASRec does not grow"),
        (nextitnet_tf.GRU4Rec(N), "A GRU4Rec does not grow"),
        (nextitnet_tf.FineTuned(make_model(), N), "A FineTuned does not grow"),
        (nextitnet_tf.GRec(**deep, variant="original"), "A GRec whose conv"),
        (NextItNet(**deep, causal=False), "A NextItNet whose conv"),
    ):
        with pytest.raises(ValueError, match=message):
            with_vocabulary(refused).start(raw([1]))
    model = make_model()
    for history in ("item 1", {"item 1"}, 3):
        with pytest.raises(ValueError, match="sequence of raw ids"):
            model.start(history)
    session = model.start(raw([1]))
    for item in (["item 2"], None, 1.5):
        with pytest.raises(ValueError, match="Expected an int or a str"):
            session.append(item)
    with pytest.raises(ValueError, match="`k` must be a whole number"):
        session.top(0)
    row = np.array([[1]])
    for state, keep, wrong in (
        (np.zeros((1, 3, 8)), None, "a state of 36 positions"),
        (None, np.ones((2, 3)), "of a single history"),
        (None, np.ones((1, 2)), "a column for each of the 3"),
    ):
        with pytest.raises(ValueError, match=wrong):
            model.encode_more(row, state, keep)
    model.vocabulary = None
    with pytest.raises(ValueError, match="knows its raw ids"):
        model.start([1])
