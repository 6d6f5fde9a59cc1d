"""SASRec+ and its block: by hand, stacked, skipping."""

import keras
import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf import SASRec
from nextitnet_tf import SkipRec
from nextitnet_tf import Stacker
from nextitnet_tf import layers
from tests import checks


def make_model(**config):
    return SASRec(
        **{
            "num_items": 20,
            "num_blocks": 2,
            "embedding_dim": 4,
            "max_length": 12,
            "num_heads": 2,
            "block": "plus",
            **config,
        }
    )


def norm(x, layer):
    gamma, beta = (np.float64(w) for w in layer.get_weights())
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-8) * gamma + beta


def dense(x, layer):
    kernel, bias = (np.float64(w) for w in layer.get_weights())
    return x @ kernel + bias


def attention(x, layer, num_heads):
    """(T, D): each head with its share of the channels."""
    projected = [
        dense(x, part) for part in (layer.query, layer.key, layer.value)
    ]
    heads = []
    for query, key, value in zip(
        *(np.split(p, num_heads, axis=-1) for p in projected), strict=True
    ):
        scores = query @ key.T / np.sqrt(query.shape[-1])
        scores = np.where(np.tri(len(x)) == 1, scores, -(2.0**32) + 1)
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        heads.append(powers / powers.sum(axis=-1, keepdims=True) @ value)
    return np.concatenate(heads, axis=-1)


def by_hand(x, block, num_heads):
    """A block of one history, (T, D), as the release's description has it."""
    alphas = [1.0, 1.0]
    if block.use_alpha:
        alphas = [float(r.alpha) for r in (block.rezero1, block.rezero2)]
    x = norm(x, block.norm_in)
    x = x + alphas[0] * attention(x, block.attention, num_heads)
    x = norm(x, block.norm_mid)
    inner = np.maximum(dense(x, block.inner), 0)
    x = x + alphas[1] * dense(inner, block.outer)
    return norm(x, block.norm_out)


@pytest.mark.parametrize("num_heads", [1, 2])
@pytest.mark.parametrize("use_alpha", [False, True])
def test_a_block_by_hand(num_heads, use_alpha):
    generator = np.random.default_rng(0)
    block = layers.PlusTransformerBlock(
        4, num_heads=num_heads, use_alpha=use_alpha
    )
    x = generator.normal(size=(1, 5, 4)).astype("float32")
    block.build(x.shape)
    block.set_weights(
        [generator.normal(size=w.shape) for w in block.get_weights()]
    )
    np.testing.assert_allclose(
        np.array(block(x))[0],
        by_hand(np.float64(x[0]), block, num_heads),
        rtol=1e-3,
        atol=1e-4,
    )


def test_a_model_by_hand():
    """Item and position into the blocks; the output has its own table."""
    model = make_model()
    checks.scramble(model)
    history = np.array([0, 3, 3, 20, 7])
    table, places = (
        np.float64(layer.get_weights()[0])
        for layer in (model.item_embedding, model.position_embedding)
    )
    x = table[history] + places[:5]
    for block in model.blocks:
        x = by_hand(x, block, 2)
    kernel, bias = (np.float64(w) for w in model.item_softmax.get_weights())
    np.testing.assert_allclose(
        np.array(model(history[None]))[0],
        kernel @ x[-1] + bias,
        rtol=1e-3,
        atol=1e-4,
    )


def test_how_it_starts():
    model = make_model(num_items=500, embedding_dim=64)
    for layer in (model.item_embedding, model.position_embedding):
        values = layer.get_weights()[0]
        # A normal of 0.01, cut at two of it.
        assert np.abs(values).max() <= 0.02 + 1e-6
        assert 0.008 < values.std() < 0.0095
    kernel, bias = model.item_softmax.get_weights()
    assert 0.0095 < kernel.std() < 0.0105 and (bias == np.float32(0.1)).all()
    block = model.blocks[0]
    glorot = np.sqrt(6 / 128)
    attention = block.attention
    for layer in (
        *(attention.query, attention.key, attention.value),
        *(block.inner, block.outer),
    ):
        kernel, bias = layer.get_weights()
        assert 0.98 * glorot < np.abs(kernel).max() <= glorot
        assert not bias.any()
    assert float(block.rezero1.alpha) == float(block.rezero2.alpha) == 0
    # The start of the other blocks has not changed.
    other = SASRec(num_items=20, num_blocks=1, embedding_dim=64, max_length=4)
    bias = other.blocks[0].attention.query.get_weights()[1]
    assert 0.8 / 8 < np.abs(bias).max() <= 1 / 8


