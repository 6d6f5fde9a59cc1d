"""Two devices with the same global batch train and judge as one does.

Both run in a process of their own: how many logical devices there are must
be said before TensorFlow starts.
"""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from nextitnet_tf import distribution

ROOT = pathlib.Path(__file__).parents[1]

# argv: file for what each strategy found.
PROGRAM = """
import dataclasses, json, pathlib, sys, tempfile
import keras
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)
from nextitnet_tf import data, distribution, training
from nextitnet_tf.recipe import PROTOCOLS, Recipe, Stage
from tests.checks import write_sessions

generator = np.random.default_rng(0)
rows = (generator.integers(0, 50, (200, 1)) + np.arange(8)) % 50 + 1
# Far more padding in some rows than in others: a mean of the devices' means
# is not the mean over the batch.
for row, padding in zip(rows, generator.integers(0, 7, len(rows))):
    row[:padding] = 0
folder = write_sessions(pathlib.Path(tempfile.mkdtemp()) / "s", rows)
sessions = data.read_sessions(folder)

def judge(name):
    strategy = distribution.make_strategy(name)
    found = {"num_devices": strategy.num_replicas_in_sync}
    found["can_jit_compile"] = distribution.can_jit_compile(strategy)
    for count_padding in (True, False):
        protocol = dataclasses.replace(
            PROTOCOLS["clean"], count_padding=count_padding, l2=0.01
        )
        recipe = Recipe(
            stages=(Stage(2),),
            protocol=protocol,
            model_config={"embedding_dim": 8},
            batch_size=16,
            learning_rate=0.01,
        )
        keras.utils.set_random_seed(0)
        with strategy.scope():
            model = training.make_model(recipe, 2, sessions)
            training.compile_model(model, recipe, sessions, jit_compile=False)
            parts = data.split(sessions, protocol)
            history = model.fit(
                data.make_training_dataset(sessions, parts.train, 16, protocol),
                shuffle=False, steps_per_epoch=1, epochs=50, verbose=0,
            ).history["loss"]
            if count_padding:
                # Same weights for both strategies, not where training ended.
                for i, variable in enumerate(model.trainable_variables):
                    numbers = np.random.default_rng(i)
                    variable.assign(numbers.normal(size=variable.shape))
                # 200 sessions in batches of 16: the last one is filled up.
                evaluated = training.evaluate(
                    model, sessions, np.arange(200), recipe
                )
                found["evaluated"] = evaluated
        found["padding counted" if count_padding else "masked"] = history
    stages = (
        Stage(2, max_steps=4, eval_every=4),
        Stage(3, 1.0, "cross", "release", max_steps=4, eval_every=4),
    )
    # Full softmax: sampled candidates are drawn on each device.
    protocol = dataclasses.replace(PROTOCOLS["clean"], sampled_fraction=0.0)
    tied = training.run(
        dataclasses.replace(
            recipe, stages=stages, protocol=protocol, model="sasrec"
        ),
        sessions, folder / f"tied {name}", strategy=strategy,
        jit_compile=False, verbose=0,
    )[-1].load_model()
    found["tied"] = {
        v.path.split("/", 1)[1]: v.numpy().tolist()
        for v in tied.trainable_variables
    }
    try:
        training.run(
            dataclasses.replace(recipe, batch_size=15), sessions,
            folder / "runs", strategy=strategy,
        ) if name == "mirrored" else None
        found["error"] = None
    except ValueError as error:
        found["error"] = str(error)
    return found

results = {name: judge(name) for name in ("default", "mirrored")}
pathlib.Path(sys.argv[1]).write_text(json.dumps(results))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each strategy came to."""
    result = tmp_path_factory.mktemp("distribution") / "found.json"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(result)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "CUDA_VISIBLE_DEVICES": "",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads(result.read_text())
    assert results["default"]["num_devices"] == 1
    assert results["mirrored"]["num_devices"] == 2
    return results


@pytest.mark.parametrize("loss", ["padding counted", "masked"])
def test_loss_trajectory(found, loss):
    one, two = found["default"][loss], found["mirrored"][loss]
    assert len(one) == len(two) == 50
    assert one[-1] < 0.95 * one[0]
    np.testing.assert_allclose(two, one, atol=1e-4)


def test_the_two_losses_differ(found):
    one = found["default"]
    assert not np.allclose(one["padding counted"], one["masked"], atol=1e-2)


def test_evaluation(found):
    one, two = (found[n]["evaluated"] for n in ("default", "mirrored"))
    assert one["num_sessions"] == two["num_sessions"] == 200
    assert set(one) == set(two)
    assert 0 < one["mrr_at_5"] < one["hit_rate_at_5"] < 1
    # Keras' own loss is a mean of means over batches and devices, the filled
    # up ones included: no figure of ours.
    for name in set(one) - {"loss"}:
        assert f"{two[name]:.4f}" == f"{one[name]:.4f}", name
        assert two[name] == pytest.approx(one[name], rel=1e-5), name


def test_xla_is_off_where_cpu_devices_share_a_step(found):
    assert found["default"]["can_jit_compile"]
    assert not found["mirrored"]["can_jit_compile"]


def test_copies_stay_tied(found):
    one, two = found["default"]["tied"], found["mirrored"]["tied"]
    copies = [name for name in one if name.startswith("block_1/attention/")]
    assert any("query" in name for name in copies)
    for found_here in (one, two):
        for name in copies:
            if any(part in name for part in ("query", "key", "value")):
                other = found_here[name.replace("block_1/", "block_2/")]
                assert found_here[name] == other, name
    for name in one:
        np.testing.assert_allclose(
            two[name], one[name], atol=1e-5, err_msg=name
        )


def test_a_batch_that_does_not_split_evenly(found):
    assert "batch_size=15" in found["mirrored"]["error"]
    assert "2 devices" in found["mirrored"]["error"]


def test_batch_sizes_of_one_device():
    distribution.check_batch_size(15, tf.distribute.get_strategy())


def test_an_unknown_strategy():
    with pytest.raises(ValueError, match="strategy='parameter_server'"):
        distribution.make_strategy("parameter_server")
