"""What holds for every test."""

import os

import pytest

# Before anything imports TensorFlow: its start-up chatter hides failures.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(name="csv")
def fixture_csv(tmp_path):
    """Writes a file of pairs of two domains."""

    def write(text):
        path = tmp_path / "pairs.csv"
        path.write_text(text)
        return path

    return write
