"""How a policy of SkipRec's is trained: draws, losses, steps."""

import keras
from keras import ops

from nextitnet_tf import target_weights
from nextitnet_tf.metrics import rank_among

UPDATES = ("joint", "three")
# An item is hit where it is among so many (Eq. 8).
_HIT = 5
_TINY = 1e-20


class PolicyTraining:
    """What SkipRec draws in training and what it learns, mixed into it.

    In reinforcement learning a draw is rewarded as far as it does better than
    what the policy is for (Eq. 8-10). By the paper its loss is a part of one
    sum, of which every step takes one gradient (`updates="joint"`).

    The release takes three (`updates="three"`): the policy goes down the loss
    of reinforcement, the policy goes down the cross-entropy, the backbone
    goes down the cross-entropy. The first two are steps of one Adam, whose
    moments and count of steps they share; the backbone has an Adam of its
    own. All three gradients are taken before any is applied: in the release
    one run has them all, in no order. This is the one place of the library
    that has a step of training of its own, and it is TensorFlow's.

    Attributes:
        policy_optimizer: of the policy where there are three updates, made as
            `optimizer` is; else None. It counts two steps where `optimizer`
            counts one, and a rate that decays decays accordingly.
    """

    policy_optimizer = None

    def compile(self, optimizer="adam", **kwargs):
        super().compile(optimizer=optimizer, **kwargs)
        if self.updates != "three":
            return
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            raise ValueError(
                "Three updates do not scale their losses: expected an "
                "optimizer without, and dtype float32 or mixed_bfloat16. "
                f"Received: optimizer={type(self.optimizer).__name__}"
            )
        config = self.optimizer.get_config()
        self.policy_optimizer = type(self.optimizer).from_config(config)
        self.policy_optimizer.build(self.skip_policy.trainable_variables)

    def train_step(self, *args):
        if self.updates != "three":
            return super().train_step(*args)
        return _three_updates(self, *args)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        if not training or len(y.shape) == 1:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        loss, drawn = self._loss_of_items(x, y, sample_weight)
        if self.objective == "reinforce":
            loss = loss + self._loss_of_policy(x, y, sample_weight, *drawn)
        return loss

    def _loss_of_items(self, x, y, sample_weight, logits=None):
        """The loss of what follows, with the cost of blocks.

        Args:
            x: as for `compute_loss`, like `y` and `sample_weight`.
            y: (B, T).
            sample_weight: weights.
            logits: (B, L, 2) of the policy, where they are known.

        Returns:
            Scalar, and what was drawn: the policy's logits and (B, L) blocks.
        """
        # Past Keras, which would look for weights in it.
        self.__dict__["_logits"] = logits
        loss = super().compute_loss(x, y, None, sample_weight, True)
        drawn = self.__dict__.pop("_drawn")
        if self.block_cost:
            of_rows = ops.mean(drawn[1], axis=1)
            cost = ops.sum(self._row_weights(y, sample_weight) * of_rows)
            loss = loss + self.block_cost * cost
        return loss, drawn

    def _loss_of_policy(self, x, y, sample_weight, logits, keep):
        """That of reinforcement learning, a scalar."""
        of_rows = self._policy_losses(x, y, logits, keep)
        weights = self._row_weights(y, sample_weight)
        return self.beta * ops.sum(weights * of_rows)

    def _row_weights(self, y, sample_weight):
        """(B,) of whole histories, which sum to what their targets' do.

        Rows that only fill up a batch do not count, and a device adds its
        share of the global batch.
        """
        weights = target_weights.target_weights(
            y, sample_weight, self.padding_id
        )
        counts = ops.cast(ops.any(weights > 0, axis=1), "float32")  # (B,)
        share = ops.sum(weights) / ops.maximum(ops.sum(counts), 1.0)
        return counts * share

    def _draw_for_training(self, item_ids):
        """(B, L) blocks of a step, which its losses ask for again."""
        logits = self.__dict__.pop("_logits", None)
        if logits is None:
            logits = self.policy_logits(item_ids, training=True)
        draw = self._draw_tempered if self.tempered_draws else self._draw
        keep = draw(logits)
        self.__dict__["_drawn"] = logits, keep
        return keep

    def _policy_losses(self, item_ids, targets, logits, keep):
        """(B,) what reinforcement learning minimises (Eq. 9)."""
        keep = ops.stop_gradient(keep)
        # The release compares with another noisy draw.
        usual = (
            self._draw(logits)
            if self.is_noisy
            else self.skip_policy.decide(item_ids, logits)
        )
        of_drawn, of_usual = (
            self._reward(item_ids, targets, ops.stop_gradient(blocks))
            for blocks in (keep, usual)
        )
        both = ops.stack([keep, 1 - keep], axis=-1)  # (B, L, 2)
        chosen = ops.sum(both * ops.log_softmax(logits, axis=-1), axis=(1, 2))
        return -ops.stop_gradient(of_drawn - of_usual) * chosen

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
        soft = self._soft(logits)
        hard = ops.cast(soft >= 0.5, soft.dtype)
        return hard + (soft - ops.stop_gradient(soft))

    def _draw_tempered(self, logits):
        """The same, drawn by the Gumbel softmax instead of its larger part."""
        soft = self._soft(logits)
        uniform = keras.random.uniform(
            ops.shape(soft), seed=self.seed_generator
        )
        hard = ops.cast(uniform < soft, soft.dtype)
        return hard + (soft - ops.stop_gradient(soft))

    def _soft(self, logits):
        """(B, L) the share that a Gumbel softmax gives to running a block."""
        uniform = keras.random.uniform(
            ops.shape(logits), seed=self.seed_generator
        )
        noise = -ops.log(-ops.log(uniform + _TINY) + _TINY)
        return ops.softmax((logits + noise) / self.temperature, axis=-1)[..., 0]


