"""The commit that computed a number."""

import shutil
import subprocess
from pathlib import Path

import pytest

from nextitnet_tf.training import provenance

ROOT = Path(__file__).parents[2]


def git(*arguments, cwd):
    return subprocess.run(
        ["git", *arguments], cwd=cwd, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture(autouse=True)
def fresh():
    provenance.commit.cache_clear()
    yield
    provenance.commit.cache_clear()


def test_of_this_checkout():
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    head = git("rev-parse", "--short=12", "HEAD", cwd=ROOT)
    assert str(provenance.commit()).removesuffix("-dirty") == head


def test_in_somebody_else_s_repository(tmp_path, monkeypatch):
    """Where the package is installed, ignored by git, it is none of theirs."""
    installed = tmp_path / ".venv" / "nextitnet_tf" / "training"
    installed.mkdir(parents=True)
    copy = installed / "provenance.py"
    shutil.copyfile(provenance.__file__, copy)
    (tmp_path / ".gitignore").write_text(".venv\n")
    git("init", "-q", cwd=tmp_path)
    git("add", ".", cwd=tmp_path)
    name = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    git(*name, "commit", "-q", "-m", "theirs", cwd=tmp_path)
    monkeypatch.setattr(provenance, "__file__", str(copy))
    assert provenance.commit() is None
