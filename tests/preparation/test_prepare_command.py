"""The entry point: formats, reuse, flags, and how it fails."""

import gzip
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from absl import flags

from nextitnet_tf.commands import prepare as command
from nextitnet_tf.preparation import prepare
from nextitnet_tf.preparation import raw_files
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.formats import detect_format
from nextitnet_tf.preparation.replacing import check_replaceable

ROOT = pathlib.Path(__file__).parents[2]
SMALL = {"min_users_per_item": 0, "min_items_per_user": 0, "min_length": 1}


def run(*arguments):
    values = flags.FlagValues()
    command.define_flags(values)
    values(["prepare", *arguments])
    try:
        command.main(values)
    except (DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "raw.csv"
    path.write_text("user,item,timestamp\n1,5,2\n1,4,1\n2,4,1\n")
    return path


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "user,item,order\n1,2,3\n", "interactions"),
        ("a.csv", '"userId","movieId"\n1,2,3\n', "interactions"),
        ("a.csv", "\n1,2,3,4,5\n", "sessions"),
        ("a.csv", "12\n", "sessions"),
        ("ratings.dat", "1::2::3::4\n", "movielens"),
        ("RATINGS.DAT.gz", "1::2::3::4\n", "movielens"),
        ("ml-20m.zip", "", "movielens"),
    ],
)
def test_detection(tmp_path, name, text, expected):
    (tmp_path / name).write_text(text)
    assert detect_format(tmp_path / name) == expected
    assert detect_format(tmp_path) == "movielens"


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson.gz", "a.txt"])
def test_json_is_none_of_the_formats(tmp_path, name):
    line = b'{"user": 7, "item": 2, "time": 1}\n'
    if name.endswith(".gz"):
        line = gzip.compress(line)
    (tmp_path / name).write_bytes(line)
    with pytest.raises(DataError, match="read_json.*to_csv.*, JSON"):
        detect_format(tmp_path / name)
    # A user may be called so where somebody says what the columns are.
    options = {"columns": ("user", "item", "time")}
    assert detect_format(tmp_path / name, options) == "interactions"


