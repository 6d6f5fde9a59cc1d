"""Items of few bits: rows by hand, the same answers, smaller files."""

import keras
import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf import FineTuned
from nextitnet_tf import layers
from nextitnet_tf.stacking import Stacker
from nextitnet_tf.vocabulary import Vocabulary
from tests import checks

every_mode = pytest.mark.parametrize("mode", ["int8", "int4"])
# By hand: a row's largest number is at the end of what the bits can say, 127
# or 7, and every other is rounded to a whole number of such parts.
TABLE = [[1.0, -0.52, 0.26], [0.0, 0.0, 4.0], [-7.0, 3.6, 1.0]]
BY_HAND = {
    "int8": [
        [1.0, -66 / 127, 33 / 127],
        [0.0, 0.0, 4.0],
        [-7.0, 65 * 7 / 127, 18 * 7 / 127],
    ],
    "int4": [[1.0, -4 / 7, 2 / 7], [0.0, 0.0, 4.0], [-7.0, 4.0, 1.0]],
}


@every_mode
def test_rows_of_the_embedding(mode):
    embedding = layers.ItemEmbedding(2, 3)
    embedding.build()
    embedding.set_weights([np.array(TABLE, "float32")])
    embedding.quantize(mode)
    found = np.array(embedding(np.array([[2, 0], [1, 1]])))
    expected = np.array(BY_HAND[mode])[[[2, 0], [1, 1]]]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(
        np.array(embedding.embeddings), BY_HAND[mode], atol=1e-5
    )


@every_mode
def test_logits_of_the_softmax(mode):
    softmax = layers.ItemSoftmax(2)
    softmax.build((None, 3))
    softmax.set_weights([np.array(TABLE, "float32"), np.array([1.0, 2.0, 3.0])])
    hidden = np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 1.0]], "float32")
    softmax.quantize(mode)
    last = [row[2] for row in BY_HAND[mode]]
    np.testing.assert_allclose(
        np.array(softmax(hidden)),
        [[2 + 1, 0 + 2, -14 + 3], [last[0] + 1, last[1] + 2, last[2] + 3]],
        atol=1e-5,
    )


def models():
    return {
        "nextitnet": nextitnet_tf.NextItNet(
            num_items=20_000, num_blocks=2, embedding_dim=9
        ),
        "sasrec": nextitnet_tf.SASRec(num_items=300, num_blocks=1),
        "tied": nextitnet_tf.SASRec(
            num_items=300, num_blocks=1, tie_output=True
        ),
        "gru4rec": nextitnet_tf.GRU4Rec(num_items=300),
    }


@every_mode
@pytest.mark.parametrize("name", ["nextitnet", "sasrec", "tied", "gru4rec"])
def test_a_model_answers_as_before_and_is_kept(name, mode, tmp_path):
    model = models()[name]
    generator = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(generator.normal(scale=0.3, size=weight.shape))
    item_ids = generator.integers(0, 300, (5, 8))
    before = np.array(model(item_ids))
    in_full, small = tmp_path / "full.keras", tmp_path / "small.keras"
    model.save(in_full)
    assert not model.is_quantized
    model.quantize(mode, filters="^item_")
    assert model.is_quantized
    found = np.array(model(item_ids))
    # By hand: a weight is off by half a part at most, 1/254 or 1/14 of the
    # largest of its row; logits are sums of some ten of them.
    largest = {"int8": 0.02, "int4": 0.25}[mode] * np.abs(before).max()
    assert 0 < np.abs(found - before).max() < largest
    model.save(small)
    copy = keras.saving.load_model(small)
    np.testing.assert_array_equal(np.array(copy(item_ids)), found)
    assert copy.is_quantized
    if name == "nextitnet":  # nearly all of it are items
        share = {"int8": (9 + 4) / 36, "int4": (5 + 4) / 36}[mode]
        ratio = small.stat().st_size / in_full.stat().st_size
        assert share < ratio < share + 0.15


@every_mode
def test_exported(mode, tmp_path):
    pytest.importorskip("tensorflow")
    model = nextitnet_tf.NextItNet(30, num_blocks=1, embedding_dim=9)
    model.vocabulary = Vocabulary([None, *range(1, 31)], [1] * 31, 0, 6)
    generator = np.random.default_rng(2)
    for weight in model.weights:
        weight.assign(generator.normal(scale=0.4, size=weight.shape))
    model.quantize(mode, filters="^item_")
    histories = generator.integers(1, 31, (5, 6)).tolist()
    found, *_ = checks.served_by_tensorflow(
        model, tmp_path / "served", histories, k=4
    )
    assert found == model.recommend(histories, k=4)


