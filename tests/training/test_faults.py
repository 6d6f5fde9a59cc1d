"""Every write of a run, failing: one error that names it, nothing lost.

`WRITES` lists the files that training opens for writing. A new one must be
added, and is then made to fail here, too.
"""

import errno
import os
import re
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest

from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.training import ranking
from tests import opened_files
from tests.checks import write_sessions
from tests.kills import harness

WRITES = (
    "STAGE.lock",
    "STAGE/train.log",
    "STAGE/training_state-N.part.npz",
    "STAGE/best-N.part.keras",
    "STAGE/log.part.csv",
    "STAGE/ranks.part.npz",
    "STAGE/run.part.json",
)


@pytest.fixture(scope="module", name="sessions")
def fixture_sessions(tmp_path_factory):
    generator = np.random.default_rng(0)
    rows = (generator.integers(0, 30, (200, 1)) + np.arange(8)) % 30 + 1
    folder = write_sessions(
        tmp_path_factory.mktemp("data") / "s", rows, users=np.arange(200) % 50
    )
    return data.read_sessions(folder)


def run(sessions, folder):
    recipe = Recipe(
        stages=(Stage(1, max_steps=4, eval_every=2),),
        model_config={"embedding_dim": 4},
        batch_size=16,
    )
    (done,) = training.run(
        recipe, sessions, folder, jit_compile=False, verbose=0
    )
    return done


def place(path, folder):
    """Which of `WRITES` a path is; None elsewhere."""
    path = os.path.relpath(path, folder)
    if path.startswith(".."):
        return None
    path = re.sub(r"\.[0-9a-f]{12}\.part", ".part", path)
    path = re.sub(r"(state|best)-\d+", r"\1-N", path)
    return re.sub(r"^[\w-]+-seed0-[0-9a-f]{10}", "STAGE", path)


@pytest.fixture(scope="module", name="undisturbed")
def fixture_undisturbed(sessions, tmp_path_factory):
    """What a run leaves, and the files it opened for writing."""
    folder = tmp_path_factory.mktemp("undisturbed")
    opened = []
    with opened_files.watched(opened.append):
        run(sessions, folder)
    found = {place(path, folder) for path in opened} - {None}
    return harness.left(folder), found


def test_every_write_is_listed(undisturbed):
    assert undisturbed[1] == set(WRITES)


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_fails(
    sessions, tmp_path, undisturbed, name, code=errno.ENOSPC
):
    """The second of its kind, where there are several."""
    with (
        opened_files.failing(
            lambda path: place(path, tmp_path) == name,
            1 if name in ONCE else 2,
            code,
        ),
        pytest.raises(OSError) as raised,
    ):
        run(sessions, tmp_path)
    assert raised.value.errno == code
    shown = place(raised.value.filename, tmp_path)
    assert shown == name.replace(".part", "")
    run(sessions, tmp_path)
    assert harness.left(tmp_path) == undisturbed[0]


ONCE = ("STAGE.lock", "STAGE/ranks.part.npz", "STAGE/run.part.json")


def test_a_folder_that_is_read_only(sessions, tmp_path, undisturbed):
    test_a_write_that_fails(
        sessions, tmp_path, undisturbed, WRITES[2], errno.EROFS
    )


def test_a_folder_that_is_removed_meanwhile(
    sessions, tmp_path, undisturbed, monkeypatch
):
    rank = ranking.Ranker.rank
    calls = 0

    def remove(self, evaluation):
        nonlocal calls
        calls += 1
        if calls == 2:
            shutil.rmtree(tmp_path / "out")
        return rank(self, evaluation)

    with monkeypatch.context() as patched:
        patched.setattr(ranking.Ranker, "rank", remove)
        with pytest.raises(OSError, match=str(tmp_path / "out")):
            run(sessions, tmp_path / "out")
    run(sessions, tmp_path / "out")
    assert harness.left(tmp_path / "out") == undisturbed[0]


def test_a_file_where_a_folder_should_be(sessions, tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OSError, match=r"out.*"):
        run(sessions, tmp_path / "out")


@pytest.mark.parametrize(
    "most", [2_000, pytest.param(15_000, marks=pytest.mark.slow)]
)
def test_a_full_disk_of_a_command(tmp_path, most):
    """No file may grow beyond `most` bytes, the way a disk ends."""
    harness.write_data(tmp_path)

    def start(limit):
        def limited():
            resource.setrlimit(
                resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)
            )

        return subprocess.run(
            [sys.executable, "-m", "experiments.train", *harness.FLAGS],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(harness.ROOT)},
            preexec_fn=limited,
            capture_output=True,
            text=True,
            timeout=300,
        )

    done = start(most)
    assert done.returncode == 1, done.stderr
    (line,) = [s for s in done.stderr.splitlines() if s.startswith("error:")]
    assert "File too large" in line and ("data/my" in line or "out/" in line)
    assert "Traceback" not in done.stderr
    done = start(resource.RLIM_INFINITY)
    assert done.returncode == 0, done.stderr
