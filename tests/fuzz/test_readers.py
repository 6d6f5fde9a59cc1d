"""A few dozen damaged files of every kind; `make test-fuzz` has thousands."""

import pytest

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