@pytest.mark.slow
@every_mode
@pytest.mark.parametrize(
    "filters", [pytest.param(None, marks=pytest.mark.slow), "^item_"]
)
def test_a_model_around_a_model_is_kept(mode, filters, tmp_path):
    """All layers that Keras can quantize, or the items alone."""
    model = nextitnet_tf.SkipRec(
        nextitnet_tf.SASRec(30, num_blocks=2, embedding_dim=8, max_length=6),
        policy="attention",
    )
    generator = np.random.default_rng(3)
    for weight in model.weights:
        if "seed" not in weight.path:
            weight.assign(generator.normal(scale=0.4, size=weight.shape))
    model.quantize(mode, filters=filters)
    model.save(tmp_path / "small.keras")
    copy = keras.saving.load_model(tmp_path / "small.keras")
    item_ids = generator.integers(1, 31, (5, 6))
    np.testing.assert_allclose(
        copy(item_ids), model(item_ids), rtol=1e-5, atol=1e-6
    )
    assert copy.is_quantized


def test_more_rows_than_are_made_float_at_a_time(monkeypatch):
    monkeypatch.setattr("nextitnet_tf.layers.few_bits._ROWS", 7)
    generator = np.random.default_rng(1)
    kernel = generator.integers(-127, 128, (25, 4)).astype("float32")
    kernel[:, 0] = 127  # whole numbers then are exact
    softmax = layers.ItemSoftmax(24, bias_initializer="zeros")
    softmax.build((None, 4))
    softmax.set_weights([kernel, np.zeros(25)])
    softmax.quantize("int8")
    hidden = generator.normal(size=(3, 4)).astype("float32")
    np.testing.assert_allclose(
        np.array(softmax(hidden)), hidden @ kernel.T, rtol=1e-5
    )


def test_what_is_refused():
    model = models()["nextitnet"]
    for mode in ("float8", "int2"):
        with pytest.raises(ValueError):
            model.quantize(mode)
    with pytest.raises(ValueError, match="no config"):
        model.quantize(
            config=keras.quantizers.Int4QuantizationConfig(block_size=8)
        )
    assert not model.is_quantized
    model.quantize("int8", filters="^item_")
    with pytest.raises(ValueError, match="already quantized"):
        model.quantize("int4", filters="^item_")
    with pytest.raises(ValueError, match="not trained any further"):
        Stacker("adjacent").stack(model)
    model.compile()
    tied = models()["tied"]
    tied.quantize("int8", filters="^item_")
    tied.compile()
    rows = np.ones((2, 4), int)
    for small in (model, tied, FineTuned(tied, num_items=5)):
        small.compile()
        with pytest.raises(ValueError, match="few bits is not trained"):
            small.fit(rows, rows, verbose=0)
    lora = layers.ItemEmbedding(5, 4, lora_rank=2)
    lora.build()
    with pytest.raises(ValueError, match="LoRA"):
        lora.quantize("int8")


def test_a_tree_says_that_it_stays_as_it_is():
    model = nextitnet_tf.NextItNet(
        num_items=50, num_blocks=1, embedding_dim=8, compression="auto"
    )
    with pytest.warns(UserWarning, match="TreeSoftmax"):
        model.quantize("int8", filters="^item_")
    assert not model.is_quantized


@every_mode
def test_what_was_answered_before_is_not_answered_again(mode):
    """Neither histories nor sessions have the numbers of before."""
    model = nextitnet_tf.NextItNet(30, num_blocks=1, embedding_dim=9)
    model.vocabulary = Vocabulary([None, *range(1, 31)], [1] * 31, 0, 6)
    generator = np.random.default_rng(2)
    for weight in model.weights:
        weight.assign(generator.normal(scale=0.4, size=weight.shape))
    before = model.recommend([[1, 2]], k=5)
    model.start([1, 2]).top(5)
    model.quantize(mode, filters="^item_")
    model.item_softmax.few_bits.store(np.full((31, 9), 1e-9, "float32"))
    model.item_softmax.bias.assign(np.arange(31) * 1e-3)
    assert before != [[30, 29, 28, 27, 26]]
    assert model.recommend([[1, 2]], k=5) == [[30, 29, 28, 27, 26]]
    assert model.start([1, 2]).top(5) == [30, 29, 28, 27, 26]


def test_a_model_within_a_model_forgets_its_answers_too():
    backbone = nextitnet_tf.NextItNet(30, num_blocks=1, embedding_dim=9)
    backbone.vocabulary = Vocabulary([None, *range(1, 31)], [1] * 31, 0, 6)
    model = nextitnet_tf.SkipRec(backbone)
    backbone.recommend([[1, 2]], k=5)
    model.quantize("int8", filters="^item_")
    backbone.item_softmax.few_bits.store(np.full((31, 9), 1e-9, "float32"))
    backbone.item_softmax.bias.assign(np.arange(31) * 1e-3)
    assert backbone.recommend([[1, 2]], k=5) == [[30, 29, 28, 27, 26]]
