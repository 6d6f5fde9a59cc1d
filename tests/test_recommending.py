"""Which items are recommended: by hand, from files, in exported models."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import nextitnet_tf
from nextitnet_tf import NextItNet
from nextitnet_tf import Vocabulary
from nextitnet_tf import metrics
from nextitnet_tf.models import MODELS
from nextitnet_tf.models import recommending
from nextitnet_tf.models import saved
from nextitnet_tf.models.sequential_recommender import SequentialRecommender
from tests import checks


def markov_model(raw_ids=(31, 32, 33, 34, 35), counts=(10, 50, 40, 20, 30)):
    """Scores depend on the last item alone: row i of `scores`.

    Column 0, padding, always has the highest.
    """
    scores = np.array(
        [
            [99, 0, 0, 0, 0, 0],
            [99, 1, 2, 3, 4, 5],  # after item 1: 5, 4, 3, 2, 1
            [99, 5, 4, 3, 2, 1],
            [99, 3, 1, 2, 5, 4],
            [99, 2, 2, 2, 2, 2],  # after item 4: ties
            [99, 1, 5, 2, 4, 3],
        ],
        "float32",
    )
    model = NextItNet(num_items=5, num_blocks=1, embedding_dim=6)
    model.item_embedding.embeddings.assign(np.eye(6))
    model.item_softmax.kernel.assign(scores.T)
    model.item_softmax.bias.assign(np.zeros(6))
    model.vocabulary = Vocabulary(
        raw_ids=[None, *raw_ids],
        counts=[0, *counts],
        padding_id=0,
        history_length=3,
    )
    return model


def test_recommend():
    model = markov_model()
    assert model.recommend([[31], [33, 32]], k=2) == [[35, 34], [31, 34]]
    assert model.recommend([[31], [33, 32]], k=2, exclude_seen=False) == [
        [35, 34],
        [31, 32],
    ]
    assert model.recommend([[34]], k=3) == [[31, 32, 33]]  # ties: lower id
    assert model.recommend([]) == []


@pytest.mark.parametrize("is_frozen", [False, True])
def test_recommend_with_scores(is_frozen):
    """Logits of the last item's row, or how often an item occurs."""
    model = markov_model()
    asked = model.freeze() if is_frozen else model
    assert asked.recommend(
        [[31], [33, 32], [], [31, 32, 33, 34]], k=2, with_scores=True
    ) == [
        [(35, 5.0), (34, 4.0)],
        [(31, 5.0), (34, 2.0)],
        [(32, 50.0), (33, 40.0)],
        [(35, 2.0)],
    ]
    table = {"user": ["eve"], "item": [31]}
    assert asked.recommend(table, k=1, with_scores=True) == {"eve": [(35, 5.0)]}


def test_recommend_has_defaults():
    assert markov_model().recommend([[31]]) == [[35, 34, 33, 32]]


def test_recommend_skips_unknown_ids(caplog):
    model = markov_model()
    with caplog.at_level("WARNING"):
        assert model.recommend([[31, 77], [99, 31, "x"]], k=2) == [
            [35, 34],
            [35, 34],
        ]
        model.recommend([[31]])
    (message,) = (r.getMessage() for r in caplog.records if "unk" in r.msg)
    assert "3" in message


def test_recommend_the_most_popular_to_a_user_without_history():
    model = markov_model()
    for history in ([], ["unknown"]):
        assert model.recommend([history], k=3) == [[32, 33, 35]]
    assert model.recommend([[], [31]], k=1) == [[32], [35]]


def test_recommend_never_padding_and_at_most_all_items():
    model = markov_model()
    for history in ([], [31], [34], [31, 32, 33, 34]):
        for exclude_seen in (True, False):
            (items,) = model.recommend(
                [history], k=100, exclude_seen=exclude_seen
            )
            expected = {31, 32, 33, 34, 35}
            if exclude_seen:
                expected -= set(history)
            assert set(items) == expected
            assert len(items) == len(expected)


def test_recommend_takes_ids_as_text_or_numbers():
    model = markov_model()
    expected = model.recommend([[33, 32]])
    assert model.recommend([["33", "32"]]) == expected
    model = markov_model(raw_ids=("a", "007", "c,d", "ü", "e"))
    assert model.recommend([["a"]], k=2) == [["e", "ü"]]
    assert model.recommend([["c,d", "007"]], k=1) == [["a"]]


