"""What flags say of data and folders."""

from types import SimpleNamespace

import pytest

from nextitnet_tf.commands import flags


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"RAW": "a/my.csv.gz"}, "my"),
        ({"RAW": "ml-1m.inter"}, "ml-1m"),
        # Those of another month are other data.
        ({"RAW": "sales.2024-01.csv"}, "sales.2024-01"),
        ({"RAW": "ml-1m"}, "ml-1m"),
        ({"RAW": ".csv"}, "csv"),
        # Whoever gives sessions a folder of their own means it.
        ({"RAW": "b/my.csv", "SESSIONS": "data/my2"}, "my2"),
        ({"RAW": "b/my.csv", "DATASET": "mine"}, "mine"),
    ],
)
def test_what_data_are_called(monkeypatch, given, expected):
    for name in ("RAW", "SESSIONS", "DATASET"):
        flag = SimpleNamespace(value=given.get(name))
        monkeypatch.setattr(flags, name, flag)
    assert flags.dataset_name() == expected
