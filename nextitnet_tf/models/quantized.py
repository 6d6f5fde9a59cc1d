"""Models of which some layers are stored in few bits, after training."""

import keras


class Quantizable(keras.Model):
    """A model that says, when it is saved, which layers were quantized.

    Keras saves a model written as a class by the arguments that make it anew,
    which say nothing of what its layers went through since.
    """

    def quantize(self, mode=None, config=None, filters=None, **kwargs):
        """Stores layers in 8 or 4 bits a number, as `keras.Model.quantize`.

        The item embedding and the item softmax have a scale a row
        (`layers.few_bits`); Keras warns of layers that stay as they are. The
        model answers as before, but is not trained any more.

        Args:
            mode: "int8" or "int4".
            config: none but the usual one: a saved model could not tell it.
            filters: of names of layers, as for Keras; "^item_" is what has a
                row an item, which is nearly all of most models.
            **kwargs: as for Keras.

        Raises:
            ValueError: another config or mode.
        """
        # Keras makes a config of a mode before it comes here.
        is_usual = config is None or (
            config.get_config() == type(config)().get_config()
        )
        if mode not in ("int8", "int4") or not is_usual:
            raise ValueError(
                'Expected mode="int8" or mode="int4", and no config. '
                f"Received: mode={mode!r}, config={config!r}"
            )
        super().quantize(mode, filters=filters, **kwargs)
        # What answers was compiled with the weights in full, of a model within
        # this one, too.
        for layer in self._flatten_layers():
            for made in ("_top_items", "_encode_of_sessions"):
                layer.__dict__.pop(made, None)

    def make_train_function(self, *args, **kwargs):
        # A part of few bits would stay as it is, without a word.
        if self.is_quantized:
            raise ValueError(
                "A model of few bits is not trained: expected one that is not "
                "quantized. Received: quantized layers"
            )
        return super().make_train_function(*args, **kwargs)

    @property
    def is_quantized(self):
        """Whether any layer is."""
        return bool(self._modes())

    def _modes(self):
        """Modes of the layers that are quantized, by their places."""
        return {
            place: _mode(layer)
            for place, layer in enumerate(self._flatten_layers())
            if _mode(layer)
        }

    def get_config(self):
        config = super().get_config()
        modes = self._modes()
        # Left out, a subclass need not take it.
        return {**config, "quantized": list(modes.items())} if modes else config

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        modes = config.pop("quantized", ())
        model = super().from_config(config, custom_objects)
        layers = list(model._flatten_layers())
        for place, mode in modes:
            # A model within this one has done it for its own layers.
            if not _mode(layers[place]):
                layers[place].quantize(mode)
        return model


def _mode(layer):
    few_bits = getattr(layer, "few_bits", None)
    return few_bits.mode if few_bits else layer.quantization_mode
