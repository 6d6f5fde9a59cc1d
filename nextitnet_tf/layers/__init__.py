"""Keras layers the models are built from, one a file."""

from nextitnet_tf.layers.causal_conv import CausalConv
from nextitnet_tf.layers.channel_norm import ChannelNorm
from nextitnet_tf.layers.dilated_residual_block import DilatedResidualBlock
from nextitnet_tf.layers.item_embedding import ItemEmbedding
from nextitnet_tf.layers.item_softmax import ItemSoftmax
from nextitnet_tf.layers.rezero import ReZero

__all__ = [
    "CausalConv",
    "ChannelNorm",
    "DilatedResidualBlock",
    "ItemEmbedding",
    "ItemSoftmax",
    "ReZero",
]
