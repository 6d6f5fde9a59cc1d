"""Table 1: what prepared data sets hold."""

import json

import pytest

from experiments.papers.stackrec import table1


def test_by_hand(tmp_path):
    folder = tmp_path / "data" / "mine"
    folder.mkdir(parents=True)
    meta = {
        "format_version": 1,
        "num_items": 1234,
        "num_rows": 5678,
        "num_users": 90,
        "t": 20,
        "source": "mi|ne<b>.csv",
        "counts": [{"interactions": 99_999}, {"interactions": 65_432}],
    }
    (folder / "meta.json").write_text(json.dumps(meta))
    (tmp_path / "data" / "mine-pairs.csv").write_text("1,2,,8,9\n3,4,,A1\n")
    text = table1.write(tmp_path / "data", tmp_path / "out")
    lines = text.splitlines()
    assert lines[0] == "# Data sets (Table 1 of StackRec, CpRec and SkipRec)"
    assert lines[2:4] == [
        "| Data | Items | Actions | Sequences | t | Users | Source |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    assert lines[4] == (
        "| ML20 (StackRec) | 24K | 27.5M | 1,460,924 | 20 |  |  |"
    )
    assert lines[12:14] == [
        "| mine | 1,234 | 65,432 | 5,678 | 20 | 90 | mi\\|ne&lt;b>.csv |",
        "| mine-pairs | 3 | 3 | 3 | 1 to 2 | 2 | mine-pairs.csv |",
    ]
    assert (tmp_path / "out" / "table1.md").read_text() == text
    found = json.loads((tmp_path / "out" / "table1.json").read_text())
    assert [row["sequences"] for row in found["rows"]] == [5678, 3]


def test_nothing_is_prepared(tmp_path):
    with pytest.raises(ValueError, match="Expected folders of prepared"):
        table1.write(tmp_path, tmp_path)
