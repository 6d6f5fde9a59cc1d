"""A few dozen damaged files of every kind; `make test-fuzz` has thousands."""

import pytest

from tests.fuzz import flags as odd_flags
from tests.fuzz import readers

COUNT = 40


@pytest.fixture(scope="module", name="kept")
def fixture_kept(tmp_path_factory):
    return readers.make_kept(tmp_path_factory.mktemp("kept"))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", readers.READERS)
def test_reader(name, kept, tmp_path):
    refused = readers.try_files(name, COUNT, kept, tmp_path)
    assert refused > COUNT // 10


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_flags(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    readers.write(tmp_path / "my.csv", readers.CSV)
    # 128: a batch of more sessions than there are numbers of 64 bits; 1071: a
    # width of 10^9.
    refused = odd_flags.try_flags(40)
    for seed in (128, 1071):
        refused += odd_flags.try_flags(1, start=seed)
    assert refused > 10
    usual, told = odd_flags.run([*odd_flags.USUAL])
    assert usual == odd_flags.REACHED, told
