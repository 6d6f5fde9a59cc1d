"""What every sequential recommender has in common."""

import inspect

import keras
from keras import ops

from nextitnet_tf import target_weights
from nextitnet_tf.compression import Compression
from nextitnet_tf.layers.tree_softmax import TreeSoftmax
from nextitnet_tf.models.class_weight import refusing_class_weight
from nextitnet_tf.models.quantized import Quantizable
from nextitnet_tf.models.served_model import ServedModel


class SequentialRecommender(Quantizable, ServedModel):
    """Scores all items for what follows a history of items.

    A subclass makes `item_embedding`, `item_softmax` (both by `ItemLayers`)
    and what lies between in its `__init__` and ends it with `self.build()`:
    a model that exists is built, so it can be counted, saved and stacked
    before it has seen a batch. Its forward pass is its `encode`.

    Residual blocks go into `blocks` and are run by `block_stack`, a
    `BlockStack` of them.

    Attributes:
        blocks: what `Stacker` stacks; empty in a model without.
        needs_users: whether inputs are pairs of item ids and user ids.
        best_preset: the preset that `Stacker` takes if it is given none.
        release_ties_copies: whether the release's stacking leaves the copies
            of a block tied.
        tied_blocks: lists of blocks that training keeps equal
            (`stacking.Stacker`, switch "tied"); not saved.
        is_compressible: whether it takes a `Compression`.
        overwrites_rows: whether training changes the rows it reads, for good
            (`overwrite`).

    Args:
        num_items: number of items without padding; ids are 0..num_items.
        compression: a `Compression`, its config, or "auto", of ids by falling
            frequency.
        padding_id: the id that fills up short histories. Training without
            weights does not count it as a target, and models that mask
            paddings mask it.

    Call arguments:
        item_ids: (B, T) int, latest item at position -1.

    Returns:
        (B, N) logits of the item that follows the last position.

    Raises:
        ValueError: a padding id that is no column; a compression that the
            model does not have.
    """

    needs_users = False
    is_compressible = False
    best_preset = "best"
    overwrites_rows = False
    release_ties_copies = False
    tied_blocks = ()

    def __init__(self, num_items, padding_id=0, compression=None, **kwargs):
        super().__init__(**kwargs)
        if compression is not None and not self.is_compressible:
            raise ValueError(
                f"A {type(self).__name__} is not compressed: expected "
                f"compression=None. Received: compression={compression}"
            )
        if num_items >= 1 and not 0 <= padding_id <= num_items:
            raise ValueError(
                f"`padding_id` must be one of the ids 0..{num_items}. "
                f"Received: padding_id={padding_id}"
            )
        self.num_items = num_items
        self.padding_id = padding_id
        self.compression = Compression.of(compression)
        self.num_sampled = None
        self.l2 = 0.0
        self.label_smoothing = 0.0
        self.blocks = []

    @classmethod
    def config_for(
        cls, num_blocks, history_length, num_users, padding_id, protocol
    ):
        """Arguments of the class that stage, data and protocol decide.

        Args:
            num_blocks: depth of the stage.
            history_length: T, items of the longest history.
            num_users: of the data; users are 0..num_users - 1.
            padding_id: of the data.
            protocol: a `Protocol`; a model asks for its fields, never for
                its name.

        Returns:
            Keyword arguments; a subclass adds those it has.
        """
        del num_blocks, history_length, num_users, protocol
        return {"padding_id": padding_id}

    @classmethod
    def arguments(cls):
        """Names of all that the constructor takes, those of its bases too."""
        return {
            name
            for base in cls.__mro__
            if issubclass(base, SequentialRecommender)
            for name in inspect.signature(base.__init__).parameters
        } - {"self", "kwargs"}

    def build(self, input_shape=None):
        # Keras' users may ask a model that exists, and is built, for it.
        if not self.built:
            self.build_layers()

    def build_layers(self):
        """Makes the weights; a subclass adds layers of its own."""
        self.item_embedding.build((None, None))
        hidden_shape = (None, None, self.embedding_dim)
        if self.blocks:
            self.block_stack.build(hidden_shape)
        self.item_softmax.build(hidden_shape)

    def call(self, item_ids, training=None):
        return self.item_softmax(self.last_hidden(item_ids, training))

    def compute_output_shape(self, input_shape):
        is_pair = isinstance(input_shape[0], tuple | list)  # with users
        num_rows = input_shape[0][0] if is_pair else input_shape[0]
        return (num_rows, self.num_items + 1)

    def encode(self, item_ids, training=None):
        """Hidden states.

        Args:
            item_ids: (B, T) int.
            training: whether blocks behave as in training.

        A model with blocks also takes `keep`, (B, L) 1 where a row runs a
        block (`BlockStack`).

        Returns:
            (B, T, D); position k knows the items up to position k.
        """
        raise NotImplementedError(
            f"A {type(self).__name__} has no hidden states"
        )

    def last_hidden(self, item_ids, training=None, **keep):
        """(B, D): what `call` scores items by, what follows a history."""
        return self.encode(item_ids, training, **keep)[:, -1]

    def states(self, item_ids, training=None):
        """Hidden states before the first block, then after each.

        Args:
            item_ids: (B, T) int.
            training: whether blocks behave as in training.

        Yields:
            (B, T, D), L + 1 times.
        """
        raise NotImplementedError(f"A {type(self).__name__} has no blocks")

    def encode_for_loss(self, item_ids, targets, weights, training):
        """What the loss predicts from, and what counts in it.

        An objective that masks or corrupts items does so here, in training;
        outside of it nothing is drawn, so that an evaluation can be repeated.

        Args:
            item_ids: (B, T) int.
            targets: (B, T) int, the items that follow each position.
            weights: (B, T) float32.
            training: whether this is a step of training.

        Returns:
            (B, P, D) hidden states, (B, P) the items they are to predict,
            and (B, P) weights, of the P positions that count.
        """
        return self.encode(item_ids, training=training), targets, weights

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

    def compile(
        self,
        optimizer="adam",
        num_sampled=None,
        l2=0.0,
        label_smoothing=0.0,
        **kwargs,
    ):
        """Configures training.

        Args:
            optimizer: Keras optimizer or its name.
            num_sampled: negatives of a sampled softmax; None for the full
                softmax.
            l2: weight of the release's penalty: the mean over trainable
                variables (not over their entries) of half the sum of
                squares.
            label_smoothing: share of each target that is spread over all
                columns (full softmax only).
            **kwargs: as for `keras.Model.compile`; ranking metrics go to
                `weighted_metrics`.

        Raises:
            ValueError: a loss; the model has its own. One that the model's
                softmax does not have.
        """
        for name in ("loss", "loss_weights"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    "A sequential recommender has a loss of its own (see "
                    f"`compute_loss`): expected no `{name}`. "
                    f"Received: {name}={kwargs[name]!r}"
                )
        item_softmax = getattr(self, "item_softmax", None)
        if isinstance(item_softmax, TreeSoftmax):
            item_softmax.check_loss(num_sampled, label_smoothing)
        super().compile(optimizer=optimizer, **kwargs)
        self.num_sampled = num_sampled
        self.l2 = l2
        self.label_smoothing = label_smoothing
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
            "label_smoothing": self.label_smoothing,
        }

    def compile_from_config(self, config):
        config = keras.saving.deserialize_keras_object(config)
        self.compile(**config)

    fit = refusing_class_weight("fit")
    train_on_batch = refusing_class_weight("train_on_batch")

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """The loss of a batch.

        Targets (B, T) give the model's own loss over all positions, in
        training and, as the loss of inference, in evaluation: without
        dropout, masks or sampled negatives, and the same at each call.
        Targets (B,) give the cross-entropy of what follows the last position
        among all columns.

        Args:
            x: (B, T) item ids.
            y: (B, T) the items that follow each position, or (B,) the one
                that follows the last.
            y_pred: (B, N) what `call` gave; targets (B, T) do not need it.
            sample_weight: None counts every target alike that is not
                padding. (B,) weighs the rows; the loss is the weighted mean
                over targets that are not padding. (B, T) weighs the targets
                themselves, paddings included, and the loss is the weighted
                SUM: `data` gives weights that sum to 1 over the global
                batch.
            training: whether this is a step of training.

        Returns:
            Scalar.

        Raises:
            ValueError: weights or targets of another shape.
        """
        if len(y.shape) == 1:
            target_weights.check_weights(sample_weight, y)
            return keras.losses.SparseCategoricalCrossentropy(
                from_logits=True, reduction="mean_with_sample_weight"
            )(y, y_pred, sample_weight)
        hidden, y, weights = self.encode_for_loss(
            x,
            ops.cast(y, "int32"),
            target_weights.target_weights(y, sample_weight, self.padding_id),
            training=training,
        )
        target_weights.check_targets(y, hidden)
        weights = ops.reshape(weights, (-1,))
        loss = self.item_softmax.loss(
            ops.reshape(hidden, (-1, hidden.shape[-1])),
            ops.reshape(ops.cast(y, "int32"), (-1,)),
            weights,
            num_sampled=self.num_sampled,
            training=training,
            label_smoothing=self.label_smoothing,
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
        of_name = {metric.name: metric for metric in self.metrics}
        if all(m.built for n, m in of_name.items() if n == "compile_metrics"):
            return super().get_metrics_result()
        return {n: m.result() for n, m in of_name.items() if n == "loss"}

    def get_config(self):
        small = self.compression
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "padding_id": self.padding_id,
            # Left out, a subclass need not take it.
            **({"compression": small.to_config()} if small else {}),
        }

    @property
    def sharing(self):
        """Whose kernels a block uses (`sharing.kernel_owners`)."""
        return self.compression.sharing if self.compression else "none"
