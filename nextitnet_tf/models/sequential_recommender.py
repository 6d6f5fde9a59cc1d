"""What every sequential recommender has in common."""

import logging

import keras
import numpy as np
from keras import ops

from nextitnet_tf.vocabulary import Vocabulary


class SequentialRecommender(keras.Model):
    """Scores all items for what follows a history of items.

    A subclass builds `item_embedding`, `blocks` and `item_softmax` of width
    `embedding_dim` in its `__init__` and ends it with `self.build()`: a model
    that exists is built, so it can be counted, saved and stacked before it
    has seen a batch.

    A model without residual blocks overrides `encode` and has none.

    Attributes:
        blocks: what `Stacker` stacks.
        needs_users: whether inputs are pairs of item ids and user ids.
        best_preset: the preset that `Stacker` takes if it is given none.
        release_ties_copies: whether the release's stacking leaves the copies
            of a block tied.
        tied_blocks: lists of blocks that training keeps equal
            (`stacking.Stacker`, switch "tied"); not saved.
        overwrites_rows: whether training changes the rows it reads, for good
            (`overwrite`).

    Args:
        num_items: number of items without padding; ids are 0..num_items.

    Call arguments:
        item_ids: (B, T) int, latest item at position -1.

    Returns:
        (B, N) logits of the item that follows the last position.
    """

    needs_users = False
    best_preset = "best"
    overwrites_rows = False
    release_ties_copies = False
    tied_blocks = ()

    def __init__(self, num_items, **kwargs):
        super().__init__(**kwargs)
        self.num_items = num_items
        self.vocabulary: Vocabulary | None = None
        self.num_sampled = None
        self.l2 = 0.0
        self.blocks = []

    @classmethod
    def config_for(cls, num_blocks, history_length, num_users, protocol, padding_id=0):
        """Arguments of the class that stage, data and protocol decide.

        Args:
            num_blocks: depth of the stage.
            history_length: T, items of the longest history.
            num_users: of the data; users are 0..num_users - 1.
            protocol: a `Protocol`.

        Returns:
            Keyword arguments; a subclass picks those it has.
        """
        del history_length, num_users, protocol
        return {"num_blocks": num_blocks}

    def build(self):
        self.item_embedding.build((None, None))
        hidden_shape = (None, None, self.embedding_dim)
        for block in self.blocks:
            block.build(hidden_shape)
        self.item_softmax.build(hidden_shape)

    def call(self, item_ids, training=None):
        return self.item_softmax(self.encode(item_ids, training)[:, -1])

    def encode(self, item_ids, training=None):
        """Hidden states.

        Args:
            item_ids: (B, T) int.
            training: whether blocks behave as in training.

        Returns:
            (B, T, D); position k knows the items up to position k.
        """
        *_, hidden = self.states(item_ids, training)
        return hidden

    def states(self, item_ids, training=None):
        """Hidden states before the first block, then after each.

        Args:
            item_ids: (B, T) int.
            training: whether blocks behave as in training.

        Yields:
            (B, T, D), L + 1 times.
        """
        hidden = self.item_embedding(item_ids)  # (B, T, D)
        yield hidden
        for block in self.blocks:
            hidden = block(hidden)
            yield hidden

    def encode_for_training(self, item_ids, targets, weights):
        """What a training step predicts from, and what counts in it.

        An objective that masks or corrupts items does so here.

        Args:
            item_ids: (B, T) int.
            targets: (B, T) int, the items that follow each position.
            weights: (B, T) float32.

        Returns:
            (B, P, D) hidden states, (B, P) the items they are to predict,
            and (B, P) weights, of the P positions that count.
        """
        return self.encode(item_ids, training=True), targets, weights

    def parts(self):
        """What of the model, its blocks apart, `Stacker` may copy.

        Returns:
            {"embedding": layers, "norm": layers, "head": layers}.
        """
        return {
            "embedding": [self.item_embedding],
            "norm": [],
            "head": [self.item_softmax],
        }

    def compile(self, optimizer="adam", num_sampled=None, l2=0.0, **kwargs):
        """Configures training.

        Args:
            optimizer: Keras optimizer or its name.
            num_sampled: negatives of a sampled softmax; None for the full
                softmax.
            l2: weight of the release's penalty: the mean over trainable
                variables (not over their entries) of half the sum of
                squares.
            **kwargs: as for `keras.Model.compile`; ranking metrics go to
                `weighted_metrics`.
        """
        super().compile(optimizer=optimizer, **kwargs)
        self.num_sampled = num_sampled
        self.l2 = l2
        # Otherwise its slots are made while the first step is traced, which
        # makes TensorFlow trace that step twice: half of the compile time.
        if self.trainable_variables:
            self.optimizer.build(self.trainable_variables)

    def get_compile_config(self):
        if not self.compiled:
            return {}
        return {
            **super().get_compile_config(),
            "num_sampled": self.num_sampled,
            "l2": self.l2,
        }

    def compile_from_config(self, config):
        config = keras.saving.deserialize_keras_object(config)
        self.compile(**config)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """The loss of a batch.

        Args:
            x: (B, T) item ids.
            y: (B, T) the items that follow each position, in training; (B,)
                the one that follows the last, in evaluation.
            y_pred: (B, N) what `call` gave; training does not look at it.
            sample_weight: of y's shape. In training the weights sum to 1
                over the global batch; without any, each real item counts
                the same. In evaluation 0 marks rows that only fill a batch.
            training: not looked at; y's shape tells.

        Returns:
            Scalar.
        """
        if len(y.shape) == 1:
            return keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, reduction="mean_with_sample_weight"
            )(y, y_pred, sample_weight)
        if sample_weight is None:
            item_mask = ops.cast(ops.not_equal(y, 0), "float32")
            sample_weight = item_mask / ops.maximum(ops.sum(item_mask), 1.0)
        hidden, y, weights = self.encode_for_training(
            x, ops.cast(y, "int32"), ops.cast(sample_weight, "float32")
        )
        weights = ops.reshape(weights, (-1,))
        loss = self.item_softmax.loss(
            ops.reshape(hidden, (-1, hidden.shape[-1])),
            ops.reshape(ops.cast(y, "int32"), (-1,)),
            weights,
            num_sampled=self.num_sampled,
        )
        if self.l2:
            squares = sum(
                ops.sum(ops.square(ops.cast(v, "float32")))
                for v in self.trainable_variables
            )
            penalty = self.l2 * 0.5 * squares / len(self.trainable_variables)
            # A device adds the share of the penalty that it has of the
            # global batch, so that the sum over devices has it once.
            loss = loss + penalty * ops.sum(weights)
        return loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Ranking metrics in evaluation; the loss alone in training."""
        if len(y.shape) == 1:
            return super().compute_metrics(x, y, y_pred, sample_weight)
        return {m.name: m.result() for m in self.metrics if m.name == "loss"}

    def get_metrics_result(self):
        """Keras asks after training, before ranking metrics saw a batch."""
        ranking = [m for m in self.metrics if m.name == "compile_metrics"]
        if all(m.built for m in ranking):
            return super().get_metrics_result()
        return {m.name: m.result() for m in self.metrics if m.name == "loss"}

    def recommend(self, histories, k=10, exclude_seen=True, batch_size=256):
        """The items likeliest to follow, in raw ids.

        Ids the model does not know are skipped (and counted in a warning);
        of a long history the latest `vocabulary.history_length` items count;
        a history with no known item gets the most popular items.

        Args:
            histories: one sequence of raw ids a user, oldest first.
            k: how many items a user gets.
            exclude_seen: leave out every item of the user's history.
            batch_size: users scored at a time.

        Returns:
            One list a user of at most k raw ids, likeliest first.

        Raises:
            ValueError: a model without a vocabulary; k below 1.
        """
        vocabulary, of_histories = self.vocabulary, self.history_vocabulary
        if vocabulary is None or of_histories is None:
            raise ValueError(
                "`recommend` needs a model that knows its raw ids: one that "
                "was trained by `training.run`, or whose `vocabulary` was "
                "set. Received: vocabulary=None"
            )
        if k < 1:
            raise ValueError(f"`k` must be at least 1. Received: k={k}")
        encoded = [of_histories.encode(history) for history in histories]
        num_unknown = sum(unknown for _, unknown in encoded)
        if num_unknown:
            logging.getLogger(__name__).warning(
                "unknown item ids skipped: %d", num_unknown
            )
        answers = []
        for start in range(0, len(encoded), batch_size):
            batch = [ids for ids, _ in encoded[start : start + batch_size]]
            answers += self._recommend_ids(batch, k, exclude_seen)
        return [[vocabulary.raw_ids[i] for i in ids] for ids in answers]

    @property
    def history_vocabulary(self):
        """Of the items in histories: those that are recommended."""
        return self.vocabulary

    def save_assets(self, dir_path):
        if self.vocabulary is not None:
            self.vocabulary.save(dir_path)

    def load_assets(self, dir_path):
        if Vocabulary.is_saved(dir_path):
            self.vocabulary = Vocabulary.load(dir_path)

    def get_config(self):
        return {**super().get_config(), "num_items": self.num_items}

    def _recommend_ids(self, histories, k, exclude_seen):
        """Model ids of histories -> lists of at most k model ids."""
        vocabulary, of_histories = self.vocabulary, self.history_vocabulary
        length = of_histories.history_length
        item_ids = np.full(
            (len(histories), length), of_histories.padding_id, "int32"
        )
        for row, history in zip(item_ids, histories, strict=True):
            latest = history[-length:]
            row[length - len(latest) :] = latest
        scores = np.array(self.predict_on_batch(item_ids), "float32")
        for row, history in zip(scores, histories, strict=True):
            if not history:
                row[:] = vocabulary.counts
            row[vocabulary.not_items] = -np.inf
            if exclude_seen and of_histories is vocabulary:
                row[history] = -np.inf
        best = np.argsort(-scores, axis=-1, kind="stable")[:, :k]
        return [
            [int(i) for i in ids if row[i] > -np.inf]
            for ids, row in zip(best, scores, strict=True)
        ]
