"""Decay of kernels and of nothing else, by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from nextitnet_tf import NextItNet
from nextitnet_tf import Stacker
from nextitnet_tf.weight_decay import DecayOfKernels
from tests import checks


def as_it_is(model, tmp_path):
    return model


def with_a_copied_optimizer(model, tmp_path):
    return Stacker("cross", "paper", {"optimizer": True}).stack(model)


def out_of_a_file(model, tmp_path):
    model.save(tmp_path / "model.keras")
    return keras.models.load_model(tmp_path / "model.keras")


@pytest.mark.parametrize(
    "way", [as_it_is, with_a_copied_optimizer, out_of_a_file]
)
def test_where_gradients_are_0_kernels_shrink_alone(way, tmp_path):
    model = NextItNet(num_items=9, num_blocks=2, embedding_dim=4)
    model.compile(optimizer=DecayOfKernels(0.1, weight_decay=0.5))
    checks.scramble(model)
    model.train_on_batch(*checks.batch_for(model))
    model = way(model, tmp_path)
    model.optimizer.build(model.trainable_variables)
    for slot in model.optimizer.variables[2:]:  # no momentum is left
        slot.assign(ops.zeros_like(slot))
    variables = model.trainable_variables
    before = [keras.ops.convert_to_numpy(v) for v in variables]
    model.optimizer.apply([ops.zeros_like(v) for v in variables], variables)
    kept = set()
    for variable, old in zip(variables, before, strict=True):
        name = variable.path.split("/")[-1]
        is_kernel = name in ("kernel", "embeddings")
        # A twentieth goes: 0.1 x 0.5.
        np.testing.assert_allclose(
            variable, 0.95 * old if is_kernel else old, rtol=1e-5, err_msg=name
        )
        if not is_kernel:
            kept.add(name)
    assert kept == {"alpha", "beta", "bias", "gamma"}
