"""Very deep sequential recommenders in Keras 3: train shallow, stack, repeat.

Shapes, everywhere in this package:

| letter | meaning                                                |
|--------|--------------------------------------------------------|
| B      | batch: sessions                                        |
| T      | sequence: positions of a history, the latest at -1     |
| D      | `embedding_dim`, the width of a hidden state           |
| N      | `num_items + 1`, the columns of the item softmax       |
| S      | negatives drawn for a sampled softmax                  |

How rows of items become inputs, targets and ranks is said once, at the head
of `data.py`.
"""

import importlib

from nextitnet_tf import losses
from nextitnet_tf import metrics
from nextitnet_tf import models
from nextitnet_tf import sharing
from nextitnet_tf import stacking
from nextitnet_tf.compression import Compression
from nextitnet_tf.models.caser import Caser
from nextitnet_tf.models.ease import EASE
from nextitnet_tf.models.fine_tuned import FineTuned
from nextitnet_tf.models.grec import GRec
from nextitnet_tf.models.gru4rec import GRU4Rec
from nextitnet_tf.models.item_knn import ItemKNN
from nextitnet_tf.models.markov import Markov
from nextitnet_tf.models.most_pop import MostPop
from nextitnet_tf.models.nextitnet import NextItNet
from nextitnet_tf.models.nfm import NFM
from nextitnet_tf.models.sasrec import SASRec
from nextitnet_tf.models.skip_rec import SkipRec
from nextitnet_tf.models.ssept import SSEPT
from nextitnet_tf.recipe import FineTuning
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.recipe import Transfer
from nextitnet_tf.stacking import Stacker
from nextitnet_tf.vocabulary import Vocabulary

__version__ = "0.1.0"

__all__ = [
    "Caser",
    "Compression",
    "EASE",
    "FineTuned",
    "FineTuning",
    "GRU4Rec",
    "GRec",
    "ItemKNN",
    "Markov",
    "MostPop",
    "NFM",
    "NextItNet",
    "Protocol",
    "Recipe",
    "SASRec",
    "SSEPT",
    "SkipRec",
    "Stacker",
    "Stage",
    "Transfer",
    "Vocabulary",
    "data",
    "distribution",
    "losses",
    "metrics",
    "models",
    "release",
    "sharing",
    "stacking",
    "training",
]

# These need TensorFlow; everything above runs on any Keras backend.
_ON_FIRST_ACCESS = (
    "data",
    "distribution",
    "release",
    "training",
)


def __getattr__(name: str):
    if name in _ON_FIRST_ACCESS:
        return importlib.import_module(f"nextitnet_tf.{name}")
    raise AttributeError(f"module 'nextitnet_tf' has no attribute {name!r}")
