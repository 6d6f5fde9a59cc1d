"""Two workers of one job, processes that share nothing but a folder.

What each of them does is in a process of its own, because TensorFlow knows
its workers before it does anything else.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
STEPS = 50
# argv: strategy, folder of sessions and runs, file for what was found.
PROGRAM = f"""
import json, pathlib, sys
from nextitnet_tf import data, distribution, training

name, folder, result = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
strategy = distribution.make_strategy(name)

import keras
import numpy as np
from nextitnet_tf.recipe import PROTOCOLS, Recipe, Stage
from tests import opened_files

sessions = data.read_sessions(folder / "sessions")
recipe = Recipe(
    stages=(
        Stage(2, max_steps={STEPS}, eval_every=5, patience={STEPS}),
        Stage(4, 1.0, "adjacent", max_steps=6, eval_every=3),
    ),
    protocol=PROTOCOLS["clean"],
    model_config={{"embedding_dim": 8}},
    batch_size=16,
    learning_rate=0.01,
)
written = []
with opened_files.watched(written.append):
    runs = training.run(
        recipe, sessions, folder / name, strategy=strategy, jit_compile=False,
        needs_model=True, verbose=0,
    )
found = {{
    "losses": [[p["loss"] for p in run.summary["curve"]] for run in runs],
    "tests": [run.summary["test"] for run in runs],
    "num_devices": runs[-1].summary["num_devices"],
    "written": [path for path in written if str(folder / name) in path],
}}
with strategy.scope():
    found["worker"] = distribution.worker()
    model = training.make_model(recipe, 2, sessions)
    training.compile_model(model, recipe, sessions, jit_compile=False)
    model.set_weights([np.full(w.shape, 0.1) for w in model.get_weights()])
    # 20 sessions in batches of 16: the second worker's part of the last one
    # only fills it up.
    ranks = training.rank(model, sessions, np.arange(20), recipe)
    found["ranks"] = ranks["ranks"].tolist()
    if len(sys.argv) > 4:
        inputs = np.ones((16, 7), "int32")
        batches = data.make_training_dataset(
            sessions, np.arange(100), 16, PROTOCOLS["clean"],
        )
        try:
            model.fit(batches, steps_per_epoch=1, verbose=0)
            found["keras_fit"] = ""
        except Exception as error:
            found["keras_fit"] = str(error)
found["weights"] = [w.tolist() for w in runs[-1].load_model().get_weights()]
# The flags of all workers are the same.
result = result.replace("PLACE", str(found["worker"][0]))
pathlib.Path(result).write_text(json.dumps(found))
"""


def make_sessions(folder):
    """Sessions of which some have far more padding than others."""
    from tests.checks import write_sessions

    generator = np.random.default_rng(0)
    rows = (generator.integers(0, 50, (200, 1)) + np.arange(8)) % 50 + 1
    padding = generator.integers(0, 7, len(rows))
    for row, count in zip(rows, padding, strict=True):
        row[:count] = 0
    return write_sessions(folder / "sessions", rows)


def free_ports(count):
    with_ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in with_ports]
    for server in with_ports:
        server.close()
    return ports


def start(ports, place, *arguments, command=("-c", PROGRAM)):
    """One worker of as many as there are ports; a process alone of none."""
    config = {}
    if ports:
        addresses = [f"127.0.0.1:{port}" for port in ports]
        config["TF_CONFIG"] = json.dumps(
            {
                "cluster": {"worker": addresses},
                "task": {"type": "worker", "index": place},
            }
        )
    return subprocess.Popen(
        [sys.executable, *command, *map(str, arguments)],
        cwd=ROOT,
        env={
            **os.environ,
            **config,
            "PYTHONPATH": str(ROOT),
            "CUDA_VISIBLE_DEVICES": "",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    """(exit status, stdout, stderr) of a process, which must end."""
    try:
        out, err = process.communicate(timeout=600)
    finally:
        process.kill()
    return process.returncode, out, err


def both(folder, *more, name="multi_worker"):
    """What two workers found, who worked to the end."""
    results = [folder / f"{place}.json" for place in (0, 1)]
    ports = free_ports(2)
    workers = [
        start(ports, place, name, folder, folder / "PLACE.json", *more)
        for place in (0, 1)
    ]
    for worker in workers:
        status, _, err = ended(worker)
        assert status == 0, err[-3000:]
    return [json.loads(result.read_text()) for result in results]


@pytest.fixture(scope="module", name="folder")
def fixture_folder(tmp_path_factory):
    """Sessions that all of these tests train on."""
    folder = tmp_path_factory.mktemp("workers")
    make_sessions(folder)
    return folder


@pytest.fixture(scope="module", name="alone")
def fixture_alone(folder):
    """What one process found."""
    result = folder / "alone.json"
    status, _, err = ended(start([], 0, "default", folder, result))
    assert status == 0, err[-3000:]
    return json.loads(result.read_text())


@pytest.fixture(scope="module", name="found")
def fixture_found(folder):
    """What each of two workers found."""
    return both(folder, "and Keras' fit")


def test_workers_are_told_apart(alone, found):
    assert [f["worker"] for f in (alone, *found)] == [[0, 1], [0, 2], [1, 2]]
    assert [f["num_devices"] for f in (alone, *found)] == [1, 2, 2]


def test_loss_trajectory(alone, found):
    """Of the same global batches, stage by stage."""
    assert [len(of_stage) for of_stage in alone["losses"]] == [STEPS // 5, 2]
    assert alone["losses"][0][-1] < 0.9 * alone["losses"][0][0]
    for of_worker in found:
        for ours, single in zip(
            of_worker["losses"], alone["losses"], strict=True
        ):
            np.testing.assert_allclose(ours, single, atol=1e-4)


def test_workers_hold_equal_weights(alone, found):
    one, other = (f["weights"] for f in found)
    assert one == other
    for ours, single in zip(one, alone["weights"], strict=True):
        np.testing.assert_allclose(ours, single, atol=1e-4)


def test_nothing_is_dropped_in_evaluation(alone, found):
    assert len(alone["ranks"]) == 20
    for of_worker in found:
        assert of_worker["ranks"] == alone["ranks"]
        assert of_worker["tests"] == [
            pytest.approx(test) for test in alone["tests"]
        ]


def test_only_the_chief_writes(found):
    chief, other = (f["written"] for f in found)
    assert any("run.json" in path or ".part." in path for path in chief)
    assert other == []


def test_keras_own_fit_fails_still(found):
    """Once it does not, `training.several_workers.fit` has no reason to be."""
    assert all("PerReplica" in f["keras_fit"] for f in found)


@pytest.mark.parametrize(
    ("victim", "number"),
    [
        (1, signal.SIGKILL),
        pytest.param(0, signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param(1, signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_worker_that_is_killed(victim, number, found, tmp_path):
    """The other ends, saying why; both go on as if nothing had been."""
    make_sessions(tmp_path)
    ports = free_ports(2)
    workers = [
        start(ports, place, "multi_worker", tmp_path, tmp_path / "unused")
        for place in (0, 1)
    ]
    try:
        until = time.monotonic() + 300
        while not list(tmp_path.glob("multi_worker/*/training_state-??.npz")):
            assert time.monotonic() < until
            assert workers[0].poll() is None, ended(workers[0])
            time.sleep(0.02)
        workers[victim].send_signal(number)
        status, _, err = ended(workers[1 - victim])
        assert status == 1
        assert "nother worker" in err.splitlines()[-1], err[-3000:]
    finally:
        for worker in workers:
            worker.kill()
            worker.communicate()
    assert list(tmp_path.glob("multi_worker/*/run.json")) == []
    again = both(tmp_path)
    assert again[0]["losses"] == found[0]["losses"]
    for of_worker in again:
        assert of_worker["weights"] == found[0]["weights"]


DISAGREEING = """
import json, pathlib, sys
from nextitnet_tf import distribution