class Shown(SequentialRecommender):
    """Item p + 1 has the id that is shown at position p for a score."""

    def __init__(self):
        super().__init__(num_items=5)
        self.built = True

    def call(self, item_ids, training=None):
        assert training is False
        shown = ops.cast(item_ids, "float32")  # (B, 3)
        others = ops.full_like(shown[:, :1], -1)
        return ops.concatenate([others, shown, others, others], axis=1)


@pytest.mark.parametrize(
    ("item_ids", "best", "scores"),
    [
        ([5], [3, 1, 2], [5, 0, 0]),  # padded on the left
        ([1, 0, 2], [3, 1, 2], [2, 1, 0]),
        ([1, 2, 3, 4, 5], [3, 2, 1], [5, 4, 3]),  # the latest three
        ([0, 0, 0, 0, 2], [3, 1, 2], [2, 0, 0]),
    ],
)
def test_what_the_model_is_shown(item_ids, best, scores):
    model = Shown()
    model.vocabulary = markov_model().vocabulary
    found = model.top_items(np.array([item_ids]), k=3, exclude_seen=False)
    assert np.array(found["item_ids"]).tolist() == [best]
    assert np.array(found["scores"]).tolist() == [scores]


def test_recommend_shows_the_latest_items():
    model = Shown()
    model.vocabulary = markov_model().vocabulary
    histories = [[35], [31, 77, 32], [31, 32, 33, 34, 35], [32, 31]]
    # Item 33 has the score of the latest, 32 of the one before.
    assert model.recommend(histories, exclude_seen=False) == [
        [33, 31, 32, 34, 35],
        [33, 32, 31, 34, 35],
        [33, 32, 31, 34, 35],
        [32, 33, 31, 34, 35],
    ]


def test_every_item_of_a_long_history_is_left_out():
    model = markov_model()
    assert model.recommend([[31, 32, 33, 34, 35], [], [31, 32, 33]]) == [
        [],
        [32, 33, 35, 34, 31],
        [34, 35],
    ]
    # Four are seen, three shown; after item 5: 2, 4, 5, 3, 1.
    assert model.recommend([[34, 33, 31, 35], [35]]) == [[32], [32, 34, 33, 31]]


def test_where_fewer_items_are_left_than_asked_for():
    model = markov_model()
    item_ids = np.array([[0, 0, 1, 2, 3, 5], [0, 0, 0, 0, 0, 0]])
    found = model.top_items(item_ids, k=3)
    assert np.array(found["item_ids"]).tolist() == [[4, 0, 0], [2, 3, 5]]
    scores = np.array(found["scores"]).tolist()
    assert scores == [[4, -np.inf, -np.inf], [50, 40, 30]]
    # After item 5 alone, and more than there are.
    found = model.top_items(np.array([[5]]), k=7)
    assert np.array(found["item_ids"]).tolist() == [[2, 4, 3, 1, 0]]
    scores = np.array(found["scores"]).tolist()
    assert scores == [[5, 4, 2, 1, -np.inf]]


def test_places_are_the_ranks_of_evaluation():
    """Ties, ignored columns and seen items, as `metrics.rank_among` has it."""
    generator = np.random.default_rng(0)
    logits = generator.integers(0, 4, (6, 12)).astype("float32")
    item_ids = generator.integers(0, 12, (6, 4)).astype("int32")
    item_ids[0] = [0, 3, 3, 5]
    model = nextitnet_tf.MostPop(num_items=11)
    model.call = lambda item_ids, training=None: ops.convert_to_tensor(logits)
    model.vocabulary = Vocabulary(
        raw_ids=[None, None, *range(10)],
        counts=[0] * 12,
        padding_id=0,
        history_length=4,
    )
    found = np.array(model.top_items(item_ids, k=10)["item_ids"])
    for place in range(6):  # at most four items are seen
        ranks = metrics.rank_among(
            logits, found[:, place], ignored_ids=(0, 1), seen_item_ids=item_ids
        )
        assert np.array(ranks).tolist() == [place] * 6


