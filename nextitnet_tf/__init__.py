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
of `data/sessions.py`.

What stands here is imported when it is first asked for, so that preparing data
needs neither Keras nor TensorFlow.
"""

import importlib
import sys

__version__ = "0.1.0"

# The module in which a name lives. `data`, `distribution`, `release` and
# `training` need TensorFlow; the rest runs on any Keras backend.
_MODULES = (
    "data",
    "distribution",
    "growing",
    "losses",
    "metrics",
    "models",
    "preparation",
    "release",
    "serving",
    "sharing",
    "stacking",
    "training",
)
_HOMES = {
    "Caser": "models.caser",
    "Compression": "compression",
    "EASE": "models.ease",
    "FineTuned": "models.fine_tuned",
    "FineTuning": "recipe",
    "GRU4Rec": "models.gru4rec",
    "GRec": "models.grec",
    "ItemKNN": "models.item_knn",
    "Markov": "models.markov",
    "MostPop": "models.most_pop",
    "NFM": "models.nfm",
    "NextItNet": "models.nextitnet",
    "Protocol": "recipe",
    "Recipe": "recipe",
    "SASRec": "models.sasrec",
    "SSEPT": "models.ssept",
    "SkipRec": "models.skip_rec",
    "Sessions": "data",
    "Stacker": "stacking",
    "Stage": "recipe",
    "Transfer": "recipe",
    "Vocabulary": "vocabulary",
    "grow": "growing",
    "load_model": "models.saved",
    "train": "training.trained",
}
__all__ = ["__version__", *_HOMES, *_MODULES]


def __getattr__(name: str):
    if name in _MODULES:
        return importlib.import_module(f"nextitnet_tf.{name}")
    if name in _HOMES:
        module = importlib.import_module(f"nextitnet_tf.{_HOMES[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'nextitnet_tf' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


# Keras' own `load_model` knows the classes that were imported: whoever has
# imported Keras gets them all.
if "keras" in sys.modules:
    importlib.import_module("nextitnet_tf.models")
