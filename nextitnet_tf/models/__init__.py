"""The models, by the name a recipe calls them."""

from nextitnet_tf.models.grec import GRec
from nextitnet_tf.models.most_pop import MostPop
from nextitnet_tf.models.nextitnet import NextItNet
from nextitnet_tf.models.sasrec import SASRec

MODELS = {
    "grec": GRec,
    "most_pop": MostPop,
    "nextitnet": NextItNet,
    "sasrec": SASRec,
}

__all__ = ["GRec", "MODELS", "MostPop", "NextItNet", "SASRec"]
