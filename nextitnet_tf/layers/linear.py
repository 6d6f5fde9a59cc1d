"""The dense layer of Transformer blocks."""

import keras

from nextitnet_tf.layers.shared_kernel import SharedKernel


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class Linear(SharedKernel, keras.layers.Dense):
    """Keras' dense layer, which can use the kernel of another.

    Args:
        *args: as for `keras.layers.Dense`.
        **kwargs: likewise.

    Call arguments:
        x: (..., D).

    Returns:
        (..., units).
    """

    def quantize(self, mode=None, type_check=True, config=None):
        # Keras refuses subclasses of its Dense; this one computes the same.
        super().quantize(mode, type_check=False, config=config)


def linear(width, dtype, name, activation=None):
    """A dense layer of equal width in and out, initialised as PyTorch's."""
    bound = width**-0.5
    return Linear(
        width,
        activation=activation,
        kernel_initializer=keras.initializers.RandomUniform(-bound, bound),
        bias_initializer=keras.initializers.RandomUniform(-bound, bound),
        dtype=dtype,
        name=name,
    )
