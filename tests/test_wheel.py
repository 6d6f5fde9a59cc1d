"""What is built is installed and used where there is no checkout."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[1]


def run(*arguments, cwd, **environment):
    return subprocess.run(
        arguments,
        cwd=cwd,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module", name="built")
def fixture_built(tmp_path_factory):
    """A folder with an sdist, and the wheel that was built of it."""
    source = tmp_path_factory.mktemp("source")
    for name in ("README.md", "LICENSE", "pyproject.toml", "setup.py"):
        shutil.copyfile(ROOT / name, source / name)
    shutil.copytree(ROOT / "nextitnet_tf", source / "nextitnet_tf")
    folder = tmp_path_factory.mktemp("built")
    done = run(sys.executable, "-m", "build", f"--outdir={folder}", cwd=source)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


def test_what_is_in_the_wheel(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        tops = {name.split("/")[0] for name in opened.namelist()}
        (metadata,) = [n for n in opened.namelist() if n.endswith("METADATA")]
        text = opened.read(metadata).decode()
    assert "nextitnet_tf" in tops
    # An installed `datasets` would hide another project's.
    assert not tops & {"datasets", "experiments", "tests", "results"}
    assert "# nextitnet_tf" in text and "Provides-Extra: parquet" in text
    (sdist,) = built.glob("*.tar.gz")
    assert sdist.stat().st_size < 3e6


def test_it_is_used_without_a_checkout(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    site = tmp_path / "site"
    done = run(
        *(sys.executable, "-m", "pip", "install", "--no-deps", "--quiet"),
        *(f"--target={site}", str(wheel)),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = ["user,item,time"]
    for user in range(40):
        lines += [f"u{user},i{(user + k) % 5},{k}" for k in range(6)]
    (tmp_path / "my.csv").write_text("\n".join(lines) + "\n")

    def command(*arguments):
        done = run(
            *(str(site / "bin" / "nextitnet-tf"), *arguments),
            cwd=tmp_path,
            PYTHONPATH=str(site),
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    where = run(
        *(sys.executable, "-c", "import nextitnet_tf as n; print(n.__file__)"),
        cwd=tmp_path,
        PYTHONPATH=str(site),
    ).stdout
    assert where.startswith(str(site))
    assert "nextitnet-tf COMMAND --help" in command("--help")
    command(
        *("train", "--raw=my.csv", "--t=6", "--num_blocks=1", "--nofloor"),
        *("--embedding_dim=8", "--batch_size=16", "--max_steps=2"),
        "--eval_every=2",
    )
    model = "--model=results/my/model.keras"
    assert "MRR@5" in command("evaluate", model, "--raw=my.csv")
    answer = command("recommend", model, "--history=i1,i2", "--k=2")
    assert len(answer.strip().split(",")) == 2
