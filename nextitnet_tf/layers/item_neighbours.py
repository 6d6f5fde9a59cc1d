"""Which items go with which, as lists of the strongest."""

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="nextitnet_tf")
class ItemNeighbours(keras.layers.Layer):
    """Adds up the neighbours of the items of a history.

    Each item has a list of K neighbours with weights; an item that has fewer
    fills it up with weights of 0. The score of a column is the sum, over the
    places of the history, of its weight in the list of the item there times
    the weight of the place. The lists are counted (`set_neighbours`), not
    trained: N x K numbers, whatever the number of pairs there are.

    Args:
        num_items: number of items without padding; N is one more.
        num_neighbours: K, at most.

    Call arguments:
        item_ids: (B, T) int.
        place_weights: (T,) float, of the places of the history.

    Returns:
        (B, N) float32 scores.

    Raises:
        ValueError: no neighbours.
    """

    def __init__(self, num_items, num_neighbours=500, **kwargs):
        super().__init__(**kwargs)
        if num_neighbours < 1:
            raise ValueError(
                "`num_neighbours` must be at least 1. "
                f"Received: num_neighbours={num_neighbours}"
            )
        self.num_items = num_items
        self.num_neighbours = num_neighbours

    def build(self, input_shape=None):
        shape = (
            self.num_items + 1,
            min(self.num_neighbours, self.num_items + 1),
        )
        self.neighbours, self.weights_of = (
            self.add_weight(
                name=name,
                shape=shape,
                initializer="zeros",
                dtype=dtype,
                trainable=False,
            )
            for name, dtype in (("ids", "int32"), ("weights", "float32"))
        )

    def call(self, item_ids, place_weights):
        item_ids = ops.cast(item_ids, "int32")
        num_rows, num_columns = ops.shape(item_ids)[0], self.num_items + 1
        columns = ops.take(self.neighbours, item_ids, axis=0)  # (B, T, K)
        weights = ops.take(self.weights_of, item_ids, axis=0)
        weights = weights * ops.reshape(place_weights, (1, -1, 1))
        # One long row of scores, so that one sum does all rows at once.
        first = ops.arange(num_rows, dtype="int32") * num_columns
        places = columns + ops.reshape(first, (-1, 1, 1))
        scores = ops.segment_sum(
            ops.reshape(weights, (-1,)),
            ops.reshape(places, (-1,)),
            num_segments=num_rows * num_columns,
        )
        return ops.reshape(scores, (-1, num_columns))

    def compute_output_shape(self, item_ids_shape, place_weights_shape=None):
        return (item_ids_shape[0], self.num_items + 1)

    def set_neighbours(self, items, neighbours, weights):
        """Keeps the strongest neighbours of each item.

        Args:
            items: (P,) int NumPy array, whose neighbour it is.
            neighbours: (P,) int, the neighbour; each pair occurs once.
            weights: (P,) float, above 0.
        """
        # By item, the strongest first, ties by the lower id.
        order = np.lexsort((neighbours, -weights, items))
        items, neighbours, weights = (
            array[order] for array in (items, neighbours, weights)
        )
        begins = np.searchsorted(items, np.arange(self.num_items + 2))
        place = np.arange(len(items)) - begins[items]
        table = np.zeros(self.neighbours.shape, "int32")
        values = np.zeros(self.neighbours.shape, "float32")
        is_kept = place < table.shape[1]
        kept = items[is_kept], place[is_kept]
        table[kept], values[kept] = neighbours[is_kept], weights[is_kept]
        self.neighbours.assign(table)
        self.weights_of.assign(values)

    def get_config(self):
        return {
            **super().get_config(),
            "num_items": self.num_items,
            "num_neighbours": self.num_neighbours,
        }


def decaying_weights(item_ids, decay, least=0):
    """The weight of each place of a history, the latest counting most.

    Args:
        item_ids: (B, T), of any length.
        decay: weight of a place against the one after it.
        least: exponent of the latest place.

    Returns:
        (T,) float32, `decay**g` with g from `least` at the latest place on.
    """
    length = ops.shape(item_ids)[1]
    gaps = length - 1 - ops.arange(length, dtype="int32") + least
    return ops.power(decay, ops.cast(gaps, "float32"))


def sum_pairs(first, second, weights, num_columns):
    """Each pair of items once, with the sum of its weights.

    Args:
        first: (P,) int NumPy array.
        second: (P,) int.
        weights: (P,) float.
        num_columns: N, above all of them.

    Returns:
        The three arrays, by pair.
    """
    keys = first.astype("int64") * num_columns + second
    keys, place = np.unique(keys, return_inverse=True)
    sums = np.bincount(place, weights, minlength=len(keys))
    return keys // num_columns, keys % num_columns, sums


def count_together(rows, padding_id, num_columns):
    """How many sessions have two items, of each pair that some session has.

    Args:
        rows: (num_rows, t) NumPy array of sessions.
        padding_id: what is no item.
        num_columns: N, above all ids.

    Returns:
        Three arrays (P,): the lower id of a pair, the higher, and the number
        of sessions; and (N,) the number of sessions that have each item. An
        item that occurs again in a session counts once.
    """
    # Sorted, an item that occurs again stands beside itself.
    rows = np.sort(rows, axis=1)
    is_new = rows != padding_id
    is_new[:, 1:] &= rows[:, 1:] != rows[:, :-1]
    num_sessions = np.bincount(rows[is_new], minlength=num_columns)
    counted = [(np.zeros(0, "int64"),) * 2 + (np.zeros(0),)]
    for gap in range(1, rows.shape[1]):
        both = is_new[:, :-gap] & is_new[:, gap:]
        first, second = rows[:, :-gap][both], rows[:, gap:][both]
        counted.append(
            sum_pairs(first, second, np.ones(len(first)), num_columns)
        )
    first, second, counts = sum_pairs(
        *(np.concatenate(part) for part in zip(*counted, strict=True)),
        num_columns,
    )
    return first, second, counts, num_sessions
