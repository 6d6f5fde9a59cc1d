"""The rows of a layer that belong to items, and how they move."""

import functools

import numpy as np
from keras import ops


class ItemRows:
    """Tables of a layer with a row an item, cluster by cluster.

    The vector of an item is its row, or, where a cluster has a projection,
    `row @ projection`, which is as wide in every cluster. An item that stays
    in its cluster takes its row along as it is. One that comes into another
    gets the row whose vector is nearest to its old one (least squares), which
    is the very vector where the new cluster has the full rank. Of a tree
    softmax an item so keeps its place among the items of a cluster; how
    probable the clusters are stays as it was.

    Args:
        tables: variables, one a cluster, rows first.
        sizes: items of each cluster; by default all rows of the only table.
            Rows beyond belong to no item, and keep their order.
        projections: (r, D) variables, None where a row is the vector.
        is_turned: whether projections are (D, r).
    """

    def __init__(self, tables, sizes=None, projections=None, is_turned=False):
        self.tables = list(tables)
        self.sizes = list(sizes or [table.shape[0] for table in self.tables])
        self.projections = list(projections or [None] * len(self.tables))
        self.is_turned = is_turned
        self.starts = [sum(self.sizes[:j]) for j in range(len(self.sizes))]

    def fill(self, old, sources, mixtures):
        """Sets each row to what becomes of it.

        Args:
            old: `ItemRows` of a layer of as many clusters. Projections are
                already the same.
            sources: of each id the old id that it was, or None.
            mixtures: of each id the (old ids, weights) that it is a mean of,
                or None, where the row stays as it is.
        """
        moved = old.moved(old.tables, self, sources)
        mixed = _Mixer(old)
        for j, (table, (rows, stays)) in enumerate(
            zip(self.tables, moved, strict=True)
        ):
            values = np.where(_like(stays, rows), rows, _array(table))
            for i in range(self.sizes[j]):
                new_id = self.starts[j] + i
                mixture = mixtures[new_id]
                if not stays[i] and sources[new_id] is not None:
                    mixture = ([sources[new_id]], [1.0])
                if stays[i] or mixture is None:
                    continue
                values[i] = _nearest(mixed.vector(mixture), self.projection(j))
            table.assign(values)

    def moved(self, variables, new, sources):
        """What items bring along that stay in their cluster.

        Args:
            variables: of the shapes of the tables here, one a cluster: the
                tables themselves, or what an optimizer keeps of them.
            new: `ItemRows` they go to.
            sources: as for `fill`.

        Returns:
            One pair a cluster of `new`: its rows, zeros where nothing comes
            along, and whether something does.
        """
        ids = np.array([-1 if i is None else i for i in sources])
        found = []
        for j, array in enumerate(map(_array, variables)):
            size = new.sizes[j]
            places = ids[new.starts[j] : new.starts[j] + size] - self.starts[j]
            stays = (places >= 0) & (places < self.sizes[j])
            extra = array[self.sizes[j] :]
            rows = np.zeros((size, *array.shape[1:]), array.dtype)
            rows[stays] = array[places[stays]]
            found.append(
                (
                    np.concatenate([rows, extra]),
                    np.concatenate([stays, np.ones(len(extra), bool)]),
                )
            )
        return found

    def vectors(self, ids):
        """(n, D) vectors of items, float64; (n,) where a row is a number."""
        ids = np.asarray(ids)
        found = None
        for j, table in enumerate(self._values):
            places = ids - self.starts[j]
            is_here = (places >= 0) & (places < self.sizes[j])
            rows = table[places[is_here]].astype("float64")
            projection = self.projection(j)
            if projection is not None:
                rows = rows @ projection
            if found is None:
                found = np.zeros((len(ids), *rows.shape[1:]))
            found[is_here] = rows
        return found

    @functools.cached_property
    def _values(self):
        """The tables as they are when vectors are first asked for."""
        return [_array(table) for table in self.tables]

    def projection(self, j):
        """(r, D) of a cluster in float64, or None."""
        if self.projections[j] is None:
            return None
        projection = _array(self.projections[j]).astype("float64")
        return projection.T if self.is_turned else projection


class _Mixer:
    """Means of vectors, each computed once."""

    def __init__(self, old):
        self._old = old
        self._known = {}

    def vector(self, mixture):
        ids, weights = mixture
        if len(ids) == 1:
            return self._old.vectors(ids)[0]
        key = id(mixture)  # what many rows share is one and the same
        if key not in self._known:
            shares = np.asarray(weights, float) / np.sum(weights)
            self._known[key] = np.tensordot(
                shares, self._old.vectors(ids), axes=1
            )
        return self._known[key]


def _nearest(vector, projection):
    """The row whose vector is nearest to a given one."""
    if projection is None:
        return vector
    return np.linalg.lstsq(projection.T, vector, rcond=None)[0]


def _like(mask, rows):
    """A mask of rows, to be used beside them."""
    return mask.reshape(-1, *[1] * (rows.ndim - 1))


def _array(variable):
    return ops.convert_to_numpy(variable)