def test_recommend_with_the_numbering_of_the_release():
    model = markov_model()
    # Column 0 is <UNK>, item 1 is padding: neither is an answer.
    model.vocabulary = Vocabulary(
        raw_ids=[None, None, 32, 33, 34, 35],
        counts=[0, 90, 5, 4, 3, 2],
        padding_id=1,
        history_length=3,
    )
    assert model.recommend([[]], k=9) == [[32, 33, 34, 35]]
    assert model.recommend([[32]], k=9) == [[33, 34, 35]]
    assert model.recommend([[32, 32]], k=2, exclude_seen=False) == [[32, 33]]


def test_recommend_in_small_batches():
    model = markov_model()
    histories = [[31], [], [32, 33], [35], [34]]
    assert model.recommend(histories, batch_size=2) == model.recommend(
        histories
    )


def test_few_histories_at_once_where_there_are_many_items():
    """At 500,000 items 64 x 500,001 x 9 bytes, 288 MB; 128 would be 576."""
    assert recommending.largest_batch(500_001) == 64
    assert recommending.largest_batch(50_001) == 512
    assert recommending.largest_batch(10**9) == 1


def test_what_changed_counts_at_the_next_call():
    model = markov_model()
    num_layers = len(model.layers)
    assert model.recommend([[31]], k=1) == [[35]]
    kernel = np.array(model.item_softmax.kernel)
    model.item_softmax.kernel.assign(kernel[[0, 5, 1, 2, 3, 4]])
    assert model.recommend([[31]], k=1, exclude_seen=False) == [[31]]
    assert model.recommend([[31]], k=1) == [[35]]
    model.vocabulary = Vocabulary(
        [None, *"abcde"], [0, 1, 2, 3, 4, 5], 0, history_length=3
    )
    assert model.recommend([["a"]], k=1) == [["e"]]
    assert model.recommend([[]], k=1) == [["e"]]
    # What was compiled is no layer of the model.
    assert len(model.layers) == num_layers


def test_recommend_of_another_domain_knows_nothing_as_seen():
    source = markov_model()
    model = nextitnet_tf.FineTuned(source, num_items=3)
    model.vocabulary = Vocabulary([None, 31, 32, 33], [0, 5, 9, 1], 0, 3)
    model.item_softmax.kernel.assign(np.zeros((4, 6)))
    model.item_softmax.bias.assign([9.0, 1.0, 3.0, 2.0])
    assert model.recommend([[31, 32], []]) == [[32, 33, 31], [32, 31, 33]]


@pytest.mark.parametrize(
    "histories",
    [
        ["64,292"],
        [[31], "64"],
        [b"31"],
        [31, 32],
        [{31: 1}],
        [{31, 32}],
        "31",
        [[31], [None]],
        [[31.0]],
        [[True]],
        [np.array([31.0, np.nan])],
        [[b"31"]],
        [[[31]]],
        [[31], None],
    ],
)
def test_what_is_no_history_is_refused_by_name(histories):
    with pytest.raises(ValueError, match="Expected.*Received: .*histor"):
        markov_model().recommend(histories)


def test_arrays_and_generators_are_histories():
    model = markov_model()
    expected = model.recommend([[33, 32], [31, 35]])
    histories = np.array([[33, 32], [31, 35]])
    assert model.recommend(histories) == expected
    assert model.recommend(iter(histories.astype("int16"))) == expected
    assert model.recommend((str(i) for i in h) for h in histories) == expected


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_an_error(wrong):
    model = markov_model()
    bias = np.zeros(6)
    bias[4] = wrong
    model.item_softmax.bias.assign(bias)
    with pytest.raises(FloatingPointError, match=r"histories\[1\]"):
        model.recommend([[], [31]])
    # The most popular are known without the model.
    assert model.recommend([[]], k=2) == [[32, 33]]


