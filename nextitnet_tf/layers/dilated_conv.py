"""The convolution of NextItNet's blocks."""

import keras
from keras import ops

from nextitnet_tf.layers.shared_kernel import SharedKernel


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class DilatedConv(SharedKernel, keras.layers.Conv1D):
    """A dilated convolution, computed as one matrix product.

    The inputs that a position sees are laid side by side, (B, T, K * D), and
    multiplied by the kernel as a matrix. It is the operator of Keras'
    `Conv1D`, with the same weights; on CPUs it takes about two thirds of the
    time, since the gradients of dilated convolutions are slow there and those
    of a matrix product are not.

    Args:
        filters: channels out.
        kernel_size: K, positions it looks at.
        dilation_rate: distance between them.
        causal: whether a position sees itself and those before it, or as
            many behind it as before it.
        **kwargs: as for `keras.layers.Conv1D`. Of `padding`, `strides`,
            `groups` and `data_format` it has one value only, and refuses
            others.

    Call arguments:
        x: (B, T, D).

    Returns:
        (B, T, filters); if causal, position k depends on positions <= k of x
        only.

    Raises:
        ValueError: an argument of `Conv1D` that it cannot honour.

    Reference:
        Yuan et al., NextItNet, WSDM 2019, Section 3.2.
    """

    def __init__(
        self, filters, kernel_size, dilation_rate=1, causal=True, **kwargs
    ):
        # What `get_config` has is given again.
        fixed = {
            "padding": ("causal" if causal else "same",),
            "strides": (1, (1,), [1]),
            "groups": (1,),
            "data_format": ("channels_last", None),
        }
        for name, allowed in fixed.items():
            value = kwargs.pop(name, allowed[0])
            if value not in allowed:
                raise ValueError(
                    f"`{name}` of a DilatedConv with causal={causal} must be "
                    f"{allowed[0]!r}. Received: {name}={value!r}"
                )
        super().__init__(
            filters,
            kernel_size,
            padding=fixed["padding"][0],
            dilation_rate=dilation_rate,
            data_format="channels_last",
            **kwargs,
        )
        self.causal = causal

    def call(self, x):
        size, rate = self.kernel_size[0], self.dilation_rate[0]
        length = ops.shape(x)[1]
        missing = (size - 1) * rate
        before = missing if self.causal else missing // 2
        padded = ops.pad(x, ((0, 0), (before, missing - before), (0, 0)))
        views = ops.concatenate(
            [padded[:, k * rate : k * rate + length] for k in range(size)],
            axis=-1,
        )  # (B, T, K * D)
        kernel = ops.reshape(self.kernel, (-1, self.filters))
        outputs = ops.matmul(views, kernel)
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def get_config(self):
        return {**super().get_config(), "causal": self.causal}
