"""The alpha of a residual block."""

import keras


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class ReZero(keras.layers.Layer):
    """Adds a residual branch scaled by one learned scalar, alpha.

    `x + alpha * branch`. Alpha starts at 0, so a new block is the identity
    and a deep stack of them is as easy to start training as a shallow one.

    Call arguments:
        x: (..., D) the block's input.
        branch: (..., D) what the block computed from it.

    Returns:
        (..., D).

    Reference:
        StackRec, Eq. 3; the release calls alpha `rez`.
    """

    def build(self, x_shape, branch_shape=None):
        self.alpha = self.add_weight(
            name="alpha", shape=(), initializer="zeros"
        )

    def call(self, x, branch):
        return x + self.alpha * branch

    def compute_output_shape(self, x_shape, branch_shape=None):
        return x_shape
