"""Sessions written by hand, or drawn, for tests of what reads them."""

import numpy as np

from nextitnet_tf import data
from tests.checks import write_sessions

# t = 4: three positions to predict from.
ROWS = [
    [0, 0, 2, 1],
    [3, 1, 2, 2],
    [0, 1, 3, 1],
    [2, 2, 2, 4],
    [1, 2, 1, 3],
]


def many_sessions(tmp_path, num_rows=300, num_users=100, t=5):
    generator = np.random.default_rng(0)
    rows = generator.integers(1, 21, (num_rows, t))
    rows[:, 0] = 0
    users = generator.permutation(np.arange(num_rows) % num_users)
    return data.read_sessions(write_sessions(tmp_path / "m", rows, users=users))
