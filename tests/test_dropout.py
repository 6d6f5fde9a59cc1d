"""Dropout of our own: what it keeps, what it drops, how often."""

import keras
import numpy as np
import pytest
from keras import ops

from nextitnet_tf.layers.dropout import Dropout
from nextitnet_tf.layers.dropout import random_bits

SHAPE = (64, 20, 64)  # 81,920 entries


def drop(rate, seed=0, training=True, values=1.0):
    inputs = np.full(SHAPE, values, "float32")
    layer = Dropout(rate, seed=seed)
    return ops.convert_to_numpy(layer(inputs, training=training))


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_entries_are_dropped_or_scaled(rate):
    found = drop(rate)
    kept = found != 0
    np.testing.assert_allclose(found[kept], 1 / (1 - rate), rtol=1e-6)
    # sd of the share: sqrt(rate (1 - rate) / 81,920) <= 0.0018.
    assert abs(1 - kept.mean() - rate) < 0.008
    # So it is in every channel (1,280 entries) and position (4,096).
    for axes in ((0, 1), (0, 2)):
        assert abs(1 - kept.mean(axis=axes) - rate).max() < 0.065


def test_not_in_use_it_does_nothing():
    assert (drop(0.5, training=False) == 1).all()
    assert (drop(0.0) == 1).all()


def test_what_is_not_a_number_is_dropped_too():
    found = drop(0.5, values=np.inf)
    assert set(np.unique(found)) == {0.0, np.inf}


def test_each_call_draws_anew_and_seeds_repeat():
    layers = [Dropout(0.5, seed=seed) for seed in (7, 7, 8)]
    ones = np.ones(SHAPE, "float32")
    first, same, other = (
        ops.convert_to_numpy(layer(ones, training=True)) != 0
        for layer in layers
    )
    second = ops.convert_to_numpy(layers[0](ones, training=True)) != 0
    assert (first == same).all()
    # Independent halves agree in half of the entries, sd 0.0018.
    for drawn in (other, second):
        assert abs((first == drawn).mean() - 0.5) < 0.008


def test_bits_are_uniform_and_independent():
    """Of 2^18 numbers each bit is 1 in half, sd 0.001."""
    numbers = ops.convert_to_numpy(random_bits((512, 512), (3, 4)))
    following = ops.convert_to_numpy(random_bits((512, 512), (3, 5)))
    assert numbers.dtype == np.uint32
    bits = (numbers.ravel()[:, None] >> np.arange(32, dtype="uint32")) & 1
    assert abs(bits.mean(axis=0) - 0.5).max() < 0.005
    # Neighbours, rows, and the next call's numbers agree in half of the bits.
    for a, b in (
        (numbers.ravel()[1:], numbers.ravel()[:-1]),
        (numbers[1:], numbers[:-1]),
        (numbers, following),
    ):
        changed = np.bitwise_count(np.bitwise_xor(a, b))
        assert abs(changed.mean() - 16) < 0.03
        assert abs(changed.std() - 8**0.5) < 0.03  # of 32 coins
    counts = np.bincount(numbers.ravel() >> 24, minlength=256)
    # 1,024 a cell; chi-square of 255 degrees: 255, sd 22.6.
    assert abs(((counts - 1024) ** 2 / 1024).sum() - 255) < 115


def test_a_compiled_model_drops_anew_each_step():
    inputs = keras.Input((64,))
    model = keras.Model(inputs, Dropout(0.5)(inputs))
    model.compile(loss="mse", optimizer="sgd", jit_compile=True)
    ones = np.ones((512, 64), "float32")
    ramp = np.arange(512 * 64, dtype="float32").reshape(512, 64) / 32768
    losses = model.fit(
        ones, ramp, batch_size=512, epochs=3, shuffle=False, verbose=0
    ).history["loss"]
    # Half 0, half 2: the mean of (ramp^2 + (2 - ramp)^2) / 2 is 4/3.
    assert losses == pytest.approx([4 / 3] * 3, abs=0.03)
    assert len(set(losses)) == 3
    again = keras.Model.from_config(model.get_config())
    assert again.layers[-1].rate == 0.5
