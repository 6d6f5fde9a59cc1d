"""Killed at any moment, a stage ends as if nothing had happened."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf import locks
from nextitnet_tf import training
from nextitnet_tf.models import SkipRec
from nextitnet_tf.models import saved
from nextitnet_tf.recipe import PROTOCOLS
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.training import provenance
from nextitnet_tf.training import stages
from nextitnet_tf.training.checkpoint import Checkpoints
from nextitnet_tf.training.checkpoint import Progress
from tests.checks import write_sessions

ROOT = pathlib.Path(__file__).parents[2]

# argv: folder of sessions, folder of runs, where to be killed. SSE-PT under
# protocol `release` has all that a stage can forget: dropout, negatives,
# rows that training overwrites, and a last interval that is shorter.
PROGRAM = """
import sys
from nextitnet_tf import data, training
from nextitnet_tf.recipe import PROTOCOLS, Recipe, Stage
from tests.kills import points

sessions, folder, where = sys.argv[1:]
points.arm(where)
recipe = Recipe(
    stages=(Stage(2, max_steps=11, eval_every=2, patience=9),),
    protocol=PROTOCOLS["release"],
    model="ssept",
    model_config={"embedding_dim": 8, "dropout_rate": 0.3},
    batch_size=16,
)
training.run(
    recipe, data.read_sessions(sessions, "first_appearance"), folder,
    jit_compile=False, verbose=0,
)
"""
KILLS = (
    "step:3:KILL",
    "step:1:TERM",  # in the middle of an interval of two
    "evaluation:2:KILL",
    "state:2:KILL",
    "old states:2:KILL",
    "summary:1:KILL",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    generator = np.random.default_rng(0)
    rows = (generator.integers(0, 30, (200, 1)) + np.arange(8)) % 30 + 1
    for row, padding in zip(rows, generator.integers(0, 6, 200), strict=True):
        row[:padding] = 0
    return write_sessions(
        tmp_path_factory.mktemp("data") / "s", rows, users=np.arange(200) % 50
    )


def start(folder, runs, where=""):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), str(runs), where],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "CUDA_VISIBLE_DEVICES": "",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        },
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_killed_six_times(folder, tmp_path):
    done = start(folder, tmp_path / "undisturbed")
    assert done.returncode == 0, done.stderr[-3000:]
    for where in KILLS:
        killed = start(folder, tmp_path / "killed", where)
        signum = signal.Signals[f"SIG{where.split(':')[-1]}"]
        assert killed.returncode == -signum, (where, killed.stderr[-3000:])
        assert training.read_all(tmp_path / "killed") == []
    done = start(folder, tmp_path / "killed")
    assert done.returncode == 0, done.stderr[-3000:]

    (expected,) = training.read_all(tmp_path / "undisturbed")
    (found,) = training.read_all(tmp_path / "killed")
    assert found.folder.name == expected.folder.name
    without_clock = [
        [
            {k: v for k, v in point.items() if k != "train_seconds"}
            for point in run.summary["curve"]
        ]
        for run in (found, expected)
    ]
    assert without_clock[0] == without_clock[1]
    assert [p["step"] for p in without_clock[0]] == [2, 4, 6, 8, 10, 11]
    assert found.summary["test"] == expected.summary["test"]
    for exclude_seen in (False, True):
        np.testing.assert_array_equal(
            found.read_ranks(exclude_seen), expected.read_ranks(exclude_seen)
        )
    models = [run.load_model(with_optimizer=True) for run in (found, expected)]
    for variables in (
        [m.weights for m in models],
        [m.optimizer.variables for m in models],
    ):
        for one, other in zip(*variables, strict=True):
            np.testing.assert_array_equal(one.numpy(), other.numpy(), one.path)
    # Nothing of the interruptions is left.
    assert sorted(p.name for p in found.folder.iterdir()) == sorted(
        p.name for p in expected.folder.iterdir()
    )
    assert [p.name for p in (tmp_path / "killed").iterdir()] == [
        found.folder.name
    ]


# --- the state of training ------------------------------------------------


def make_recipe(**changes):
    return Recipe(
        stages=(Stage(1, max_steps=4, eval_every=2),),
        **{"model_config": {"embedding_dim": 4}, "batch_size": 16, **changes},
    )


@pytest.fixture
def interrupted(folder, tmp_path, monkeypatch):
    """(sessions, folder of runs, file of the state), after one evaluation."""
    sessions = data.read_sessions(folder)
    save = Checkpoints.save

    def interrupt(self, model, progress):
        save(self, model, progress)
        if progress.curve:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(sessions, tmp_path)
    (state,) = tmp_path.glob("*/training_state-2.npz")
    return sessions, tmp_path, state


def run(sessions, folder, recipe=None):
    return training.run(
        recipe or make_recipe(), sessions, folder, jit_compile=False, verbose=0
    )


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["training_state-2.npz", "best-2.keras"])
def test_the_state_before_a_damaged_one_is_used(
    interrupted, tmp_path_factory, caplog, name
):
    sessions, folder, state = interrupted
    damage(state.with_name(name))
    (done,) = run(sessions, folder)
    (warning,) = [r for r in caplog.records if r.levelname == "WARNING"]
    assert name in warning.getMessage()
    assert "damaged" in warning.getMessage()
    assert "the state before, training_state-0.npz" in warning.getMessage()
    (other,) = run(sessions, tmp_path_factory.mktemp("undisturbed"))
    assert done.summary["test"] == other.summary["test"]


def test_a_state_of_an_earlier_version_is_refused(interrupted):
    sessions, folder, state = interrupted
    for path in state.parent.glob("training_state-*.npz"):
        path.unlink()
    about = np.array(json.dumps({"format": 1}))
    np.savez(state.with_name("training_state.npz"), about=about)
    with pytest.raises(ValueError, match=r"training_state\.npz is of another"):
        run(sessions, folder)


def test_damaged_states_are_named(interrupted):
    sessions, folder, state = interrupted
    damage(state)
    damage(state.with_name("training_state-0.npz"))
    with pytest.raises(ValueError, match=r"state-2.*damaged.*state-0.*damag"):
        run(sessions, folder)


def test_a_state_of_another_stage_is_refused(interrupted):
    sessions, folder, state = interrupted
    other = make_recipe(seed=1)
    name = training.runs.name_of(other, sessions.fingerprint)
    state.parent.rename(folder / name)
    with pytest.raises(ValueError, match="of another recipe or version"):
        run(sessions, folder, other)


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("nextitnet", {}),
        # AdamW, along a schedule.
        ("nextitnet", {"recipe": {"weight_decay": 0.1, "decay": "cosine"}}),
        # Two optimizers, one of which counts twice.
        ("nextitnet", {"skip": SkipRec.release_arguments("reinforce")}),
        ("grec", {}),
        ("sasrec", {"dropout_rate": 0.5}),
        ("gru4rec", {"dropout_rate": 0.5}),
        ("caser", {}),
        ("nfm", {}),
    ],
)
def test_two_steps_and_two_more_are_four(folder, tmp_path, model, config):
    """Every variable of every model and optimizer, random states included."""
    protocol = PROTOCOLS["clean"]
    sessions = data.read_sessions(folder)
    config = dict(config)
    changes = config.pop("recipe", {})
    recipe = make_recipe(
        model=model, model_config={"embedding_dim": 4, **config}, **changes
    )

    def after(*parts):
        """Variables after training in these parts, each a fresh model."""
        step = 0
        for steps in parts:
            made = training.make_model(recipe, 1, sessions)
            training.compile_model(
                made, recipe, sessions, jit_compile=False, max_steps=8
            )
            checkpoints = Checkpoints(tmp_path, "stage")
            if step:
                assert checkpoints.restore(made).step == step
            made.fit(
                data.make_training_dataset(
                    sessions,
                    data.split(sessions, protocol).train,
                    16,
                    protocol,
                    first_step=step,
                ),
                shuffle=False,
                steps_per_epoch=steps,
                verbose=0,
            )
            step += steps
            checkpoints.save(made, Progress(step))
        path = tmp_path / "training_state-4.npz"
        with np.load(path, allow_pickle=False) as file:
            found = {k: file[k] for k in file.files if k.startswith("var")}
        path.unlink()
        return found

    keras.utils.set_random_seed(0)
    at_once = after(4)
    keras.utils.set_random_seed(0)
    in_parts = after(2, 2)
    assert at_once.keys() == in_parts.keys()
    counts = [
        int(value)
        for value in at_once.values()
        if not value.ndim and np.issubdtype(value.dtype, np.integer)
    ]
    assert sorted(counts) == ([4, 8] if "skip" in config else [4])
    for name, value in at_once.items():
        np.testing.assert_array_equal(in_parts[name], value, name)


# --- one process at a time ------------------------------------------------


def test_a_folder_in_use_names_who_uses_it(folder, tmp_path):
    sessions = data.read_sessions(folder)
    name = training.runs.name_of(make_recipe(), sessions.fingerprint)
    with (
        locks.holding(tmp_path / name),
        pytest.raises(OSError, match=f"{name}.*process {os.getpid()} on"),
    ):
        run(sessions, tmp_path)
    assert list(tmp_path.iterdir()) == []
    run(sessions, tmp_path)
    # What is done can be read and is not trained again, locked or not.
    with locks.holding(tmp_path / name):
        assert len(run(sessions, tmp_path)) == 1


# --- what is done is never lost -------------------------------------------


def read_files(run):
    return {
        path.name: path.read_bytes()
        for path in run.folder.iterdir()
        if path.is_file()
    }


def test_a_finished_run_stays_while_it_is_trained_again(
    folder, tmp_path, monkeypatch
):
    sessions = data.read_sessions(folder)
    (done,) = run(sessions, tmp_path)
    (done.folder / "model.keras").unlink()
    before = read_files(done)

    def interrupt(*args):
        raise KeyboardInterrupt

    def again():
        return training.run(
            make_recipe(),
            sessions,
            tmp_path,
            jit_compile=False,
            verbose=0,
            needs_model=True,
        )

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "save", interrupt)
        with pytest.raises(KeyboardInterrupt):
            again()
    assert read_files(done) == before
    (found,) = again()
    assert found.summary["test"] == done.summary["test"]
    assert saved.load_model(found.model_path).num_items == 30
    assert [p.name for p in tmp_path.iterdir()] == [done.folder.name]


@pytest.mark.parametrize("at", range(1, 7))
def test_killed_while_a_run_is_replaced(folder, tmp_path, monkeypatch, at):
    """At each of the steps by which the new run takes the old one's place."""
    sessions = data.read_sessions(folder)
    (done,) = run(sessions, tmp_path)
    (done.folder / "model.keras").unlink()

    def again():
        return training.run(
            make_recipe(),
            sessions,
            tmp_path,
            jit_compile=False,
            verbose=0,
            needs_model=True,
        )

    count = 0

    def killing(function):
        def wrapper(*args, **kwargs):
            nonlocal count
            count += 1
            if count == at:
                raise KeyboardInterrupt
            return function(*args, **kwargs)

        return wrapper

    with monkeypatch.context() as patched:
        patched.setattr(
            stages,
            "os",
            types.SimpleNamespace(replace=killing(os.replace)),
        )
        patched.setattr(
            stages.atomic_files, "write_json", killing(atomic_files.write_json)
        )
        patched.setattr(
            stages,
            "shutil",
            types.SimpleNamespace(rmtree=killing(shutil.rmtree)),
        )
        with pytest.raises(KeyboardInterrupt):
            again()
    (found,) = again()
    assert found.load_model().num_items == 30
    assert found.summary["test"] == done.summary["test"]
    np.testing.assert_array_equal(found.read_ranks(), done.read_ranks())
    again()
    assert [p.name for p in tmp_path.iterdir()] == [done.folder.name]


