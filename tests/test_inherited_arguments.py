"""Layers that subclass one of Keras' honour what they inherit, or refuse it.

What is right is what Keras' own layer does with the same weights.
"""

import inspect

import keras
import numpy as np
import pytest
from keras import ops

from nextitnet_tf import layers
from nextitnet_tf.layers.dropout import Dropout

X = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
ITEM_IDS = np.array([[0, 7, 3], [2, 2, 0]], "int32")
TABLE = np.random.default_rng(1).normal(size=(8, 4)).astype("float32")

# (our class, the arguments it always gets), (Keras', the same there), input.
KINDS = {
    "ChannelNorm": (layers.ChannelNorm, {}, {}, X),
    "DilatedConv": (
        layers.DilatedConv,
        {"filters": 4, "kernel_size": 3},
        {"filters": 4, "kernel_size": 3, "padding": "causal"},
        X,
    ),
    "DilatedConv, both ways": (
        layers.DilatedConv,
        {"filters": 4, "kernel_size": 2, "causal": False},
        {"filters": 4, "kernel_size": 2, "padding": "same"},
        X,
    ),
    "Dropout": (Dropout, {"rate": 0.5}, {"rate": 0.5}, X),
    "ItemEmbedding": (
        layers.ItemEmbedding,
        {"num_items": 7, "embedding_dim": 4},
        {"input_dim": 8, "output_dim": 4},
        ITEM_IDS,
    ),
}
L2 = keras.regularizers.L2(0.1)
UNIT = keras.constraints.UnitNorm(axis=0)
NEGATIVE = keras.initializers.Constant(-0.3)
# Of each argument, values that change what Keras' layer is or does.
OF_CONV = {
    "filters": [6],
    "kernel_size": [1, 4],
    "strides": [1],
    "data_format": ["channels_last"],
    "dilation_rate": [2, (3,)],
    "groups": [1],
    "activation": ["relu", "tanh", keras.activations.sigmoid],
    "use_bias": [False],
    "kernel_initializer": [NEGATIVE],
    "bias_initializer": [NEGATIVE],
    "kernel_regularizer": [L2],
    "bias_regularizer": [L2],
    "activity_regularizer": [L2],
    "kernel_constraint": [UNIT],
    "bias_constraint": [UNIT],
}
HONOURED = {
    "ChannelNorm": {
        "axis": [-1, [-1]],
        "epsilon": [0.5],
        "center": [False],
        "scale": [False],
        "beta_initializer": [NEGATIVE],
        "gamma_initializer": [NEGATIVE],
        "beta_regularizer": [L2],
        "gamma_regularizer": [L2],
        "beta_constraint": [UNIT],
        "gamma_constraint": [UNIT],
    },
    "DilatedConv": {**OF_CONV, "padding": ["causal"]},
    "DilatedConv, both ways": {**OF_CONV, "padding": ["same"]},
    "Dropout": {
        "rate": [0.0, 1.0],
        "noise_shape": [(None, 1, None), (1, 5, 1)],
        "seed": [3],
    },
    "ItemEmbedding": {
        "embeddings_initializer": [NEGATIVE],
        "embeddings_regularizer": [L2],
        "embeddings_constraint": [UNIT],
        "mask_zero": [True],
        "weights": [TABLE],
        "lora_rank": [2],
        # Fixed by our own two arguments.
        "input_dim": [],
        "output_dim": [],
        "lora_alpha": [None],
        "quantization_config": [None],
    },
}
REFUSED = {
    "ChannelNorm": {"axis": [1, 0, (1, 2)], "rms_scaling": [True]},
    "DilatedConv": {
        "padding": ["same", "valid"],
        "strides": [2, (2,)],
        "groups": [2],
        "data_format": ["channels_first"],
    },
    "DilatedConv, both ways": {"padding": ["causal", "valid"]},
    "Dropout": {},
    "ItemEmbedding": {
        "lora_alpha": [4],
        "quantization_config": ["int8"],
    },
}


def cases(table):
    return [
        pytest.param(kind, name, value, id=f"{kind}-{name}-{_shown(value)}")
        for kind, arguments in table.items()
        for name, values in arguments.items()
        for value in values
    ]


def _shown(value):
    """The same in each process of tests, which an address is not."""
    is_named = " at 0x" not in str(value)
    return (
        value if is_named else getattr(value, "__name__", type(value).__name__)
    )


