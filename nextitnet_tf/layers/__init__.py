"""Keras layers the models are built from, one a file."""

from nextitnet_tf.layers.adaptive_item_embedding import AdaptiveItemEmbedding
from nextitnet_tf.layers.block_stack import BlockStack
from nextitnet_tf.layers.channel_norm import ChannelNorm
from nextitnet_tf.layers.dilated_conv import DilatedConv
from nextitnet_tf.layers.dilated_residual_block import DilatedResidualBlock
from nextitnet_tf.layers.gated_transformer_block import GatedTransformerBlock
from nextitnet_tf.layers.item_embedding import ItemEmbedding
from nextitnet_tf.layers.item_layers import ItemLayers
from nextitnet_tf.layers.item_softmax import ItemSoftmax
from nextitnet_tf.layers.plus_transformer_block import PlusTransformerBlock
from nextitnet_tf.layers.position_embedding import PositionEmbedding
from nextitnet_tf.layers.rezero import ReZero
from nextitnet_tf.layers.self_attention import SelfAttention
from nextitnet_tf.layers.skip_policy import SkipPolicy
from nextitnet_tf.layers.tied_item_softmax import TiedItemSoftmax
from nextitnet_tf.layers.transformer_block import TransformerBlock
from nextitnet_tf.layers.tree_softmax import TreeSoftmax
from nextitnet_tf.layers.user_embedding import UserEmbedding

__all__ = [
    "AdaptiveItemEmbedding",
    "BlockStack",
    "DilatedConv",
    "ChannelNorm",
    "DilatedResidualBlock",
    "GatedTransformerBlock",
    "ItemEmbedding",
    "ItemLayers",
    "ItemSoftmax",
    "PlusTransformerBlock",
    "PositionEmbedding",
    "ReZero",
    "SelfAttention",
    "SkipPolicy",
    "TiedItemSoftmax",
    "TransformerBlock",
    "TreeSoftmax",
    "UserEmbedding",
]
