"""`python -m experiments.export`: what is written answers."""

import pathlib

import pytest
import tensorflow as tf

from tests import in_process
from tests.commands.test_recommend import save_model

ROOT = pathlib.Path(__file__).parents[2]


def run(*arguments):
    return in_process.run("export", *arguments)


def test_what_is_written_answers(tmp_path):
    model = save_model(tmp_path / "model.keras", ["a", "b", "c"])
    output = tmp_path / "served" / "1"
    status, said, warned = run(f"--model={model}", f"--output={output}")
    assert status == 0, warned
    (line,) = said.splitlines()
    assert str(output) in line and "MostPop" in line and "k of 1 to 3" in line
    found = tf.saved_model.load(str(output)).signatures["serving_default"](
        histories=tf.constant([["b"]]),
        lengths=tf.constant([1]),
        k=tf.constant(2),
        exclude_seen=tf.constant(True),
    )
    assert found["raw_ids"].numpy().tolist() == [[b"a", b"c"]]
    # What is there is left as it is.
    status, said, warned = run(f"--model={model}", f"--output={output}")
    assert (status, said) == (1, "")
    (line,) = warned.splitlines()
    assert "Expected a folder that is not there yet" in line


def test_onnx_or_what_it_lacks(tmp_path):
    model = save_model(tmp_path / "model.keras", ["a", "b"])
    output = tmp_path / "onnx"
    status, said, warned = run(
        f"--model={model}", f"--output={output}", "--format=onnx"
    )
    try:
        import tf2onnx  # noqa: F401
    except ImportError:
        assert (status, said) == (1, "") and "nextitnet_tf[onnx]" in warned
        assert "Traceback" not in warned and not output.exists()
    else:
        assert status == 0, warned
        assert sorted(path.name for path in output.iterdir()) == [
            *("items.csv", "model.onnx", "vocabulary.json")
        ]


@pytest.mark.parametrize(
    ("flag", "status", "words"),
    [
        ("--format=h5", 2, "h5"),
        ("--model=none.keras", 1, "which is no file"),
    ],
)
def test_an_error_is_one_line(tmp_path, flag, status, words):
    found = run("--model=x", f"--output={tmp_path / 'out'}", flag)
    assert found[:2] == (status, "")
    (line,) = found[2].splitlines()
    assert words in line and not (tmp_path / "out").exists()
