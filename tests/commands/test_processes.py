"""What belongs to a process: commands as users start them.

Nothing but what a command says reaches either stream, whatever TensorFlow
remarks as it starts, and no error ends in a traceback.
"""

import os
import subprocess
import sys

import pytest

from tests import in_process
from tests.commands.test_recommend import save_model


def start(name, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", f"experiments.{name}", *arguments],
        cwd=in_process.ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("train", ["--raw=nothing.csv"]),
        ("recommend", ["--model=nothing.keras", "--history=1"]),
        ("export", ["--model=nothing.keras", "--output=nowhere"]),
        ("convert", ["--model=nothing.keras", "--output=nowhere.ckpt"]),
    ],
)
def test_an_error_is_one_line(name, arguments):
    status, said, told = start(name, *arguments)
    assert (status, said) == (1, "")
    assert told.startswith("error: ") and "nothing" in told
    assert told.count("\n") == 1


def test_an_answer_is_all_that_is_said(tmp_path):
    model = save_model(tmp_path / "model.keras", ["a", "b", "c"])
    status, said, told = start("recommend", f"--model={model}", "--history=a")
    assert (status, said, told) == (0, "b,c\n", "")


def test_an_export_says_what_it_wrote(tmp_path):
    """And nothing of what TensorFlow remarks of what it writes."""
    model = save_model(tmp_path / "model.keras", ["a", "b", "c"])
    output = tmp_path / "exported"
    done = start("export", f"--model={model}", f"--output={output}")
    status, said, told = done
    assert (status, told) == (0, "") and said.startswith(f"wrote {output}: ")
    assert said.count("\n") == 1
