"""Tables whose rows are stored in 8 or 4 bits a number."""

import keras
from keras import ops

_RANGES = {"int8": (-127, 127), "int4": (-8, 7)}
# Rows that are made float at a time: a copy of all of them would cost what
# few bits have saved.
_ROWS = 8192


class FewBits:
    """Makes a layer's table of items one of few bits.

    A row has whole numbers and one scale: `row = values / scale`, with the
    row's largest number at the end of what the bits can say. Of 4 bits, two
    numbers share a byte.

    Args:
        layer: gets the weights.
        num_rows: N.
        width: D.
        mode: "int8" or "int4".

    Raises:
        ValueError: another mode.
    """

    def __init__(self, layer, num_rows, width, mode):
        if mode not in _RANGES:
            raise ValueError(
                f"Items are stored in one of {tuple(_RANGES)}. "
                f"Received: mode={mode!r}"
            )
        self.mode = mode
        self.width = width
        self.values = layer.add_weight(
            name="values",
            shape=(num_rows, width if mode == "int8" else (width + 1) // 2),
            initializer="zeros",
            dtype="int8",
            trainable=False,
        )
        self.scale = layer.add_weight(
            name="scale",
            shape=(num_rows, 1),
            initializer="ones",
            dtype="float32",
            trainable=False,
        )

    def store(self, table):
        """Takes over a table of floats, (N, D)."""
        quantizer = keras.quantizers.AbsMaxQuantizer(
            axis=-1, value_range=_RANGES[self.mode]
        )
        values, scale = quantizer(
            ops.convert_to_numpy(ops.convert_to_tensor(table)), to_numpy=True
        )
        if self.mode == "int4":
            values, *_ = keras.quantizers.pack_int4(values, axis=-1)
        self.values.assign(values)
        self.scale.assign(scale)

    def rows(self, item_ids):
        """Rows by their numbers, any shape (...) -> (..., D) float32."""
        values = ops.take(self.values, item_ids, axis=0)
        return self._as_floats(values, ops.take(self.scale, item_ids, axis=0))

    def products(self, hidden):
        """With all rows, (..., D) -> (..., N) float32."""
        num_rows = self.values.shape[0]
        found = []
        for start in range(0, num_rows, _ROWS):
            part = slice(start, min(start + _ROWS, num_rows))
            rows = self._as_floats(self.values[part], self.scale[part])
            rows = ops.cast(rows, hidden.dtype)
            found.append(ops.matmul(hidden, ops.transpose(rows)))
        return ops.cast(ops.concatenate(found, axis=-1), "float32")

    def _as_floats(self, values, scale):
        if self.mode == "int4":
            values = keras.quantizers.unpack_int4(values, self.width, axis=-1)
        return ops.cast(values, "float32") / scale
