"""SkipRec: a policy decides for each user which blocks run."""

import math

import keras
import numpy as np
from keras import ops

from nextitnet_tf.layers.skip_policy import SkipPolicy
from nextitnet_tf.models.policy_training import PolicyTraining
from nextitnet_tf.models.policy_training import check_updates
from nextitnet_tf.models.sequential_recommender import SequentialRecommender

OBJECTIVES = ("gumbel", "reinforce")
_TINY = 1e-20


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class SkipRec(PolicyTraining, SequentialRecommender):
    """A recommender of residual blocks, and a policy that leaves some out.

    In training the policy draws; elsewhere it takes what it is for, so that
    answers are the same at each call, and a block that is skipped is not
    computed.

    "gumbel" trains policy and backbone by one loss, through draws of a Gumbel
    softmax (Eq. 5-7). "reinforce" adds `beta` times the loss of reinforcement
    learning: a draw is rewarded as far as it does better than what the policy
    is for (Eq. 8-10), by `1 - (share of blocks)^2` where the last item is
    among the best five, and by `-gamma` where it is not. How the release
    differs is `release_arguments`.

    Args:
        backbone: a built model with blocks; it is trained, too, and not
            copied.
        policy: what reads a history (`SkipPolicy`): "cnn", "gru", "attention"
            or "random".
        objective: "gumbel" or "reinforce".
        temperature: of the Gumbel softmax.
        gamma: what a miss costs.
        beta: weight of reinforcement learning.
        block_cost: added to the loss for each share of the blocks that runs;
            the larger, the fewer run.
        keep_rate: of a "random" policy.
        sigmoid_logits: whether the policy's logits pass a sigmoid, as in the
            release: no block is then kept with more than 73 % or less than
            27 %.
        is_noisy: whether inference draws, too, as in the release.
        rewards_blocks: whether a hit is rewarded for running blocks instead
            of skipping them, as in the release.
        tempered_draws: whether training draws blocks by the softmax of noisy
            logits over the temperature, as the release does in reinforcement
            learning; at 10 that is nearly a fair coin. Else the larger of the
            noisy logits says.
        updates: "joint", one step down the sum of all losses; or "three", the
            release's of reinforcement learning (`PolicyTraining`).

    Call arguments:
        item_ids: (B, T) int, latest item at position -1.

    Returns:
        (B, N) logits of the item that follows the last position.

    Raises:
        ValueError: a backbone without blocks, or one whose objective changes
            its inputs (GRec masks them, SSE-PT replaces them); arguments out
            of range.

    Reference:
        Chen et al., SkipRec: A User-Adaptive Layer Selection Framework for
        Very Deep Sequential Recommender Models, AAAI 2021.
    """

    def __init__(
        self,
        backbone,
        policy="cnn",
        objective="gumbel",
        temperature=10.0,
        gamma=1.0,
        beta=1.0,
        block_cost=0.0,
        keep_rate=0.5,
        sigmoid_logits=False,
        is_noisy=False,
        rewards_blocks=False,
        tempered_draws=False,
        updates="joint",
        **kwargs,
    ):
        _check_backbone(backbone)
        # Keras chooses how to scale a loss by the policy of the whole model.
        kwargs.setdefault("dtype", backbone.dtype_policy)
        super().__init__(
            num_items=backbone.num_items,
            padding_id=backbone.padding_id,
            **kwargs,
        )
        if objective not in OBJECTIVES:
            raise ValueError(
                f"`objective` must be one of {OBJECTIVES}. "
                f"Received: objective={objective!r}"
            )
        for name, value, least in (
            ("temperature", temperature, _TINY),
            ("gamma", gamma, 0),
            ("beta", beta, 0),
            ("block_cost", block_cost, 0),
        ):
            if not least <= value < math.inf:
                raise ValueError(
                    f"`{name}` must not be below {least:g}, and finite. "
                    f"Received: {name}={value}"
                )
        check_updates(updates, objective, policy)
        self.backbone = backbone
        self.embedding_dim = backbone.embedding_dim
        self.policy = policy
        self.objective = objective
        self.temperature = temperature
        self.gamma = gamma
        self.beta = beta
        self.block_cost = block_cost
        self.keep_rate = keep_rate
        self.sigmoid_logits = sigmoid_logits
        self.is_noisy = is_noisy
        self.rewards_blocks = rewards_blocks
        self.tempered_draws = tempered_draws
        self.updates = updates
        self.skip_policy = SkipPolicy(
            backbone.num_items,
            len(backbone.blocks),
            backbone.embedding_dim,
            kind=policy,
            dilation_rates=getattr(backbone, "dilation_rates", (1, 4)),
            kernel_size=getattr(backbone, "kernel_size", 3),
            max_length=getattr(backbone, "max_length", 50),
            keep_rate=keep_rate,
            dtype=self.dtype_policy,
            name="skip_policy",
            **_reader_like(backbone),
        )
        self.seed_generator = keras.random.SeedGenerator()
        self.build()

    @staticmethod
    def release_arguments(objective="gumbel"):
        """What makes a model that of the release: `SkipRec(b, **these)`.

        The release has two Adams for "gumbel", one of the policy and one of
        the backbone, of one rate and on one loss. Adam moves every variable by
        its own gradients alone, so that they are one Adam of all variables,
        which is what this model has anyway.

        Args:
            objective: "gumbel" or "reinforce", a trainer of the release each.

        Returns:
            Keyword arguments, as far as they are not the defaults.
        """
        arguments = {
            "objective": objective,
            "sigmoid_logits": True,
            "is_noisy": True,
        }
        if objective == "reinforce":
            arguments |= {
                "rewards_blocks": True,
                "tempered_draws": True,
                "updates": "three",
            }
        return arguments

    @property
    def item_embedding(self):
        """The backbone's."""
        return self.backbone.item_embedding

    @property
    def item_softmax(self):
        """The backbone's."""
        return self.backbone.item_softmax

    def build_layers(self):
        self.skip_policy.build((None, None))

    @property
    def can_start_from_backbone(self):
        """Whether policy and backbone have item embeddings of one shape."""
        source = getattr(self.item_embedding, "embeddings", None)
        table = getattr(self.skip_policy, "item_embedding", None)
        if source is None or table is None:
            return False
        return tuple(source.shape) == tuple(table.embeddings.shape)

    def start_policy_from_backbone(self):
        """The second of two stages: a backbone that was trained before.

        The policy begins with the backbone's item embedding, and with that of
        its positions, where both have one of the same shape.

        Raises:
            ValueError: a policy without one, a backbone whose embedding is
                compressed or of another width.
        """
        if not self.can_start_from_backbone:
            raise ValueError(
                "Expected a policy and a backbone with item embeddings of the "
                f"same shape. Received: policy={self.policy!r}, a backbone "
                f"with {type(self.item_embedding).__name__}"
            )
        for name in ("item_embedding", "position_embedding"):
            source, own = (
                getattr(getattr(owner, name, None), "embeddings", None)
                for owner in (self.backbone, self.skip_policy)
            )
            if own is None or source is None:
                continue
            if tuple(own.shape) == tuple(source.shape):
                own.assign(ops.convert_to_tensor(source))

    def policy_logits(self, item_ids, training=None):
        """(B, L, 2) logits of running each block and of skipping it."""
        logits = self.skip_policy(item_ids, training=training)
        return ops.sigmoid(logits) if self.sigmoid_logits else logits

    def keep(self, item_ids):
        """Which blocks run for whom.

        Args:
            item_ids: as for a call.

        Returns:
            (B, L) float32, 1 where a block runs.
        """
        logits = self.policy_logits(item_ids)
        if self.is_noisy:
            return self._draw(logits)
        return self.skip_policy.decide(item_ids, logits)

    def encode(self, item_ids, training=None, keep=None):
        keep = self._decide(item_ids, training, keep)
        return self.backbone.encode(item_ids, training=training, keep=keep)

    def last_hidden(self, item_ids, training=None, keep=None):
        keep = self._decide(item_ids, training, keep)
        return self.backbone.last_hidden(item_ids, training, keep=keep)

    def encode_more(self, item_ids, state=None, keep=None):
        """The backbone's; `keep` is decided by whoever has all items."""
        return self.backbone.encode_more(item_ids, state, keep)

    def check_incremental(self):
        self.backbone.check_incremental()

    def _decide(self, item_ids, training, keep):
        """(B, L): which blocks run, if that is not given."""
        if keep is not None:
            if not hasattr(keep, "shape"):
                keep = np.array(keep)
            self._check_keep(keep)
            return keep
        if training:
            return self._draw_for_training(item_ids)
        return self.keep(item_ids)

    def states(self, item_ids, training=None):
        return self.backbone.states(item_ids, training=training)

    def parts(self):
        return self.backbone.parts()

    def _check_keep(self, keep):
        """Of what is in a graph only the shape is known.

        The backbone sees whether there are as many rows as histories.
        """
        num_blocks = len(self.backbone.blocks)
        if len(keep.shape) != 2 or keep.shape[1] != num_blocks:
            raise ValueError(
                f"`keep` must have a column for each of the {num_blocks} "
                f"blocks. Received: keep of shape {tuple(keep.shape)}"
            )
        try:
            found = ops.convert_to_numpy(keep)
        except (NotImplementedError, TypeError, ValueError):
            return  # a tensor of a graph
        if not np.isin(found, (0, 1)).all():
            raise ValueError(
                "`keep` is 1 where a block runs, else 0. Received: keep with "
                f"{np.setdiff1d(found, (0, 1))[:3].tolist()}"
            )

    def get_config(self):
        config = super().get_config()
        # The backbone says them.
        del config["num_items"], config["padding_id"]
        return {
            **config,
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "policy": self.policy,
            "objective": self.objective,
            "temperature": self.temperature,
            "gamma": self.gamma,
            "beta": self.beta,
            "block_cost": self.block_cost,
            "keep_rate": self.keep_rate,
            "sigmoid_logits": self.sigmoid_logits,
            "is_noisy": self.is_noisy,
            "rewards_blocks": self.rewards_blocks,
            "tempered_draws": self.tempered_draws,
            "updates": self.updates,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        backbone = keras.saving.deserialize_keras_object(config["backbone"])
        return super().from_config(
            {**config, "backbone": backbone}, custom_objects
        )


def _reader_like(backbone):
    """How a policy of attention reads where the backbone is a SASRec+."""
    if getattr(backbone, "block", None) != "plus":
        return {}
    names = ("block", "num_heads", "dropout_rate")
    return {name: getattr(backbone, name) for name in names}


def _check_backbone(backbone):
    """Raises ValueError for what no policy can be for."""
    if not getattr(backbone, "blocks", None):
        raise ValueError(
            "Expected a model with blocks. "
            f"Received: backbone={type(backbone).__name__}"
        )
    check_objective(type(backbone))


def check_objective(backbone_class):
    """Raises ValueError for a class of models that no policy can be for."""
    usual = SequentialRecommender.encode_for_loss
    if backbone_class.encode_for_loss is not usual:
        raise ValueError(
            "Expected a model that is trained on histories as they are. "
            f"Received: a {backbone_class.__name__}, whose objective changes "
            "them"
        )
