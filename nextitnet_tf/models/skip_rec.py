"""SkipRec: a policy decides for each user which blocks run."""

import keras
import numpy as np
from keras import ops

from nextitnet_tf import target_weights
from nextitnet_tf.layers.skip_policy import SkipPolicy
from nextitnet_tf.metrics import rank_among
from nextitnet_tf.models.sequential_recommender import SequentialRecommender

OBJECTIVES = ("gumbel", "reinforce")
# An item is hit where it is among so many (Eq. 8).
_HIT = 5
_TINY = 1e-20


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class SkipRec(SequentialRecommender):
    """A recommender of residual blocks, and a policy that leaves some out.

    In training the policy draws; elsewhere it takes what it is for, so that
    answers are the same at each call, and a block that is skipped is not
    computed.

    "gumbel" trains policy and backbone by one loss, through draws of a Gumbel
    softmax (Eq. 5-7). "reinforce" adds `beta` times the loss of reinforcement
    learning: a draw is rewarded as far as it does better than what the policy
    is for (Eq. 8-10), by `1 - (share of blocks)^2` where the last item is
    among the best five, and by `-gamma` where it is not.

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
            if value < least:
                raise ValueError(
                    f"`{name}` must not be below {least:g}. "
                    f"Received: {name}={value}"
                )
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
        )
        self.seed_generator = keras.random.SeedGenerator()
        self.build()

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

        The policy begins with the backbone's item embedding.

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
        source = ops.convert_to_tensor(self.item_embedding.embeddings)
        self.skip_policy.item_embedding.set_weights(
            [ops.convert_to_numpy(source)]
        )

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
            self._check_keep(keep)
            return keep
        if not training:
            return self.keep(item_ids)
        logits = self.policy_logits(item_ids, training=True)
        keep = self._draw(logits)
        # Past Keras, which would look for weights in it.
        self.__dict__["_drawn"] = logits, keep
        return keep

    def states(self, item_ids, training=None):
        return self.backbone.states(item_ids, training=training)

    def parts(self):
        return self.backbone.parts()

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training or len(y.shape) == 1:
            return loss
        logits, keep = self.__dict__.pop("_drawn")
        # Rows that only fill up a batch do not count, and a device adds its
        # share of the global batch.
        weights = target_weights.target_weights(
            y, sample_weight, self.padding_id
        )
        counts = ops.cast(ops.any(weights > 0, axis=1), "float32")  # (B,)
        share = ops.sum(weights) / ops.maximum(ops.sum(counts), 1.0)
        if self.block_cost:
            cost = ops.sum(counts * ops.mean(keep, axis=1))
            loss = loss + self.block_cost * share * cost
        if self.objective == "reinforce":
            of_rows = self._policy_losses(x, y, logits, keep)
            loss = loss + self.beta * share * ops.sum(counts * of_rows)
        return loss

    def _policy_losses(self, item_ids, targets, logits, keep):
        """(B,) what reinforcement learning minimises (Eq. 9)."""
        keep = ops.stop_gradient(keep)
        best = self.skip_policy.decide(item_ids, logits)
        drawn, usual = (
            self._reward(item_ids, targets, ops.stop_gradient(blocks))
            for blocks in (keep, best)
        )
        both = ops.stack([keep, 1 - keep], axis=-1)  # (B, L, 2)
        chosen = ops.sum(both * ops.log_softmax(logits, axis=-1), axis=(1, 2))
        return -ops.stop_gradient(drawn - usual) * chosen

    def _reward(self, item_ids, targets, keep):
        """(B,) of what was run for each history (Eq. 8)."""
        hidden = self.backbone.encode(item_ids, training=False, keep=keep)
        ranks = rank_among(self.item_softmax(hidden[:, -1]), targets[:, -1])
        share = ops.mean(keep, axis=1)
        if self.rewards_blocks:
            of_hit = 1 - self.gamma * ops.square(1 - share)
        else:
            of_hit = 1 - ops.square(share)
        return ops.where(ranks < _HIT, of_hit, -self.gamma)

    def _draw(self, logits):
        """(B, L) 0 or 1, with the gradient of a Gumbel softmax (Eq. 6, 7)."""
        uniform = keras.random.uniform(
            ops.shape(logits), seed=self.seed_generator
        )
        noise = -ops.log(-ops.log(uniform + _TINY) + _TINY)
        soft = ops.softmax((logits + noise) / self.temperature, axis=-1)[..., 0]
        hard = ops.cast(soft >= 0.5, soft.dtype)
        return hard + (soft - ops.stop_gradient(soft))

    def _check_keep(self, keep):
        """Of what is in a graph only the shape is known."""
        num_blocks = len(self.backbone.blocks)
        if len(keep.shape) != 2 or keep.shape[1] != num_blocks:
            raise ValueError(
                f"`keep` must have a column for each of the {num_blocks} "
                f"blocks. Received: keep of shape {tuple(keep.shape)}"
            )
        if isinstance(keep, np.ndarray) and not np.isin(keep, (0, 1)).all():
            raise ValueError(
                "`keep` is 1 where a block runs, else 0. Received: keep with "
                f"{np.setdiff1d(keep, (0, 1))[:3].tolist()}"
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
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        backbone = keras.saving.deserialize_keras_object(config["backbone"])
        return super().from_config(
            {**config, "backbone": backbone}, custom_objects
        )


def _check_backbone(backbone):
    """Raises ValueError for what no policy can be for."""
    if not getattr(backbone, "blocks", None):
        raise ValueError(
            "Expected a model with blocks. "
            f"Received: backbone={type(backbone).__name__}"
        )
    usual = SequentialRecommender.encode_for_loss
    if type(backbone).encode_for_loss is not usual:
        raise ValueError(
            "Expected a model that is trained on histories as they are. "
            f"Received: a {type(backbone).__name__}, whose objective changes "
            "them"
        )
