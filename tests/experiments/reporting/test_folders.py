"""Which folders a report is about."""

import subprocess

import pytest

from experiments.reporting import folders


@pytest.fixture(name="root")
def fixture_root(tmp_path):
    for name in ("theirs", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "table.md").write_text("# T\n")
    return tmp_path


def commit(root, name):
    for command in (["init", "-q"], ["add", name]):
        subprocess.run(["git", *command], cwd=root, check=True)


def test_those_committed(root):
    commit(root, "theirs")
    assert folders.chosen(root) == [root / "theirs"]


def test_all_where_none_is_committed(root):
    assert folders.chosen(root) == [root / "mine", root / "theirs"]


def test_those_named(root):
    commit(root, "theirs")
    assert folders.chosen(root, ["mine"]) == [root / "mine"]
    with pytest.raises(ValueError, match="only=yours"):
        folders.chosen(root, ["mine", "yours"])