def test_an_unclear_format(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("who,what,when\n1,2,3\n")
    with pytest.raises(DataError, match="pass --format.*'who', 'what', 'when'"):
        prepare(path, tmp_path / "s")
    named = {
        "user_column": "who",
        "item_column": "what",
        "order_column": "when",
    }
    assert prepare(path, tmp_path / "s", t=3, **SMALL, **named)


@pytest.mark.parametrize("line", ["1,2", "1,2,3", "1,17,5,978300019"])
def test_integers_without_a_header_may_be_either(tmp_path, line):
    path = tmp_path / "a.csv"
    path.write_text(f"{line}\n")
    with pytest.raises(DataError, match=f"a header.*'{line}'"):
        prepare(path, tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_options_of_another_format(tmp_path, raw):
    with pytest.raises(DataError, match="Received: keep_latest=True"):
        prepare(raw, tmp_path / "s", keep_latest=True)
    with pytest.raises(DataError, match="Expected a format of auto"):
        prepare(raw, tmp_path / "s", format="excel")


def test_the_same_again_is_reused(tmp_path, raw):
    folder = prepare(raw, tmp_path / "s", t=3, **SMALL)
    before = (folder / "meta.json").stat()
    assert prepare(raw, tmp_path / "s", t=3, **SMALL) == folder
    # The name of the file does not matter, its content does.
    other = raw.rename(tmp_path / "other.csv")
    prepare(other, tmp_path / "s", t=3, **SMALL)
    assert (folder / "meta.json").stat().st_ino == before.st_ino
    prepare(other, tmp_path / "s", t=3, force=True, **SMALL)
    assert (folder / "meta.json").stat().st_ino != before.st_ino


def test_other_choices_and_other_files_are_not_reused(tmp_path, raw):
    folder = prepare(raw, tmp_path / "s", t=3, **SMALL)
    with pytest.raises(DataError, match="Expected t=3 .*Received: t=4; prep"):
        prepare(raw, folder, t=4, **SMALL)
    with pytest.raises(DataError, match='cut_from="end".*cut_from="start"'):
        prepare(raw, folder, t=3, cut_from="start", **SMALL)
    raw.write_text("user,item,timestamp\n1,5,2\n")
    with pytest.raises(DataError, match="name its data"):
        prepare(raw, folder, t=3, **SMALL)
    assert prepare(raw, folder, t=4, force=True, **SMALL) == folder


def test_an_incomplete_folder_is_not_reused(tmp_path, raw):
    folder = prepare(raw, tmp_path / "s", t=3, **SMALL)
    (folder / "users.npy").unlink()
    with pytest.raises(DataError, match="with --force"):
        prepare(raw, folder, t=3, **SMALL)
    prepare(raw, folder, t=3, force=True, **SMALL)


def test_command(tmp_path, raw, capsys):
    arguments = [
        f"--raw={raw}", f"--output={tmp_path / 's'}", "--t=3",
        "--min_users_per_item=2", "--min_items_per_user=1", "--min_length=1",
        "--filter_order=users,items", "--noiterate",
    ]  # fmt: skip
    assert run(*arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "read: 3 interactions, 2 users, 2 items" in out
    assert "items: 2 interactions, 2 users, 1 items" in out
    assert "2 rows of t=3, 2 users, 1 items" in out
    assert "interactions/s" in out
    assert run(*arguments) == 0
    out, err = capsys.readouterr()
    assert "is already prepared in this way" in out
    assert "interactions/s" not in out
    assert run(*arguments[:2], "--t=4") == 1
    assert capsys.readouterr().err.startswith("error: Expected ")


def test_command_for_sessions(tmp_path, capsys):
    raw = tmp_path / "raw.csv"
    raw.write_text("a,b,c\nb,c\n")
    output = f"--output={tmp_path / 's'}"
    assert run(f"--raw={raw}", output) == 1
    assert "pass --format" in capsys.readouterr().err
    assert run(f"--raw={raw}", output, "--format=sessions") == 0
    assert "2 rows of t=3" in capsys.readouterr().out
    assert run(f"--raw={raw}", output, "--format=sessions", "--iterate") == 1
    assert "iterate=True" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,item,timestamp\n1,2,3\n1,,3\n", "line 3: Expected an item"),
        ("user,item,timestamp\n1,2,x\n", "line 2: Expected a number"),
        ("user,item,when\n1,2,3\n", "Received: columns 'user', 'item', 'when'"),
        ("1,2,3,4,5\n3,,4\n", "line 2: Expected a token"),
        ("", "an empty file"),
        ("user,item,timestamp\n1,2,3\n", "to be left after step 'items'"),
    ],
)
def test_failures_are_one_line(tmp_path, capsys, text, message):
    raw = tmp_path / "raw.csv"
    raw.write_text(text)
    assert run(f"--raw={raw}", f"--output={tmp_path / 'new' / 's'}") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.startswith("error: ") and err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["raw.csv"]


@pytest.mark.parametrize(
    ("raw_name", "output", "message"),
    [
        ("folder", "s", "Expected ratings.csv or"),
        ("raw.csv", "file", "file, which holds something else"),
        ("raw.csv", "file/s", "Expected a folder that can be written"),
        ("raw.csv", "folder/file/s", "Expected a folder that can be written"),
        ("raw.csv", "folder", "folder, which holds something else"),
        ("raw.csv/x", "s", "Not a directory"),
        ("none.zip", "s", "No such file"),
    ],
)
def test_paths_of_another_kind(
    tmp_path, raw, capsys, raw_name, output, message
):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    before = sorted(tmp_path.rglob("*"))
    flags_ = [f"--raw={tmp_path / raw_name}", f"--output={tmp_path / output}"]
    assert run(*flags_, "--min_users_per_item=1", "--min_items_per_user=1",
               "--min_length=1") == 1  # fmt: skip
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("error: ") and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["raw", "output"])
def test_an_empty_path_is_not_the_current_folder(tmp_path, raw, capsys, name):
    paths = {"raw": str(raw), "output": str(tmp_path / "s"), name: ""}
    assert run(*(f"--{key}={value}" for key, value in paths.items())) == 1
    assert "Expected a path. Received: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "format_version"),
        ("null", "format_version"),
        ("", "cannot be read"),
    ],
)
def test_a_damaged_folder_is_prepared_again_when_asked(
    tmp_path, raw, capsys, content, message
):
    options = [
        f"--raw={raw}", f"--output={tmp_path / 's'}", "--min_length=1",
        "--min_users_per_item=1", "--min_items_per_user=1",
    ]  # fmt: skip
    assert run(*options) == 0
    (tmp_path / "s" / "meta.json").write_text(content)
    capsys.readouterr()
    assert run(*options) == 1
    error = capsys.readouterr().err
    assert message in error and "--force" in error and error.count("\n") == 1
    assert run(*options, "--force") == 0


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "datasets.prepare", *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_process_fails_without_a_traceback(tmp_path):
    process = start("--raw=none.csv", f"--output={tmp_path / 's'}")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert out == ""
    assert err == (
        "error: Expected a file that can be read. Received: none.csv (No such "
        "file or directory)\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_help_teaches(tmp_path):
    process = start("--help")
    out, _ = process.communicate(timeout=60)
    assert "nextitnet-tf prepare --raw=ml-20m.zip" in out
    assert "--min_users_per_item" in out


@pytest.fixture
def interruptible():
    """Ctrl-C reaches child processes.

    A shell starts background jobs, these tests among them, so that they and
    their children ignore it.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("name", "status"), [("INT", 130), ("TERM", 143)])
@pytest.mark.parametrize("point", ["sessions", "sessions' sync"])
def test_an_interrupted_process_leaves_nothing(
    tmp_path, raw, point, name, status
):
    process = subprocess.run(
        [
            *(sys.executable, "-m", "tests.kills.points"),
            *(f"{point}:1:{name}", "datasets.prepare", f"--raw={raw}"),
            *(f"--output={tmp_path / 's'}", "--min_users_per_item=1"),
            *("--min_items_per_user=1", "--min_length=1"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    word = {"INT": "interrupted", "TERM": "terminated"}[name]
    assert process.stderr == f"\n{word}: nothing was written\n"
    assert process.returncode == status
    assert [path.name for path in tmp_path.iterdir()] == ["raw.csv"]


@pytest.mark.parametrize("moment", ["1", "2"])
def test_a_killed_process_is_tidied_up_after(tmp_path, raw, moment):
    """Killed before a rename: of the old folder, and of the new one."""

    def start(where, t):
        return subprocess.run(
            [
                *(sys.executable, "-m", "tests.kills.points", where),
                *("datasets.prepare", f"--raw={raw}", f"--t={t}", "--force"),
                *(f"--output={tmp_path / 's'}", "--min_users_per_item=1"),
                *("--min_items_per_user=1", "--min_length=1"),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert start("", 2).returncode == 0
    before = {p.name: p.read_bytes() for p in (tmp_path / "s").iterdir()}
    assert start(f"sessions' rename:{moment}:KILL", 3).returncode == -9
    assert (tmp_path / "s").is_dir() == (moment == "1")
    # Who looks for it finds the old one, where it was.
    check_replaceable(tmp_path / "s", replace=True)
    after = {p.name: p.read_bytes() for p in (tmp_path / "s").iterdir()}
    assert after == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["raw.csv", "s"]


def test_a_pipe_is_refused(tmp_path, capsys):
    os.mkfifo(tmp_path / "fifo")
    assert run(f"--raw={tmp_path / 'fifo'}", f"--output={tmp_path / 's'}") == 1
    assert "fifo, a pipe or a device" in capsys.readouterr().err


def test_a_link_to_a_folder_is_followed(tmp_path, raw):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    prepare(raw, tmp_path / "link", **SMALL)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "meta.json").is_file()


def test_what_does_not_fit_into_memory_is_refused_before(tmp_path, raw):
    with pytest.raises(DataError, match=r"2 rows of t=10000000000,"):
        prepare(raw, tmp_path / "s", t=10**10, **SMALL)


def test_a_file_without_line_ends_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(raw_files, "_LONGEST", 1000)
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"1,2,3,4,5\n" + b"1," * 501))
    with pytest.raises(DataError, match=r"a.csv.gz, line 2: .* at most"):
        prepare(path, tmp_path / "s")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv.gz"]


def test_it_begins_without_tensorflow():
    """Where there is none, and in half a second where there is."""
    told = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import sys; sys.argv = ['datasets.prepare']\n"
            "from datasets import prepare\n"
            "assert not {'keras', 'tensorflow'} & set(sys.modules)",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert told.returncode == 0, told.stderr
