"""Files that are whole or not there, whatever fails."""

import errno
import json
import os
import stat

import pytest

from nextitnet_tf import atomic_files


@pytest.fixture(name="path")
def fixture_path(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    return path


def check_untouched(path):
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_it_replaces(path):
    atomic_files.write_text(path, "é")
    assert path.read_bytes() == "é".encode()
    atomic_files.write_json(path, {"a": [1]})
    assert json.loads(path.read_text()) == {"a": [1]}
    with atomic_files.replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() != "new"
        assert partial.suffix == path.suffix
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_process_has_left_goes(path):
    """And what another is writing at the moment stays."""
    left = path.with_name("file.0123456789ab.part.txt")
    left.write_text("half")
    with atomic_files.replacing(path) as partial:
        assert not left.exists()
        atomic_files.write_text(path, "of another")
        partial.write_text("new")
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_planted_link_is_not_followed(path, monkeypatch):
    monkeypatch.setattr(
        atomic_files.secrets, "token_hex", lambda count: "guessed"
    )
    victim = path.with_name("victim")
    victim.write_text("precious")
    path.with_name("file.guessed.part.txt").symlink_to(victim)
    with pytest.raises(OSError, match=r"file\.txt"):
        atomic_files.write_text(path, "new")
    assert victim.read_text() == "precious"
    assert path.read_text() == "old"


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_a_block_that_fails(path, error):
    with pytest.raises(error), atomic_files.replacing(path) as partial:
        partial.write_text("half")
        raise error
    check_untouched(path)


def test_a_full_disk(path):
    """Such an error of Python's has no name of a file in it."""
    with (
        pytest.raises(OSError, match="file.txt") as raised,
        atomic_files.replacing(path) as partial,
    ):
        partial.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.errno == errno.ENOSPC
    check_untouched(path)


def test_a_library_without_error_numbers(path):
    with (
        pytest.raises(OSError, match="file.txt.*unable to lock"),
        atomic_files.replacing(path) as partial,
    ):
        partial.write_text("half")
        raise OSError("unable to lock")
    check_untouched(path)


def test_another_file_keeps_its_name(path):
    with (
        pytest.raises(FileNotFoundError, match="elsewhere"),
        atomic_files.replacing(path),
    ):
        open("elsewhere").close()
    check_untouched(path)


@pytest.mark.parametrize("function", ["replace", "fsync"])
def test_a_step_that_fails(path, monkeypatch, function):
    def fail(*args):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(OSError, match="Input/output error.*file.txt"):
        atomic_files.write_text(path, "new")
    check_untouched(path)


def test_a_folder_that_is_a_file(path):
    with pytest.raises(NotADirectoryError, match="file.txt/inner.json"):
        atomic_files.write_json(path / "inner.json", 1)
    check_untouched(path)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="none/file.txt"):
        atomic_files.write_text(tmp_path / "none" / "file.txt", "new")


def test_a_folder_where_the_file_should_be(tmp_path):
    with pytest.raises(IsADirectoryError, match=tmp_path.name):
        atomic_files.write_text(tmp_path, "new")
    assert list(tmp_path.iterdir()) == []
    assert not list(tmp_path.parent.glob("*.part*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(path):
    path.parent.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="file.txt"):
            atomic_files.write_text(path, "new")
    finally:
        path.parent.chmod(0o700)
    check_untouched(path)


def test_a_file_that_nobody_may_open(path, monkeypatch):
    """What a read-only folder does, for tests that root runs."""

    def refuse(name, *args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(name))

    monkeypatch.setattr("io.open", refuse)
    with pytest.raises(PermissionError, match="file.txt"):
        atomic_files.write_text(path, "new")
    monkeypatch.undo()
    check_untouched(path)


def test_the_order_of_what_reaches_the_disk(path, monkeypatch):
    """Content first, then the name, then the folder that holds the name."""
    done = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        done.append("folder" if is_folder else "content")
        fsync(descriptor)

    def note_replace(old, new):
        done.append("name")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    atomic_files.write_text(path, "new")
    assert done == ["content", "name", "folder"]
