"""A model that answers with the items of another domain, by hand."""

import math

import keras
import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf.layers.item_dot_product import ItemDotProduct
from nextitnet_tf.models import saved
from nextitnet_tf.models.fine_tuned import FineTuned
from nextitnet_tf.vocabulary import Vocabulary


def make_source(**config):
    source = nextitnet_tf.NextItNet(
        num_items=6, num_blocks=2, embedding_dim=4, **config
    )
    generator = np.random.default_rng(1)
    source.set_weights(
        [generator.normal(size=w.shape) for w in source.get_weights()]
    )
    return source


def test_logits_are_those_of_the_new_head():
    source = make_source()
    model = FineTuned(source, num_items=3)
    item_ids = np.array([[1, 2, 3], [0, 4, 5]])
    hidden = keras.ops.convert_to_numpy(source.encode(item_ids))[:, -1]
    kernel, bias = model.item_softmax.get_weights()
    expected = hidden @ kernel.T + bias
    np.testing.assert_allclose(model(item_ids), expected, atol=1e-5)
    candidates = np.array([[3, 1], [2, 2]])
    np.testing.assert_allclose(
        model((item_ids, candidates)),
        [
            [expected[0, 3], expected[0, 1]],
            [expected[1, 2], expected[1, 2]],
        ],
        atol=1e-5,
    )


@pytest.mark.parametrize("head", ["softmax", "dot_product"])
def test_all_but_the_old_head_is_trained(head):
    source = make_source()
    before = source.get_weights()
    model = FineTuned(source, num_items=3, head=head)
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    x = np.array([[1, 2, 3], [4, 5, 6]], "int32")
    old = {v.path: np.array(v) for v in model.source.variables}
    model.fit(x, np.array([[1], [3]]), epochs=1, verbose=0)
    unchanged = {
        v.path
        for v in model.source.variables
        if np.array_equal(old[v.path], np.array(v))
    }
    names = {path.split("/")[-2] for path in unchanged}
    assert {n for n in names if "seed" not in n} == {"item_softmax"}
    # The source that was given stays as it is.
    for a, b in zip(before, source.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(source.trainable_variables) == len(before)


def test_a_tied_source_keeps_its_embedding_trained():
    source = nextitnet_tf.SASRec(
        num_items=6,
        num_blocks=1,
        embedding_dim=4,
        max_length=3,
        variant="original",
    )
    model = FineTuned(source, num_items=3)
    assert model.source.item_embedding.embeddings.trainable


def test_softmax_loss_by_hand():
    model = FineTuned(make_source(), num_items=3)
    x = np.array([[1, 2, 3], [4, 5, 6]], "int32")
    logits = keras.ops.convert_to_numpy(model(x)).astype("float64")
    powers = np.exp(logits)
    shares = powers / powers.sum(axis=1, keepdims=True)
    expected = -0.25 * math.log(shares[0, 2]) - 0.75 * math.log(shares[1, 1])
    loss = model.compute_loss(
        x=x, y=np.array([[2], [1]]), sample_weight=np.array([[0.25], [0.75]])
    )
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_pairwise_loss_by_hand():
    """Of two items the negative is the other one."""
    head = ItemDotProduct(num_items=2, l2=0.02)
    head.build((None, 2))
    head.set_weights([np.array([[9.0, 9.0], [1.0, 2.0], [0.5, -1.0]])])
    hidden = np.array([[1.0, 1.0], [2.0, 0.0]], "float32")
    # Logits 3 and -0.5; 2 and 1.
    loss = head.loss(
        hidden,
        np.array([1, 2], "int32"),
        np.array([0.25, 0.75], "float32"),
    )
    first = math.log1p(math.exp(-3)) + math.log1p(math.exp(-0.5))
    second = math.log1p(math.exp(-1)) + math.log1p(math.exp(2))
    squares = 81 + 81 + 1 + 4 + 0.25 + 1
    expected = 0.25 * first + 0.75 * second + 0.02 * 0.5 * squares
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(head(hidden), [[18, 3, -0.5], [18, 2, 1]])


def test_negatives_are_uniform_others():
    keras.utils.set_random_seed(0)
    head = ItemDotProduct(num_items=4)
    head.build((None, 2))
    drawn = np.array(head._draw_other_items(np.full(3000, 2, "int32")))
    values, counts = np.unique(drawn, return_counts=True)
    assert values.tolist() == [1, 3, 4]
    # 1,000 each, sd 26.
    assert abs(counts - 1000).max() < 130


def test_it_answers_with_target_items_and_can_be_saved(tmp_path):
    source = make_source()
    source.vocabulary = Vocabulary(
        [None, *"abcdef"], [0, 1, 1, 1, 1, 1, 1], 0, history_length=3
    )
    model = FineTuned(source, num_items=3, head="dot_product", target_l2=0.5)
    model.vocabulary = Vocabulary([None, 70, 80, 90], [0, 5, 9, 1], 0, 3)
    scores = np.array(model(np.array([[0, 1, 2]])))[0, 1:]
    ranking = [[70, 80, 90][i] for i in np.argsort(-scores)]
    # An item that happens to have the number of a history's is not "seen".
    assert model.recommend([["a", "b"], ["?"]], k=3) == [ranking, [80, 70, 90]]
    saved.save_model(model, tmp_path / "model.keras")
    again = saved.load_model(tmp_path / "model.keras")
    assert again.recommend([["a", "b"]], k=2) == [ranking[:2]]
    assert (again.head, again.target_l2) == ("dot_product", 0.5)


def test_a_new_model_can_be_saved_without_vocabularies(tmp_path):
    model = FineTuned(make_source(), num_items=3)
    model.vocabulary = Vocabulary([None, 1, 2, 3], [0, 1, 1, 1], 0, 3)
    saved.save_model(model, tmp_path / "model.keras")
    again = saved.load_model(tmp_path / "model.keras")
    assert again.vocabulary is not None and again.source.vocabulary is None
    with pytest.raises(ValueError, match="knows its raw ids"):
        again.recommend([[1]])


def test_half_precision_scales_its_loss():
    source = nextitnet_tf.NextItNet(
        num_items=6, num_blocks=1, embedding_dim=4, dtype="mixed_float16"
    )
    model = FineTuned(source, num_items=3)
    model.compile(optimizer="adam", jit_compile=False)
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert model.item_softmax.compute_dtype == "float16"
    again = FineTuned.from_config(model.get_config())
    assert again.compute_dtype == "float16"


def test_what_cannot_be_fine_tuned():
    users = nextitnet_tf.SSEPT(
        num_items=3, num_users=2, num_blocks=1, embedding_dim=4, max_length=3
    )
    with pytest.raises(ValueError, match="source=SSEPT"):
        FineTuned(users, num_items=3)
    with pytest.raises(ValueError, match="head='tied'"):
        FineTuned(make_source(), num_items=3, head="tied")
    with pytest.raises(ValueError, match="num_items=1"):
        FineTuned(make_source(), num_items=1, head="dot_product")
