"""Model files that claim what they do not hold: refused before they load."""

import json
import os
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf import Vocabulary
from nextitnet_tf.models import saved
from tests.test_saved import refused
from tests.test_saved import rewrite

CONFIG, WEIGHTS = "config.json", "model.weights.h5"


@pytest.fixture(name="path")
def fixture_path(tmp_path):
    model = nextitnet_tf.NextItNet(num_items=3, num_blocks=2, embedding_dim=4)
    model.vocabulary = Vocabulary(
        [None, "a", "b", "c"], [0, 3, 2, 1], padding_id=0, history_length=2
    )
    path = tmp_path / "model.keras"
    model.save(path)
    saved.load_model(path)
    return path


def change_json(name, **changes):
    def change(part, content):
        if not part.endswith(name):
            return content
        value = json.loads(content)
        inner = value["config"] if name == CONFIG else value
        inner.update(changes)
        return json.dumps(value)

    return change


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_blocks": 10**6}, "num_blocks=1,000,000 with 2"),
        ({"num_blocks": 10**10}, "num_blocks=10,000,000,000, for which"),
        ({"embedding_dim": 10**7}, "embedding_dim=10,000,000, for which"),
        ({"num_items": 10**9}, "num_items=1,000,000,000, for which"),
        (
            {"num_items": 10**6, "embedding_dim": 1000},
            "num_items=1,000,000 of embedding_dim=1,000, for which",
        ),
        ({"dilation_rates": [1, 10**9]}, "dilation_rates=1,000,000,000, for"),
        ({"kernel_size": 10**8}, "kernel_size=100,000,000, for which"),
        # Kernels between items, which no number of items answers for.
        (
            {"num_items": 1, "embedding_dim": 2000},
            "embedding_dim=2,000 of embedding_dim=2,000, for which",
        ),
        ({"padding_id": 4}, "padding_id=4, none of the columns 0 to 3"),
        ({"padding_id": -1}, "padding_id=-1, none of the columns 0 to 3"),
    ],
)
def test_sizes_that_no_weights_answer_for(path, changes, message):
    rewrite(path, change_json(CONFIG, **changes))
    assert message in refused(path)


def test_layers_of_any_size(path, tmp_path):
    """A model of Keras' own is not built to find out that it is none."""
    layer = keras.layers.Dense(3)
    model = keras.Sequential([keras.Input((2,)), layer])
    model.save(tmp_path / "other.keras")
    assert "a Sequential of Keras" in refused(tmp_path / "other.keras")
    part = keras.saving.serialize_keras_object(layer)
    rewrite(path, change_json(CONFIG, use_alpha=part))
    assert "a Dense of Keras" in refused(path)


def test_what_is_registered_and_no_model(path):
    def change(part, content):
        if part != CONFIG:
            return content
        value = json.loads(content)
        value["registered_name"] = "nextitnet_tf>DilatedConv"
        return json.dumps(value)

    rewrite(path, change)
    assert "which recommends nothing" in refused(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"history_length": 10**9},
        {"num_columns": 10**9},
        {"padding_id": 7},
        {"padding_id": -1},
        {"history_length": "2"},
    ],
)
def test_a_vocabulary_that_cannot_be(path, changes):
    rewrite(path, change_json("vocabulary.json", **changes))
    assert "vocabulary.json" in refused(path)


def test_names_that_lead_elsewhere(path, tmp_path):
    for name in ("../escaped", "/tmp/escaped", "a\\..\\..\\escaped", "C:x"):
        copy = tmp_path / "copy.keras"
        copy.write_bytes(path.read_bytes())
        with zipfile.ZipFile(copy, "a") as archive:
            archive.writestr(name, "x")
        assert "escaped" in refused(copy) or "C:x" in refused(copy)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "copy.keras",
        "model.keras",
    ]


def test_an_archive_that_grows(path):
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(1 << 28))
    assert "it would grow to" in refused(path)


def test_too_many_files(path):
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(1000):
            archive.writestr(str(number), "")
    assert "it has 1,00" in refused(path)


@pytest.mark.parametrize("what", ["external", "link", "virtual", "empty"])
def test_weights_that_lie_elsewhere(path, tmp_path, what):
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(16, dtype="float32").tobytes())
    weights = tmp_path / "weights.h5"
    with zipfile.ZipFile(path) as archive:
        weights.write_bytes(archive.read(WEIGHTS))
    with h5py.File(weights, "a") as file:
        if what == "external":
            file.create_dataset(
                "evil", (16,), "float32", external=[(str(secret), 0, 64)]
            )
        elif what == "link":
            file["evil"] = h5py.ExternalLink(str(secret), "/")
        elif what == "virtual":
            layout = h5py.VirtualLayout((16,), "float32")
            layout[:] = h5py.VirtualSource(str(secret), "x", (16,))
            file.create_virtual_dataset("evil", layout)
        else:  # a claim of 4 TB, none of which is stored
            file.create_dataset("evil", (10**12,), "float32", chunks=(1024,))
    rewrite(path, lambda n, old: weights.read_bytes() if n == WEIGHTS else old)
    assert "evil" in refused(path)


def test_groups_that_hold_themselves(path, tmp_path):
    weights = tmp_path / "weights.h5"
    with zipfile.ZipFile(path) as archive:
        weights.write_bytes(archive.read(WEIGHTS))
    with h5py.File(weights, "a") as file:
        file["evil"] = file["/"]
    rewrite(path, lambda n, old: weights.read_bytes() if n == WEIGHTS else old)
    assert "too deep" in refused(path)


def test_nothing_is_imported(path, tmp_path):
    """A module that writes a file when it is imported, named as a class's."""
    (tmp_path / "evil.py").write_text("open('was_imported', 'w').close()\n")
    rewrite(
        path,
        lambda n, old: (
            json.dumps(
                json.loads(old)
                | {"module": "evil", "registered_name": "evil>NextItNet"}
            )
            if n == CONFIG
            else old
        ),
    )
    program = (
        "from nextitnet_tf.models import saved\n"
        f"saved.load_model({str(path)!r})\n"
    )
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{root}:{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "evil.NextItNet, which is not registered" in done.stderr
    assert not (tmp_path / "was_imported").exists()


def test_code_in_a_lambda_does_not_run(tmp_path):
    layer = keras.layers.Lambda(lambda x: x)
    keras.Sequential([keras.Input((2,)), layer]).save(tmp_path / "code.keras")
    assert "code.keras" in refused(tmp_path / "code.keras")