def with_weights(layer, x):
    layer.build(x.shape)
    generator = np.random.default_rng(2)
    layer.set_weights(
        [generator.normal(size=w.shape) for w in layer.get_weights()]
    )


def pair(kind, **change):
    """Our layer and Keras', of the same arguments."""
    ours, own, of_keras, x = KINDS[kind]
    base = ours.__bases__[-1]  # behind what is mixed in
    return ours(**{**own, **change}), base(**{**of_keras, **change}), x


@pytest.mark.parametrize("kind", KINDS)
def test_no_argument_is_forgotten(kind):
    base = KINDS[kind][0].__bases__[-1]
    inherited = set(inspect.signature(base.__init__).parameters)
    inherited -= {"self", "kwargs"}
    assert inherited == set(HONOURED[kind])


def test_no_layer_is_forgotten():
    ours = [getattr(layers, name) for name in layers.__all__]
    inherits = {
        layer.__name__
        for layer in [*ours, Dropout]
        if issubclass(layer, keras.layers.Layer)
        and layer.__bases__[-1].__module__.startswith("keras")
        and layer.__bases__[-1] is not keras.layers.Layer
    }
    assert inherits == {kind.split(",")[0] for kind in KINDS}


@pytest.mark.parametrize(("kind", "name", "value"), cases(HONOURED))
def test_an_argument_does_what_it_does_in_keras(kind, name, value):
    ours, stock, x = pair(kind, **{name: value})
    for layer in (ours, stock):  # what it starts from
        layer.build(x.shape)
    if "initializer" in name or name == "weights":
        for found, expected in zip(ours.weights, stock.weights, strict=True):
            if expected.path.endswith(name.split("_")[0]) or name == "weights":
                np.testing.assert_array_equal(found, expected)
    ours, stock, x = pair(kind, **{name: value})
    with_weights(ours, x)
    with_weights(stock, x)
    names = [v.name for v in stock.variables]
    assert [v.name for v in ours.variables] == names
    for found, expected in zip(ours.variables, stock.variables, strict=True):
        assert type(found.constraint) is type(expected.constraint)
        assert found.trainable == expected.trainable
    found, expected = ours(x), stock(x)
    assert ops.shape(found) == ops.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        np.array([float(v) for v in ours.losses]),
        np.array([float(v) for v in stock.losses]),
        rtol=1e-4,
    )
    mask, expected = (layer.compute_mask(x, None) for layer in (ours, stock))
    assert (mask is None) == (expected is None)
    if mask is not None:
        np.testing.assert_array_equal(mask, expected)
    copy = type(ours).from_config(ours.get_config())
    assert copy.get_config() == ours.get_config()


@pytest.mark.parametrize(("kind", "name", "value"), cases(REFUSED))
def test_what_it_cannot_do_is_refused_by_name(kind, name, value):
    with pytest.raises(ValueError, match=f"Received: {name}="):
        pair(kind, **{name: value})


def test_noise_shape_and_seed_in_training():
    x = np.ones((6, 50, 4), "float32")
    found = np.array(
        Dropout(0.5, noise_shape=(None, 1, None))(x, training=True)
    )
    np.testing.assert_array_equal(found, np.tile(found[:, :1], (1, 50, 1)))
    assert set(np.unique(found)) == {0.0, 2.0}
    np.testing.assert_array_equal(
        Dropout(0.5, seed=7)(x, training=True),
        Dropout(0.5, seed=7)(x, training=True),
    )


def test_everything_dropped_has_a_gradient():
    import tensorflow as tf

    x = tf.ones((2, 3))
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(Dropout(1.0)(x, training=True))
    assert float(total) == 0
    gradient = tape.gradient(
        total, x, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    np.testing.assert_array_equal(gradient, np.zeros((2, 3)))


def test_a_norm_without_center_or_scale_by_hand():
    x = np.array([[1.0, 3.0]])
    for config, expected in (
        ({"center": False}, [[-2.0, 2.0]]),
        ({"scale": False}, [[-0.5, 1.5]]),
        ({"center": False, "scale": False}, [[-1.0, 1.0]]),
    ):
        layer = layers.ChannelNorm(
            epsilon=0.0,
            gamma_initializer=keras.initializers.Constant(2.0),
            beta_initializer=keras.initializers.Constant(0.5),
            **config,
        )
        np.testing.assert_allclose(layer(x), expected, rtol=1e-6)
