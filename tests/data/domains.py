"""Two domains: sessions of one, pairs with the other."""

import numpy as np

from nextitnet_tf import data
from nextitnet_tf.recipe import FINE_TUNINGS
from nextitnet_tf.vocabulary import Vocabulary


def make_sessions(num_rows=40, raw_ids=(None, 30, 10, 20), t=4):
    """Sessions whose item 1 is called 30, ..."""
    generator = np.random.default_rng(0)
    rows = generator.integers(1, len(raw_ids), (num_rows, t), dtype="int32")
    vocabulary = Vocabulary(
        list(raw_ids), [0] + [5] * (len(raw_ids) - 1), 0, history_length=t - 1
    )
    users = np.arange(num_rows, dtype="int32")
    return data.Sessions(rows, users, vocabulary, {"source": "test"})


def many_pairs(csv, num_users=50):
    """Of two pairs a user, targets 1 to 5."""
    lines = [
        f"10,20,30,,{u % 5},{(u + 1) % 5}\n".replace(",0", ",5")
        for u in range(num_users)
    ]
    return data.read_pairs(
        csv("".join(lines)), make_sessions(), FINE_TUNINGS["clean"]
    )
