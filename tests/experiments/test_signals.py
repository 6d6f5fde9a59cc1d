"""Commands that are told to end, and what they say while they work."""

import os
import subprocess
import sys

import pytest

from tests.kills import harness


@pytest.fixture(scope="module", name="folder")
def fixture_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("command")
    harness.write_data(folder)
    return folder


def test_a_command_that_is_told_to_end(folder):
    """In the middle of an interval, by Ctrl-C and by SIGTERM."""
    for where, status, word in (
        ("step:1:TERM", 143, "terminated"),
        ("step:2:INT", 130, "interrupted"),
    ):
        done = harness.start(folder, where)
        assert done.returncode == status, done.stderr
        assert f"{word}: what was finished is kept" in done.stderr
        assert "Traceback" not in done.stderr
    (state,) = folder.glob("out/runs/*/training_state-3.npz")
    # Steps 1 to 3 are not trained again.
    done = harness.start(folder, "")
    assert done.returncode == 0, done.stderr
    log = (state.parent / "train.log").read_text()
    assert "goes on from step 1" in log and "goes on from step 3" in log
    assert "cut short after step 1" in log
    check_output(done)


def check_output(done):
    """No terminal: a line a stage, no bars."""
    lines = [
        line
        for line in done.stderr.splitlines()
        if not line.startswith(("I0", "W0", "E0", "WARNING: All log"))
    ]
    assert [line for line in lines if line.startswith("trained ")] == [
        line for line in lines if "-seed0-" in line and "trained" in line
    ]
    assert len([line for line in lines if line.startswith("trained ")]) == 2
    for text in (done.stdout, done.stderr):
        assert "\x1b" not in text and "\b" not in text and "\r" not in text
    assert "ms/step" not in done.stdout


def test_verbose_says_what_each_evaluation_finds(folder):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "experiments.train", *harness.FLAGS),
            *("--output=verbose", "--num_blocks=1", "--verbose"),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(harness.ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    for step in (2, 4, 6):
        assert f"step {step}: loss" in done.stderr
