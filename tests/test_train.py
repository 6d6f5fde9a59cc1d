"""`python -m experiments.train`: any model, on anybody's csv."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from nextitnet_tf import training

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def train(tmp_path):
    """Runs the command on a csv of 40 users who count upwards from 0 to 4."""
    lines = ["user,item,timestamp"]
    for user in range(40):
        lines += [f"u{user},i{(user + k) % 5},{k}" for k in range(6)]
    (tmp_path / "my.csv").write_text("\n".join(lines) + "\n")

    def run(*arguments):
        return run_command(
            tmp_path,
            "train",
            *("--raw=my.csv", "--output=out", "--t=6", "--embedding_dim=8"),
            *("--batch_size=16", "--max_steps=4", "--eval_every=2"),
            *arguments,
        )

    return run


def run_command(folder, name, *arguments):
    return subprocess.run(
        [sys.executable, "-m", f"experiments.{name}", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(
            ["--model=grec", "--variant=original", "--mask_fraction=0.4"],
            {"variant": "original", "mask_fraction": 0.4, "num_blocks": 2},
            marks=pytest.mark.slow,
        ),
        (
            [
                *("--model=sasrec", "--num_heads=2", "--dropout_rate=0.2"),
                *("--variant=original", "--notie_output"),
                "--dtype=mixed_bfloat16",
            ],
            {
                "num_heads": 2,
                "dropout_rate": 0.2,
                "max_length": 5,
                "variant": "original",
                "tie_output": False,
                "use_alpha": False,
            },
        ),
    ],
)
def test_models_other_than_nextitnet(train, tmp_path, arguments, expected):
    done = train("--num_blocks=1,2", *arguments)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "2 blocks: " in done.stdout
    model = training.load_model(tmp_path / "out" / "model.keras")
    assert type(model).__name__.lower() == arguments[0].split("=")[1]
    config = model.get_config()
    assert {name: config[name] for name in expected} == expected
    is_mixed = "--dtype=mixed_bfloat16" in arguments
    assert model.compute_dtype == ("bfloat16" if is_mixed else "float32")
    assert model.dtype == "float32" and len(model.blocks) == 2
    preset = {"grec": "best", "sasrec": "paper"}[type(model).__name__.lower()]
    assert list((tmp_path / "out/runs").glob(f"*-2-adjacent-{preset}-*"))
    shown = done.stdout.split("2 blocks: ")[1].split(", best after")[0]
    evaluated = run_command(
        tmp_path, "evaluate", "--model=out/model.keras", "--raw=my.csv", "--t=6"
    )
    assert evaluated.returncode == 0, evaluated.stderr[-2000:]
    assert shown in evaluated.stdout
    without = run_command(
        *(tmp_path, "evaluate", "--model=out/model.keras", "--raw=my.csv"),
        *("--t=6", "--exclude_seen"),
    )
    # A history has all items but the one that follows: nothing can beat it.
    assert "clean, items of the history left out: MRR@5 1.0" in without.stdout
    (answer,) = model.recommend([["i3"]], k=2)
    assert len(answer) == 2 and "i3" not in answer
    assert np.isfinite(
        model.predict(np.zeros((1, 5), "int32"), verbose=0)
    ).all()


@pytest.mark.slow
def test_a_model_that_knows_users_and_one_without_blocks(train, tmp_path):
    done = train("--model=ssept", "--num_blocks=1", "--split=rows")
    assert done.returncode == 0, done.stderr[-2000:]
    shown = done.stdout.split("1 blocks: ")[1].split(", best after")[0]
    evaluate = (tmp_path, "evaluate", "--model=out/model.keras", "--t=6")
    evaluated = run_command(*evaluate, "--split=rows", "--raw=my.csv")
    assert shown in evaluated.stdout, evaluated.stderr[-2000:]
    one_more = (tmp_path / "my.csv").read_text() + "".join(
        f"u40,i{k % 5},{k}\n" for k in range(6)
    )
    (tmp_path / "other.csv").write_text(one_more)
    evaluated = run_command(*evaluate, "--split=rows", "--raw=other.csv")
    (line,) = evaluated.stderr.strip().splitlines()
    assert evaluated.returncode == 1 and line.startswith("error: ")
    assert "with 41 users, a SSEPT of 40" in line
    done = train("--model=gru4rec")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "gru4rec: " in done.stdout
    for arguments, expected in (
        (["--model=ssept"], "split='users'"),
        (["--model=nfm", "--num_blocks=2"], "--num_blocks=2"),
    ):
        done = train(*arguments)
        assert done.returncode == 1
        (line,) = done.stderr.strip().splitlines()
        assert line.startswith("error: ") and expected in line


def test_a_flag_of_another_model(train, tmp_path):
    done = train("--num_heads=2")
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    assert "--model=nextitnet" in line and "--num_heads=2" in line
    assert not (tmp_path / "out").exists()