def test_a_state_in_bfloat16(folder, tmp_path):
    """NumPy's files know no such type."""
    sessions = data.read_sessions(folder)
    config = {"embedding_dim": 8, "dtype": "bfloat16"}
    recipe = make_recipe(model_config=config)
    models = []
    for weights in (0.0, 1.5):
        model = training.make_model(recipe, 1, sessions)
        training.compile_model(model, recipe, sessions, jit_compile=False)
        model.optimizer.build(model.trainable_variables)
        for variable in model.trainable_variables:
            variable.assign(np.full(variable.shape, weights))
        models.append(model)
    states = Checkpoints(tmp_path, "identity")
    before, after = models[1], models[0]
    states.save(before, Progress())
    Checkpoints(tmp_path, "identity").restore(after)
    for one, other in zip(before.weights, after.weights, strict=True):
        np.testing.assert_array_equal(
            np.array(one, "float32"), np.array(other, "float32")
        )


def test_a_state_without_its_best_weights_is_of_no_use(interrupted):
    sessions, folder, state = interrupted
    (best,) = state.parent.glob("best-*.keras")
    best.unlink()
    (done,) = run(sessions, folder)  # from the state before, of step 0
    assert [point["step"] for point in done.summary["curve"]] == [2, 4]


def test_what_a_killed_process_was_writing_goes(interrupted):
    sessions, folder, state = interrupted
    (state.parent / "training_state.7.part.npz").write_bytes(b"cut")
    (done,) = run(sessions, folder)
    assert sorted(p.name for p in done.folder.iterdir()) == [
        "log.csv",
        "model.keras",
        "ranks.npz",
        "run.json",
        "tensorboard",
        "train.log",
    ]


