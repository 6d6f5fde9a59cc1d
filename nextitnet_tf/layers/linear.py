"""The dense layer of Transformer blocks."""

import keras

from nextitnet_tf.layers.shared_kernel import SharedKernel

STARTS = ("pytorch", "tensorflow")


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


def linear(width, dtype, name, activation=None, starts_as="pytorch"):
    """A dense layer of equal width in and out.

    Args:
        width: of input and output.
        dtype: the layer's dtype policy.
        name: of the layer.
        activation: of the layer, by default none.
        starts_as: whose initial values it has: "pytorch", uniform ones; or
            "tensorflow", Glorot's with biases of 0.

    Raises:
        ValueError: a start that is neither.
    """
    if starts_as not in STARTS:
        raise ValueError(
            f"`starts_as` must be one of {STARTS}. "
            f"Received: starts_as={starts_as!r}"
        )
    bound = width**-0.5
    uniform = {
        "kernel_initializer": keras.initializers.RandomUniform(-bound, bound),
        "bias_initializer": keras.initializers.RandomUniform(-bound, bound),
    }
    return Linear(
        width,
        activation=activation,
        dtype=dtype,
        name=name,
        # Keras' own start is TensorFlow's.
        **(uniform if starts_as == "pytorch" else {}),
    )