def check_updates(updates, objective, policy) -> None:
    """Raises ValueError for updates that there are not.

    Args:
        updates: one of `UPDATES`.
        objective: of the model.
        policy: the kind of its policy.
    """
    if updates not in UPDATES:
        raise ValueError(
            f"`updates` must be one of {UPDATES}. Received: updates={updates!r}"
        )
    if updates != "three":
        return
    if objective != "reinforce" or policy == "random":
        raise ValueError(
            "Three updates are of reinforcement learning: expected "
            "objective='reinforce' and a policy that learns. Received: "
            f"objective={objective!r}, policy={policy!r}"
        )
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            "Three updates are a step of TensorFlow's: expected it for Keras' "
            "backend, or updates='joint'. Received: backend "
            f"{keras.backend.backend()!r}"
        )


def _three_updates(model, data):
    """A step of training, as `keras.Model.train_step` has it."""
    # Here alone: models do without TensorFlow.
    import tensorflow as tf

    batch = keras.utils.unpack_x_y_sample_weight(data)
    x, y, sample_weight = batch
    of_policy = model.skip_policy.trainable_variables
    of_backbone = model.backbone.trainable_variables
    # The policy has a tape of its own: one that is asked twice must not see
    # the loop of the loss, which has a first derivative only.
    with tf.GradientTape(persistent=True) as policy_tape:
        logits = model.policy_logits(x, training=True)  # (B, L, 2)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss, drawn = model._loss_of_items(*batch, logits=logits)
    with tf.GradientTape() as reward_tape:
        reward_tape.watch(logits)
        reinforcement = model._loss_of_policy(*batch, *drawn)
    of_logits, *direct = tape.gradient(loss, [logits, *of_policy, *of_backbone])
    through = [
        policy_tape.gradient(logits, of_policy, output_gradients=gradient)
        for gradient in (reward_tape.gradient(reinforcement, logits), of_logits)
    ]
    # A penalty on weights (`l2`) reaches the policy past its logits.
    count = len(of_policy)
    of_loss = [
        a if b is None else a + b
        for a, b in zip(through[1], direct[:count], strict=True)
    ]
    model.policy_optimizer.apply(through[0], of_policy)
    model.policy_optimizer.apply(of_loss, of_policy)
    model.optimizer.apply(direct[count:], of_backbone)
    # A device has its share of the loss; Keras means them.
    num_devices = model.distribute_strategy.num_replicas_in_sync
    for metric in model.metrics:
        if metric.name == "loss":
            metric.update_state(loss * num_devices, tf.shape(y)[0])
    return model.compute_metrics(x, y, None, sample_weight)