strategy = distribution.make_strategy("multi_worker")
from nextitnet_tf import data, training
from nextitnet_tf.recipe import PROTOCOLS, Recipe, Stage

base = pathlib.Path(sys.argv[1])
place = json.loads(__import__("os").environ["TF_CONFIG"])["task"]["index"]
errors = []
for folder, seed, dtype, rate in (
    ("same", place, "float32", 0.01),
    (f"own-{place}", 0, "float32", 0.01),
    ("half", 0, "mixed_float16", 0.01),
    ("diverging", 0, "float32", 1e30),
):
    recipe = Recipe(
        stages=(Stage(1, max_steps=4, eval_every=4),),
        protocol=PROTOCOLS["clean"],
        model_config={"embedding_dim": 8, "dtype": dtype},
        batch_size=16, learning_rate=rate, seed=seed,
    )
    try:
        training.run(
            recipe, data.read_sessions(base / "sessions"), base / folder,
            strategy=strategy, jit_compile=False, verbose=0,
        )
        errors.append("")
    except (ValueError, OSError, FloatingPointError) as error:
        errors.append(f"{type(error).__name__}: {error}")
print(json.dumps(errors))
"""


def test_workers_that_do_not_do_the_same(folder):
    """All of them say so, before anything is trained."""
    ports = free_ports(2)
    workers = [
        start(ports, place, folder, command=("-c", DISAGREEING))
        for place in (0, 1)
    ]
    for status, out, err in [ended(worker) for worker in workers]:
        assert status == 0, err[-3000:]
        seed, own_folder, half, diverging = json.loads(out.splitlines()[-1])
        assert "all workers to do the same" in seed
        assert "all workers to do the same" in own_folder
        assert "mixed_float16" in half
        assert diverging.startswith("FloatingPointError: The loss")
    for name in ("same", "own-0", "own-1", "half"):
        assert list(folder.glob(f"{name}/*/run.json")) == []


def test_the_command(tmp_path):
    """The chief alone prepares, writes and reports."""
    lines = ["user,item,timestamp"]
    for user in range(60):
        lines += [f"{user},{(user + i) % 20},{i}" for i in range(8)]
    raw = tmp_path / "mine.csv"
    raw.write_text("\n".join(lines) + "\n")
    ports = free_ports(2)
    workers = [
        start(
            *(ports, place, f"--raw={raw}", f"--output={tmp_path / 'out'}"),
            *(f"--sessions={tmp_path / 'sessions'}", "--num_blocks=1,2"),
            *("--max_steps=4", "--eval_every=4", "--budget_in=steps"),
            *("--batch_size=16", "--strategy=multi_worker", "--nofloor"),
            command=("-m", "experiments.train"),
        )
        for place in (0, 1)
    ]
    chief, other = (ended(worker) for worker in workers)
    assert chief[0] == 0, chief[2][-3000:]
    assert other[0] == 0, other[2][-3000:]
    assert (tmp_path / "out" / "model.keras").is_file()
    assert "MRR@5" in chief[1]
    assert other[1] == ""
    assert other[2].splitlines()[-1].startswith("worker 1 of 2 is done")
