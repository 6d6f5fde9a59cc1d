"""The convolution of NextItNet's blocks."""

import keras
import numpy as np
from keras import ops

from nextitnet_tf.layers.receptive_field import take_places
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
        past: (B, `past_length`, D), the inputs before x (`remember`), of a
            causal convolution; by default zeros.
        taps: `Taps` of the W outputs to compute, where x has not all
            positions or not all outputs are wanted; by default all are.

    Returns:
        (B, T, filters), or (B, W, filters) at `taps`; if causal, position k
        depends on positions <= k of x only.

    Raises:
        ValueError: an argument of `Conv1D` that it cannot honour; `sees`, or
            `past`, of a convolution that looks both ways.

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

    @property
    def past_length(self):
        """Positions before its own that a causal one sees."""
        return (self.kernel_size[0] - 1) * self.dilation_rate[0]

    def call(self, x, past=None, taps=None):
        if taps is None:
            views = self._views(x, past)
        else:
            views = self._views_at(x, taps.places)
        views = ops.concatenate(views, axis=-1)  # (B, T or W, K * D)
        kernel = ops.reshape(self.kernel, (-1, self.filters))
        outputs = ops.matmul(views, kernel)
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)

    def sees(self, positions):
        """Which inputs an output is made of.

        Args:
            positions: (W,) of the output.

        Returns:
            (W, K) positions of the input, oldest first; negative ones are
            before its start.
        """
        self._check_causal()
        first = np.asarray(positions)[:, None] - self.past_length
        return first + self.dilation_rate[0] * np.arange(self.kernel_size[0])

    def remember(self, x, past):
        """What is `past` for what follows x.

        Args:
            x: (B, T, D).
            past: (B, `past_length`, D) before x.

        Returns:
            (B, `past_length`, D).
        """
        return ops.concatenate([past, x], axis=1)[:, ops.shape(x)[1] :]

    def _views(self, x, past):
        """K tensors (B, T, D), what each position sees, oldest first."""
        size, rate = self.kernel_size[0], self.dilation_rate[0]
        length = ops.shape(x)[1]
        if past is None:
            missing = self.past_length
            before = missing if self.causal else missing // 2
            padded = ops.pad(x, ((0, 0), (before, missing - before), (0, 0)))
        else:
            self._check_causal()
            padded = ops.concatenate([past, x], axis=1)
        return [padded[:, k * rate : k * rate + length] for k in range(size)]

    def _views_at(self, x, places):
        """The same of some positions, (B, W, D)."""
        before = max(0, -int(places.min()))
        padded = ops.pad(x, ((0, 0), (before, 0), (0, 0)))
        return [take_places(padded, column + before) for column in places.T]

    def _check_causal(self):
        if not self.causal:
            raise ValueError(
                "Expected a causal convolution. Received: the layer "
                f"{self.name} with causal=False"
            )

    def get_config(self):
        return {**super().get_config(), "causal": self.causal}
