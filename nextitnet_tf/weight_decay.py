"""The optimizer whose decay leaves shifts and scales alone."""

import keras


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class DecayOfKernels(keras.optimizers.AdamW):
    """AdamW that does not decay what shifts or scales a channel or branch.

    Keras keeps `exclude_from_weight_decay` in the object, not in its
    configuration: a copy, or one out of a file, would decay everything.

    Args:
        *args: as for `keras.optimizers.AdamW`.
        **kwargs: likewise.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.exclude_from_weight_decay(
            var_names=["alpha", "beta", "bias", "gamma"]
        )
