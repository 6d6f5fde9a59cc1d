"""Sessions on disk -> split -> nested fraction -> tf.data."""

from nextitnet_tf.data.as_of import as_of
from nextitnet_tf.data.batches import make_dataset
from nextitnet_tf.data.batches import make_evaluation_dataset
from nextitnet_tf.data.batches import make_training_dataset
from nextitnet_tf.data.batches import num_batches
from nextitnet_tf.data.batches import orders
from nextitnet_tf.data.batches import take
from nextitnet_tf.data.co_occurrence import co_occurrences
from nextitnet_tf.data.pairs import Pairs
from nextitnet_tf.data.pairs import read_pairs
from nextitnet_tf.data.pairs import split_pairs
from nextitnet_tf.data.sessions import Sessions
from nextitnet_tf.data.sessions import read_sessions
from nextitnet_tf.data.splits import Split
from nextitnet_tf.data.splits import part
from nextitnet_tf.data.splits import split
from nextitnet_tf.data.splits import split_users

__all__ = [
    "Pairs",
    "Sessions",
    "Split",
    "as_of",
    "co_occurrences",
    "make_dataset",
    "make_evaluation_dataset",
    "make_training_dataset",
    "num_batches",
    "orders",
    "read_pairs",
    "read_sessions",
    "part",
    "split",
    "split_pairs",
    "split_users",
    "take",
]
