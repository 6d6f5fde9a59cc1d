"""The models, by the name a recipe calls them."""

from nextitnet_tf.models.most_pop import MostPop
from nextitnet_tf.models.nextitnet import NextItNet
from nextitnet_tf.models.sasrec import SASRec

MODELS = {"most_pop": MostPop, "nextitnet": NextItNet, "sasrec": SASRec}

__all__ = ["MODELS", "MostPop", "NextItNet", "SASRec"]
