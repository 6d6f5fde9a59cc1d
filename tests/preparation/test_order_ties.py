"""Ties in time by item, by hand."""

import io

import pandas as pd
import pytest

from datasets import order_ties
from nextitnet_tf.preparation.errors import DataError

# User 2: 9, then 8 and 4 of one time, 7 of an unknown time between 5 and 6;
# user 1: 5 and 3 and the 1 between them of one time, 2 of none.
CSV = """\
user,item,timestamp,order
2,9,4,0
2,8,5,1
2,4,5,2
2,7,,3
2,6,6,4
1,5,6,0
1,3,,1
1,1,6,2
1,2,,3
"""


def test_ties_by_item():
    found = order_ties.by_item(pd.read_csv(io.StringIO(CSV)))
    assert found.user.tolist() == [1, 1, 1, 1, 2, 2, 2, 2, 2]
    assert found.item.tolist() == [1, 3, 5, 2, 9, 4, 8, 7, 6]
    # 7 is of the time of 8 and 4 now, 2 of that of 1, 3 and 5.
    found = order_ties.by_item(pd.read_csv(io.StringIO(CSV)), fill=True)
    assert found.item.tolist() == [1, 2, 3, 5, 9, 4, 7, 8, 6]


def test_from_a_file_to_a_file(tmp_path):
    raw, output = tmp_path / "a.csv", tmp_path / "b.csv"
    raw.write_text(CSV)
    said = order_ties.write(raw, output)
    assert said == f"{output}: 4 of 9 interactions moved"
    assert output.read_text().splitlines()[:2] == ["user,item", "1,1"]
    raw.write_text("user,item\n1,2\n")
    with pytest.raises(DataError, match="columns user, item, timestamp"):
        order_ties.write(raw, output)
    with pytest.raises(DataError, match=r"Received: .*none\.csv"):
        order_ties.write(tmp_path / "none.csv", output)
    assert output.read_text().startswith("user,item\n1,1\n")