def test_recommend_errors():
    with pytest.raises(ValueError, match="vocabulary=None"):
        NextItNet(5, num_blocks=1, embedding_dim=4).recommend([[1]])
    for k in (0, -1, 1.0, True, None):
        with pytest.raises(ValueError, match=f"k={k}"):
            markov_model().recommend([[31]], k=k)
    with pytest.raises(ValueError, match="batch_size=0"):
        markov_model().recommend([[31]], batch_size=0)
    model = markov_model()
    model.vocabulary = Vocabulary([None, 1, 2], [0, 1, 1], 0, 3)
    with pytest.raises(ValueError, match="6 columns.*3 raw_ids"):
        model.recommend([[1]])


# --- export ---------------------------------------------------------------

SIZES = {
    "caser": {"window": 7, "num_horizontal": 2},
    "sasrec": {"max_length": 7},
    "ssept": {"max_length": 7, "num_users": 3},
}


def make_any(name):
    config = {"num_items": 30, **SIZES.get(name, {})}
    if not hasattr(MODELS[name], "adapt"):
        config |= {"embedding_dim": 8}
    if name in ("grec", "nextitnet", "sasrec", "ssept"):
        config |= {"num_blocks": 1}
    model = MODELS[name](**config)
    checks.scramble(model)
    return model


@pytest.mark.parametrize("name", sorted(MODELS))
def test_export(tmp_path, name):
    """Of a model that was never called, and of one from a file."""
    model = make_any(name)
    model.save(tmp_path / "model.keras")
    model.export(tmp_path / "new", verbose=False)
    loaded = saved.load_model(tmp_path / "model.keras")
    loaded.export(tmp_path / "loaded", verbose=False)
    for folder in ("new", "loaded"):
        served = tf.saved_model.load(str(tmp_path / folder))
        for shape in ((2, 7), (1, 4)):
            item_ids = checks.histories_for(model, *shape)
            np.testing.assert_allclose(
                served.serve(item_ids), model(item_ids), rtol=1e-4, atol=1e-5
            )


def test_export_with_a_signature_of_ones_own(tmp_path):
    model = markov_model()
    signature = [keras.InputSpec("int32", (None, 2))]
    model.export(tmp_path / "m", input_signature=signature, verbose=False)
    served = tf.saved_model.load(str(tmp_path / "m"))
    answer = served.signatures["serving_default"](tf.constant([[1, 2]]))
    assert np.array(*answer.values()).tolist() == [[99, 5, 4, 3, 2, 1]]


def test_a_frame_of_events():
    """One row an event: by user, in order of time."""
    import pandas as pd

    model = nextitnet_tf.NextItNet(num_items=3, num_blocks=1, embedding_dim=4)
    model.vocabulary = Vocabulary([None, *"abc"], [0, 3, 2, 1], 0, 3)
    frame = pd.DataFrame(
        {
            "user": ["u2", "u1", "u2", "u1"],
            "item": ["a", "b", "c", "a"],
            "time": [2, 1, 1, 0],
        }
    )
    expected = model.recommend([["c", "a"], ["a", "b"]], k=2)
    found = model.recommend(frame, k=2)
    assert found == dict(zip(["u2", "u1"], expected, strict=True))
    assert list(found) == ["u2", "u1"]
    assert model.freeze().recommend(frame, k=2) == found
    other = frame.rename(columns={"user": "who", "item": "what", "time": "at"})
    named = {"user": "who", "item": "what", "time": "at"}
    assert model.recommend(other, k=2, **named) == found
    with pytest.raises(ValueError, match="Expected a table where columns"):
        model.recommend([["a"]], user="who")
    in_order = frame.drop(columns="time").iloc[::-1]
    expected = model.recommend([["a", "b"], ["c", "a"]], k=2)
    assert model.recommend(in_order, k=2) == dict(
        zip(["u1", "u2"], expected, strict=True)
    )
    for column, message in (
        ("user", "no empty user"),
        ("item", "no empty item"),
        ("time", "a time of each event. Received: row=1"),
    ):
        missing = frame.assign(
            **{column: [*frame[column][:1], None, *frame[column][2:]]}
        )
        with pytest.raises(ValueError, match=message):
            model.recommend(missing)
    with pytest.raises(ValueError, match="integer or text"):
        model.recommend(frame.assign(item=[1.0, 2.0, 1.0, 2.0]))
    with pytest.raises(ValueError, match="a user column in the table"):
        model.recommend(frame.rename(columns={"user": "who"}))