def test_who_goes_on_is_noted_or_refused(interrupted, monkeypatch):
    sessions, folder, _ = interrupted
    with pytest.raises(ValueError, match="jit_compile=False, with which"):
        training.run(
            make_recipe(), sessions, folder, jit_compile=True, verbose=0
        )
    monkeypatch.setattr(provenance, "versions", lambda: {"keras": "9.9"})
    (done,) = run(sessions, folder)
    versions = [by["versions"]["keras"] for by in done.summary["made_by"]]
    assert versions == [keras.version(), "9.9"]
    curve = done.summary["curve"]
    assert done.summary["wall_seconds"] > curve[0]["train_seconds"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON"),
        ("null", "holds a NoneType"),
        ("[]", "holds a list"),
        ("{}", "lacks model, model_config, stages"),
        ('{"model": 1}', "lacks model_config"),
    ],
)
def test_a_broken_summary_is_named(folder, tmp_path, text, message):
    sessions = data.read_sessions(folder)
    (done,) = run(sessions, tmp_path)
    (done.folder / "run.json").write_text(text)
    with pytest.raises(ValueError, match=rf"run\.json.*{message}.*remove"):
        run(sessions, tmp_path)


@pytest.mark.parametrize("name", ["model.keras", "ranks.npz"])
def test_a_file_that_was_damaged_is_named(folder, tmp_path, name):
    sessions = data.read_sessions(folder)
    (done,) = run(sessions, tmp_path)
    path = done.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (again,) = run(sessions, tmp_path)
    read = again.load_model if name == "model.keras" else again.read_ranks
    with pytest.raises(ValueError, match=rf"{name} is damaged.*[Rr]emove"):
        read()
    assert json.loads((done.folder / "run.json").read_text())["files"][name]