def test_what_every_model_must_have(tmp_path):
    model = make_model()
    assert all(type(b) is layers.PlusTransformerBlock for b in model.blocks)
    checks.check_model(model, tmp_path)
    checks.check_mixed_precision(make_model(dtype="mixed_bfloat16"), "bfloat16")


def test_layer():
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    checks.check_layer(layers.PlusTransformerBlock(4, 2, dropout_rate=0.1), x)


def test_dropout_is_of_the_blocks_alone():
    """Of attention weights, and once behind the dense layers."""
    model = make_model(dropout_rate=0.5, num_blocks=1)
    dropouts = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.Dropout)
    ]
    assert len(dropouts) == 2 and all(d.rate == 0.5 for d in dropouts)
    checks.scramble(model)
    history = np.array([[1, 2, 3]])
    still = np.array(model.encode(history))
    (first, *_) = model.states(history, training=True)
    (expected, *_) = model.states(history)
    np.testing.assert_array_equal(first, expected)
    assert not np.allclose(model.encode(history, training=True), still)
    block = model.blocks[0]
    block.dropout.rate = 0.0
    block.attention.dropout.rate = 0.0
    np.testing.assert_array_equal(model.encode(history, training=True), still)


def test_it_stacks():
    model = make_model()
    checks.scramble(model)
    deep = Stacker("adjacent", "paper").stack(model)
    for block, source in zip(deep.blocks, [0, 0, 1, 1], strict=True):
        for copied, weight in zip(
            block.get_weights(), model.blocks[source].get_weights(), strict=True
        ):
            np.testing.assert_array_equal(copied, weight)


def test_a_policy_of_attention(tmp_path):
    """SkipRec over SASRec+: the policy reads with a block of that form."""
    backbone = make_model(num_blocks=3, dropout_rate=0.5)
    model = SkipRec(backbone, policy="attention")
    checks.scramble(model)
    policy = model.skip_policy
    (reader,) = policy.readers
    assert type(reader) is layers.PlusTransformerBlock
    histories = checks.histories_for(backbone)
    expected = []
    for history in histories:
        x = np.float64(policy.item_embedding.get_weights()[0])[history]
        x = x + np.float64(policy.position_embedding.get_weights()[0])[:9]
        x = by_hand(x, reader, 2).mean(axis=0)
        logits = np.float64(policy.kernel) @ x + np.float64(policy.bias)
        expected.append(logits.reshape(3, 2))
    np.testing.assert_allclose(
        model.policy_logits(histories), expected, rtol=1e-3, atol=1e-4
    )
    keep = np.array(model.keep(histories))
    np.testing.assert_array_equal(keep, np.argmin(expected, axis=-1) == 1)
    # What is skipped leaves no trace.
    (first, *states) = backbone.states(histories)
    del states
    for row, kept in enumerate(keep):
        x = np.float64(first[row])
        for block, is_kept in zip(backbone.blocks, kept, strict=True):
            x = by_hand(x, block, 2) if is_kept else x
        np.testing.assert_allclose(
            model.encode(histories)[row], x, rtol=1e-3, atol=1e-3
        )
    model.save(tmp_path / "skip.keras")
    copy = keras.saving.load_model(tmp_path / "skip.keras")
    np.testing.assert_array_equal(copy(histories), model(histories))
    model.start_policy_from_backbone()
    for name in ("item_embedding", "position_embedding"):
        np.testing.assert_array_equal(
            getattr(policy, name).get_weights()[0],
            getattr(backbone, name).get_weights()[0],
        )


def test_what_is_refused():
    for config, message in (
        ({"variant": "stackrec"}, "variant='stackrec', block='plus'"),
        ({"variant": "skiprec", "block": "gated"}, "block='gated'"),
    ):
        with pytest.raises(ValueError, match=message):
            make_model(**config)
    with pytest.raises(ValueError, match="norm_first=True"):
        layers.PlusTransformerBlock(4, norm_first=True)
    with pytest.raises(ValueError, match="variant='skiprec'"):
        nextitnet_tf.SSEPT(20, 3, variant="skiprec")
    with pytest.raises(ValueError, match="starts_as='keras'"):
        layers.SelfAttention(4, starts_as="keras")
    assert make_model(block=None, variant="skiprec").block == "plus"
