"""The residual block of NextItNet."""

import keras
from keras import ops

from nextitnet_tf.layers.channel_norm import ChannelNorm
from nextitnet_tf.layers.dilated_conv import DilatedConv
from nextitnet_tf.layers.receptive_field import Field
from nextitnet_tf.layers.receptive_field import take_places
from nextitnet_tf.layers.rezero import ReZero

# The release adds it to the variance, inside the root.
NORM_EPSILON = 1e-8


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class DilatedResidualBlock(keras.layers.Layer):
    """Two dilated convolutions around which the input is added back.

    The branch is convolution (dilation q), layer norm, ReLU, convolution
    (dilation 2q), layer norm, ReLU; the block returns `x + alpha * branch`,
    or `x + branch` without alpha. If causal, position k of the output depends
    on positions <= k of the input only.

    Args:
        embedding_dim: D, channels in and out.
        kernel_size: positions a convolution looks at.
        dilation_rate: q, in positions.
        use_alpha: whether the branch is scaled by a learned alpha (Eq. 3)
            or added as it is (Eq. 2).
        kernel_seed: None draws every kernel independently; an integer
            starts every kernel built with it at the same values, as the
            release does.
        causal: whether a position sees those before it only.

    Call arguments:
        x: (B, T, D) hidden states; with `field`, (B, P, D) of the positions
            `field.inputs`.
        field: the `Field` of W positions that alone are computed, by default
            all are.
        past: what the two convolutions have seen before x, (B, n, D) for each
            of `past_lengths`; by default zeros.

    Returns:
        (B, T, D) hidden states, or (B, W, D) of a field. With `past`, also
        what is past for the positions that follow.

    Reference:
        StackRec, Eq. 2 and 3, and Figure 3.
    """

    def __init__(
        self,
        embedding_dim,
        kernel_size=3,
        dilation_rate=1,
        use_alpha=True,
        kernel_seed=None,
        causal=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.embedding_dim = embedding_dim
        self.kernel_size = kernel_size
        self.dilation_rate = dilation_rate
        self.use_alpha = use_alpha
        self.kernel_seed = kernel_seed
        self.causal = causal
        self.conv1 = self._make_conv(dilation_rate, "conv1")
        self.norm1 = ChannelNorm(
            epsilon=NORM_EPSILON, dtype=self.dtype_policy, name="norm1"
        )
        self.conv2 = self._make_conv(2 * dilation_rate, "conv2")
        self.norm2 = ChannelNorm(
            epsilon=NORM_EPSILON, dtype=self.dtype_policy, name="norm2"
        )
        self.rezero = (
            ReZero(dtype=self.dtype_policy, name="rezero")
            if use_alpha
            else None
        )

    def build(self, input_shape):
        for layer in (self.conv1, self.norm1, self.conv2, self.norm2):
            layer.build(input_shape)
        if self.rezero:
            self.rezero.build(input_shape)

    def call(self, x, field=None, past=None):
        taps = (None, None) if field is None else field.taps
        pasts = (None, None) if past is None else past
        inner = self.conv1(x, past=pasts[0], taps=taps[0])
        inner = ops.relu(self.norm1(inner))
        branch = self.conv2(inner, past=pasts[1], taps=taps[1])
        branch = ops.relu(self.norm2(branch))
        own = x if field is None else take_places(x, field.own)
        hidden = self.rezero(own, branch) if self.rezero else own + branch
        if past is None:
            return hidden
        return hidden, (
            self.conv1.remember(x, pasts[0]),
            self.conv2.remember(inner, pasts[1]),
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def field(self, wanted):
        """What of the input it takes to compute some positions.

        Args:
            wanted: (W,) positions of the output, ascending.

        Returns:
            A `Field`.
        """
        return Field.of((self.conv1, self.conv2), wanted)

    @property
    def past_lengths(self):
        """Positions before its own that each convolution sees."""
        return self.conv1.past_length, self.conv2.past_length

    def parts(self):
        """The block's layers by what they are to `Stacker`.

        Returns:
            {"blocks": layers with the weights proper, "norm": layer norms,
            "alpha": the residual scale, if any}.
        """
        return {
            "blocks": [self.conv1, self.conv2],
            "norm": [self.norm1, self.norm2],
            "alpha": [self.rezero] if self.rezero else [],
        }

    def kernel_parts(self):
        """The layers with kernels, convolution by convolution."""
        return [self.conv1], [self.conv2]

    def get_config(self):
        return {
            **super().get_config(),
            "embedding_dim": self.embedding_dim,
            "kernel_size": self.kernel_size,
            "dilation_rate": self.dilation_rate,
            "use_alpha": self.use_alpha,
            "kernel_seed": self.kernel_seed,
            "causal": self.causal,
        }

    def _make_conv(self, dilation_rate, name):
        return DilatedConv(
            self.embedding_dim,
            self.kernel_size,
            dilation_rate=dilation_rate,
            causal=self.causal,
            # A fresh initializer each time: with a seed all start equal.
            kernel_initializer=keras.initializers.TruncatedNormal(
                stddev=0.02, seed=self.kernel_seed
            ),
            dtype=self.dtype_policy,
            name=name,
        )
