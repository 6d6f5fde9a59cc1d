"""The one writer of markdown tables."""

from experiments.reporting import columns
from experiments.reporting.columns import Column

COLUMNS = (
    Column("Name", lambda r: r["name"]),
    Column("Empty", lambda r: ""),
    Column("", lambda r: r.get("mark", "")),
)


def test_a_column_that_nobody_fills_is_left_out_unless_it_has_no_name():
    records = [{"name": "a"}, {"name": "b"}]
    assert columns.table(COLUMNS, records) == [
        *("| Name |  |", "| --- | --- |", "| a |  |", "| b |  |"),
    ]
    assert columns.table(COLUMNS, records[:1], keep_empty=True) == [
        *("| Name | Empty |  |", "| --- | --- | --- |", "| a |  |  |"),
    ]


def test_cells_are_text():
    evil = "<img src=x onerror=y>|&amp;\nnext"
    (*_, line) = columns.table(COLUMNS[:1], [{"name": evil}])
    assert line == "| &lt;img src=x onerror=y>\\|&amp;amp; next |"
    ours = Column("Name", lambda r: r["name"], is_markdown=True)
    (*_, line) = columns.table([ours], [{"name": "`<UNK>` or `a|b`"}])
    assert line == "| `<UNK>` or `a\\|b` |"


def test_numbers():
    assert columns.number(None) == ""
    assert columns.number(0.05) == "0.0500"
    assert columns.factor(None) == "-" and columns.factor(2.0) == "2.00x"
