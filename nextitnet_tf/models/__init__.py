"""The models, by the name a recipe calls them."""

from nextitnet_tf.models.caser import Caser
from nextitnet_tf.models.ease import EASE
from nextitnet_tf.models.grec import GRec
from nextitnet_tf.models.gru4rec import GRU4Rec
from nextitnet_tf.models.item_knn import ItemKNN
from nextitnet_tf.models.markov import Markov
from nextitnet_tf.models.most_pop import MostPop
from nextitnet_tf.models.nextitnet import NextItNet
from nextitnet_tf.models.nfm import NFM
from nextitnet_tf.models.sasrec import SASRec
from nextitnet_tf.models.sequential_recommender import SequentialRecommender
from nextitnet_tf.models.skip_rec import SkipRec
from nextitnet_tf.models.ssept import SSEPT
from nextitnet_tf.weight_decay import DecayOfKernels

MODELS: dict[str, type[SequentialRecommender]] = {
    "caser": Caser,
    "ease": EASE,
    "grec": GRec,
    "gru4rec": GRU4Rec,
    "item_knn": ItemKNN,
    "markov": Markov,
    "most_pop": MostPop,
    "nextitnet": NextItNet,
    "nfm": NFM,
    "sasrec": SASRec,
    "ssept": SSEPT,
}

__all__ = [
    "Caser",
    "DecayOfKernels",  # Keras looks for it when it loads a trained model
    "EASE",
    "GRU4Rec",
    "GRec",
    "ItemKNN",
    "MODELS",
    "Markov",
    "MostPop",
    "NFM",
    "NextItNet",
    "SASRec",
    "SSEPT",
    "SkipRec",
]
# Those that are counted (`adapt`), and not trained.
COUNTED = frozenset(n for n, model in MODELS.items() if hasattr(model, "adapt"))
