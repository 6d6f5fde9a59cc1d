"""Copies of a block that stay equal while a model trains."""

import keras
import tensorflow as tf


class TieCopies(keras.callbacks.Callback):
    """Keeps copies of a block equal, moved by the sum of their steps.

    Separate slots of the optimizer for each copy, one memory for all: what
    the release's Transformers do after stacking.
    """

    def on_train_begin(self, logs=None):
        layers = [
            [self.model.blocks[i].parts()["blocks"] for i in group]
            for group in self.model.tied_blocks
        ]
        # (copies of one variable, what they were after the last step)
        self._tied = [
            ([v.value for v in copies], tf.Variable(copies[0].value))
            for of_group in layers
            for of_layer in zip(*of_group, strict=True)
            for copies in zip(
                *(layer.trainable_variables for layer in of_layer), strict=True
            )
        ]

    def on_train_batch_end(self, batch, logs=None):
        self._tie()

    @tf.function(autograph=False)
    def _tie(self):
        for copies, before in self._tied:
            together = before + tf.add_n([v - before for v in copies])
            for variable in (*copies, before):
                variable.assign(together)
