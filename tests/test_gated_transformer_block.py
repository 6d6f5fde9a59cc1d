"""The gated Transformer block: by hand, in a model, and stacked."""

import keras
import numpy as np
import pytest

from nextitnet_tf import SASRec
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
            "block": "gated",
            **config,
        }
    )


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def norm(x, layer):
    gamma, beta = (np.float64(w) for w in layer.get_weights())
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-5) * gamma + beta


def dense(x, layer):
    kernel, bias = (np.float64(w) for w in layer.get_weights())
    return x @ kernel + bias


def attention(x, layer):
    """One head; a position sees itself and those before it."""
    query, key, value = (
        dense(x, part) for part in (layer.query, layer.key, layer.value)
    )
    powers = np.exp(query @ key.T / np.sqrt(x.shape[-1]))
    powers *= np.tri(len(x))
    return powers / powers.sum(axis=-1, keepdims=True) @ value


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("use_alpha", [False, True])
def test_a_block_by_hand(norm_first, use_alpha):
    generator = np.random.default_rng(0)
    block = layers.GatedTransformerBlock(
        4, norm_first=norm_first, use_alpha=use_alpha
    )
    x = generator.normal(size=(1, 5, 4)).astype("float32")
    block.build(x.shape)
    block.set_weights(
        [generator.normal(size=w.shape) for w in block.get_weights()]
    )
    found = np.array(block(x))[0]
    alphas = [1.0, 1.0]
    if use_alpha:
        alphas = [float(r.alpha) for r in (block.rezero1, block.rezero2)]
    x = np.float64(x[0])
    gates = [
        sigmoid(x @ np.float64(gate.get_weights()[0]))
        for gate in (block.gate1, block.gate2)
    ]
    inside = norm(x, block.norm1) if norm_first else x
    y = x + alphas[0] * gates[0] * attention(inside, block.attention)
    y = y if norm_first else norm(y, block.norm1)
    inside = norm(y, block.norm2) if norm_first else y
    inner = np.maximum(dense(inside, block.inner), 0)
    z = y + alphas[1] * gates[1] * dense(inner, block.outer)
    z = z if norm_first else norm(z, block.norm2)
    np.testing.assert_allclose(found, z, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("variant", ["stackrec", "original"])
def test_what_every_model_must_have(tmp_path, variant):
    model = make_model(variant=variant)
    assert all(type(b) is layers.GatedTransformerBlock for b in model.blocks)
    checks.check_model(model, tmp_path)


def test_mixed_precision():
    checks.check_mixed_precision(make_model(dtype="mixed_bfloat16"), "bfloat16")


def test_layer():
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    for norm_first in (False, True):
        checks.check_layer(
            layers.GatedTransformerBlock(4, 2, norm_first=norm_first), x
        )


def test_it_stacks_with_its_gates():
    model = make_model()
    checks.scramble(model)
    deep = Stacker("adjacent", "paper").stack(model)
    for block, source in zip(deep.blocks, [0, 0, 1, 1], strict=True):
        for name in ("gate1", "gate2"):
            np.testing.assert_array_equal(
                getattr(block, name).get_weights()[0],
                getattr(model.blocks[source], name).get_weights()[0],
            )
    # Everything of a block has a part, or it would not be copied.
    block = model.blocks[0]
    of_parts = [
        variable
        for of_part in block.parts().values()
        for layer in of_part
        for variable in layer.trainable_variables
    ]
    assert {id(v) for v in of_parts} == {
        id(v) for v in block.trainable_variables
    }


def test_an_unknown_block():
    with pytest.raises(ValueError, match="block='parallel'"):
        make_model(block="parallel")


def test_a_model_saved_before_there_was_a_choice():
    config = make_model(block="transformer").get_config()
    del config["block"]
    model = SASRec.from_config(config)
    assert type(model.blocks[0]) is layers.TransformerBlock
    assert keras.saving.serialize_keras_object(model)["config"]["block"]
