"""`python -m experiments.convert`, both ways."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from nextitnet_tf import release
from nextitnet_tf.models import saved
from nextitnet_tf.preparation import sessions_csv
from tests import in_process

ROOT = pathlib.Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
CHECKPOINT = str(GOLDEN / "nextitnet_4.ckpt")


run = in_process.run


def tensors_of(prefix):
    reader = tf.train.load_checkpoint(str(prefix))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
    }


def test_there_and_back(tmp_path):
    model, back = tmp_path / "model.keras", tmp_path / "back.ckpt"
    _, said, _ = run(
        "convert",
        f"--checkpoint={CHECKPOINT}",
        f"--output={model}",
        "--with_optimizer",
    )
    assert "4 blocks, 8 channels, 60 items, dilation rates 1, 4" in said
    run("convert", f"--model={model}", f"--output={back}", "--with_optimizer")
    before, after = tensors_of(CHECKPOINT), tensors_of(back)
    assert set(before) == set(after)
    for name, tensor in before.items():
        np.testing.assert_allclose(after[name], tensor, rtol=1e-5)


def test_with_sessions_it_recommends_in_raw_ids(tmp_path):
    """Items 100, 101, ... in order of first appearance, padding last."""
    csv = tmp_path / "sessions.csv"
    ids = np.arange(100, 159).reshape(-1, 1)
    lines = [f"{i},{100 + (i - 99) % 59}" for i in ids.ravel()]
    csv.write_text("\n".join([*lines, "100"]) + "\n")
    folder = sessions_csv.prepare_sessions_csv(csv, tmp_path / "sessions")
    rows, vocabulary = release.read_sessions(csv)
    assert len(vocabulary) == 61  # <UNK>, 59 items and the padding `0`
    model = tmp_path / "model.keras"
    run(
        "convert",
        f"--checkpoint={CHECKPOINT}",
        f"--output={model}",
        f"--sessions={folder}",
    )
    loaded = saved.load_model(model)
    assert [str(raw) for raw in loaded.vocabulary.raw_ids[1:]] == [
        word if word != "0" else "None" for word in list(vocabulary)[1:]
    ]
    _, said, _ = run("recommend", f"--model={model}", "--history=107", "--k=5")
    # By hand: the history is one item, whose id is its place in the file.
    logits = np.array(loaded(np.array([[vocabulary["107"]]])))[0]
    logits[[0, vocabulary["0"], vocabulary["107"]]] = -np.inf
    words = list(vocabulary)
    expected = [words[i] for i in np.argsort(-logits)[:5]]
    assert said.strip().split(",") == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--checkpoint=a", "--model=b"], "both"),
        (["--checkpoint=a"], "must end in .keras"),
        (["--model=nothing.keras"], "nothing.keras"),
    ],
)
def test_wrong_arguments(tmp_path, arguments, words):
    code, out, err = run("convert", *arguments, f"--output={tmp_path / 'out'}")
    assert (code, out) == (1, "")
    assert err.startswith("error: ") and words in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
