"""Pairs of two files of interactions, by hand."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest

from datasets.transfer_pairs import describe
from datasets.transfer_pairs import make_pairs
from nextitnet_tf.preparation.errors import DataError

ROOT = Path(__file__).parents[2]
SOURCE = """user,item,timestamp
b,31,5
a,11,3
a,12,1
a,13,2
c,41,1
d,51,1
e,61,1
"""
TARGET = """user,item,timestamp
a,7,9
a,8,4
a,7,1
d,9,1
d,8,2
d,7,3
d,6,4
b,8,1
f,8,1
"""


@pytest.fixture(name="files")
def fixture_files(tmp_path):
    (tmp_path / "source.csv").write_text(SOURCE)
    (tmp_path / "target.csv").write_text(TARGET)
    return tmp_path


def make(files, **options):
    counts = make_pairs(
        files / "source.csv",
        files / "target.csv",
        files / "pairs.csv",
        **options,
    )
    return counts, (files / "pairs.csv").read_text()


def test_by_hand(files):
    """a: 12, 13, 11 in time; targets 7 (first at 1), then 8. d has four."""
    counts, text = make(files, t=2, max_targets=3)
    assert text == "13,11,,7,8\n0,31,,8\n"
    assert counts == {
        "source_users": 5,
        "target_users": 4,
        "shared_users": 3,
        "users": 2,
        "unknown_users": 0,
        "warm_users": 1,
        "pairs": 3,
        "source_items": 3,
        "target_items": 2,
    }


def test_more_targets_and_longer_histories(files):
    _, text = make(files, t=4, max_targets=4)
    assert text == "0,12,13,11,,7,8\n0,0,0,31,,8\n0,0,0,51,,9,8,7,6\n"


def test_order_of_the_lines(files):
    """A took 11, 12, 13 and 7, 8 in the order of the lines."""
    _, text = make(files, t=3, time="file")
    assert text == "11,12,13,,7,8\n0,0,31,,8\n"


def test_integer_users_match_text(files):
    """Users are compared as they are written."""
    (files / "source.csv").write_text("user,item,order\n10,3,1\n9,4,1\n")
    (files / "target.csv").write_text("uid,item,order\n9,x,1\nz,y,1\n")
    _, text = make(files, t=1)
    assert text == "4,,x\n"


def test_only_known_source_items(files):
    """Filtered before the cut; b has nothing left."""
    counts, text = make(files, t=2, source_items={"12", "11", "51"})
    assert text == "12,11,,7,8\n"
    assert (
        "3 in both; left out: 1 without a source item that is prepared, 1 "
        in (describe(counts, "pairs.csv"))
    )
    with pytest.raises(DataError, match=r"3 users in both .*csv, 3 of them wi"):
        make(files, source_items={"x"})


@pytest.mark.parametrize("name", ["source.csv", "target.csv"])
def test_nothing_that_is_read_is_overwritten(files, name):
    before = (files / name).read_text()
    with pytest.raises(DataError, match="not one of the files to read"):
        make_pairs(files / "source.csv", files / "target.csv", files / name)
    assert (files / name).read_text() == before


def test_compressed(files):
    (files / "source.csv").write_bytes(gzip.compress(SOURCE.encode()))
    assert make(files, t=2)[1] == "13,11,,7,8\n0,31,,8\n"


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (SOURCE.replace("a,11", "a,0"), TARGET, "item '0' in .*source.csv"),
        (SOURCE, TARGET.replace("d,6", "d,x y"), "item 'x y' in .*target.csv"),
        (SOURCE, "user,item,timestamp\nz,1,1\n", "0 users in both"),
        (SOURCE, "user,thing,timestamp\na,1,1\n", "item column"),
        (SOURCE, TARGET.replace("9\n", "soon\n", 1), "line 2"),
    ],
)
def test_bad_files(files, source, target, message):
    (files / "source.csv").write_text(source)
    (files / "target.csv").write_text(target)
    with pytest.raises(DataError, match=message):
        make(files)
    assert not list(files.glob("pairs*"))


@pytest.mark.parametrize("options", [{"t": 0}, {"max_targets": 0}])
def test_bad_arguments(files, options):
    with pytest.raises(DataError, match="Received: 0"):
        make(files, **options)


def test_the_command(files):
    arguments = [
        *(sys.executable, "-m", "datasets.transfer_pairs", "--t=2"),
        f"--source={files}/source.csv",
        f"--output={files}/out/pairs.csv",
    ]
    done, failed = (
        subprocess.run(
            [*arguments, f"--target={files}/{name}"],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        for name in ("target.csv", "no.csv")
    )
    assert done.returncode == 0, done.stderr
    assert "2 users with 3 target items" in done.stdout
    assert (files / "out/pairs.csv").read_text() == "13,11,,7,8\n0,31,,8\n"
    assert failed.returncode == 1
    assert failed.stderr.startswith("error: ")
    assert failed.stderr.count("\n") == 1
