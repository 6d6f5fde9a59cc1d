"""Storing a recommender small: what is factorised, and what is shared."""

import dataclasses
import operator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from nextitnet_tf import sharing as of_sharing

_BYTES_A_WEIGHT = 4  # float32
# In the place of a compression: what a model makes of its number of items.
AUTO = "auto"


@dataclasses.dataclass(frozen=True)
class Compression:
    """How a model's items and blocks are stored with fewer weights.

    Items are numbered by falling frequency and divided into clusters; the
    rarer a cluster's items, the lower the rank of its part of the item
    embedding (Eq. 1) and of the item softmax (Eq. 2 to 4).

    Attributes:
        clusters: boundaries, rising: cluster j has the ids from the boundary
            before it (or 0) up to its own, which is not in it. The last is N,
            the number of columns. Empty where nothing is factorised.
        embedding_ranks: a rank for each cluster of the item embedding; that
            of the width itself is a table without projection. None for the
            usual table (the paper's Bo-).
        softmax_ranks: the same of the softmax. None for the usual softmax
            (the paper's Bi-).
        sharing: whose kernels a block uses (`sharing.kernel_owners`).

    Raises:
        ValueError: boundaries that do not rise, ranks that do not belong to
            clusters, an unknown scheme.

    Reference:
        Sun et al., A Generic Network Compression Framework for Sequential
        Recommender Systems (CpRec), SIGIR 2020.
    """

    clusters: tuple[int, ...] = ()
    embedding_ranks: tuple[int, ...] | None = None
    softmax_ranks: tuple[int, ...] | None = None
    sharing: str = "none"

    def __post_init__(self):
        for name in ("clusters", "embedding_ranks", "softmax_ranks"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _whole_numbers(name, value))
        starts = (0, *self.clusters[:-1])
        if any(a >= b for a, b in zip(starts, self.clusters, strict=False)):
            raise ValueError(
                "Boundaries of clusters must rise from above 0. "
                f"Received: clusters={list(self.clusters)}"
            )
        for name in ("embedding_ranks", "softmax_ranks"):
            ranks = getattr(self, name)
            if ranks is None:
                continue
            if len(ranks) != len(self.clusters) or not ranks:
                raise ValueError(
                    f"`{name}` must have a rank for each of the "
                    f"{len(self.clusters)} clusters. "
                    f"Received: {name}={list(ranks)}"
                )
            if min(ranks) < 1:
                raise ValueError(
                    f"Ranks must be at least 1. Received: {name}={list(ranks)}"
                )
        if self.clusters and not (self.embedding_ranks or self.softmax_ranks):
            raise ValueError(
                "Clusters are of an embedding or a softmax with ranks. "
                f"Received: clusters={list(self.clusters)} without ranks"
            )
        of_sharing.check_scheme(self.sharing)

    @classmethod
    def of_popularity(
        cls,
        num_columns: int,
        embedding_dim: int,
        num_clusters: int = 3,
        head_share: float = 0.2,
        factor: int = 4,
        sharing: str = "none",
        softmax_dim: int | None = None,
    ) -> "Compression":
        """Clusters by a rule, ranks that fall geometrically.

        >>> Compression.of_popularity(num_columns=1000, embedding_dim=64)
        ... # doctest: +NORMALIZE_WHITESPACE
        Compression(clusters=(200, 360, 1000), embedding_ranks=(64, 16, 4),
                    softmax_ranks=(64, 16, 4), sharing='none')

        Args:
            num_columns: N.
            embedding_dim: D.
            num_clusters: at most as many as there are columns.
            head_share: of the columns, for the first cluster; of the rest, for
                the second; and so on. The paper has 20 %.
            factor: between the rank of a cluster and of the next, 4 in the
                release; no rank is below 1.
            sharing: as for the class.
            softmax_dim: width of what the softmax gets, where that is not D.

        Raises:
            ValueError: a share, a factor or a number of clusters that makes
                none.
        """
        if not 1 <= num_clusters <= num_columns:
            raise ValueError(
                f"`num_clusters` must be between 1 and {num_columns}, the "
                f"number of columns. Received: num_clusters={num_clusters}"
            )
        if not 0 < head_share < 1 or factor < 1:
            raise ValueError(
                "`head_share` must be between 0 and 1, `factor` at least 1. "
                f"Received: head_share={head_share}, factor={factor}"
            )
        clusters: list[int] = []
        for more in range(num_clusters - 1, 0, -1):
            start = clusters[-1] if clusters else 0
            size = round(head_share * (num_columns - start))
            # Each cluster that is still to come needs an item, too.
            clusters.append(
                start + max(1, min(size, num_columns - start - more))
            )
        embedding_ranks, softmax_ranks = (
            tuple(max(1, width // factor**j) for j in range(num_clusters))
            for width in (embedding_dim, softmax_dim or embedding_dim)
        )
        return cls(
            (*clusters, num_columns), embedding_ranks, softmax_ranks, sharing
        )

    @classmethod
    def of_bytes(
        cls,
        num_bytes: int,
        num_columns: int,
        embedding_dim: int,
        num_clusters: int = 3,
        factor: int = 4,
        sharing: str = "none",
    ) -> "Compression":
        """The largest clusters of high rank that a budget allows.

        Args:
            num_bytes: for embedding and softmax together, in float32.
            num_columns: N.
            embedding_dim: D.
            num_clusters: as for `of_popularity`, like what follows.
            factor: between ranks.
            sharing: of kernels, which the budget does not count.

        Raises:
            ValueError: a budget that is too small.
        """

        def made(head_share: float) -> "Compression":
            return cls.of_popularity(
                *(num_columns, embedding_dim, num_clusters, head_share),
                *(factor, sharing),
            )

        def is_within(found: "Compression") -> bool:
            weights = sum(found.num_weights(embedding_dim))
            return _BYTES_A_WEIGHT * weights <= num_bytes

        low, high = 1e-9, 1 - 1e-9
        if not is_within(made(low)):
            least = _BYTES_A_WEIGHT * sum(made(low).num_weights(embedding_dim))
            raise ValueError(
                f"{num_clusters} clusters of {num_columns:,} columns take "
                f"{least:,} bytes at least. Received: num_bytes={num_bytes:,}"
            )
        for _ in range(60):  # bisection
            middle = (low + high) / 2
            low, high = (
                (middle, high) if is_within(made(middle)) else (low, middle)
            )
        return made(low)

    @classmethod
    def of(cls, given: "Compression | Mapping[str, Any] | str | None"):
        """A compression, or its `to_config`; None and "auto" stay.

        Raises:
            ValueError: anything else.
        """
        if isinstance(given, Mapping):
            names = {field.name for field in dataclasses.fields(cls)}
            if not set(given) <= names:
                raise ValueError(
                    f"A compression has {', '.join(sorted(names))}. "
                    f"Received: compression={dict(given)}"
                )
            return cls(**given)
        if given is None or given == AUTO or isinstance(given, cls):
            return given
        raise ValueError(
            'Expected a Compression, its config, "auto" or None. '
            f"Received: compression={given!r}"
        )

    def to_config(self) -> dict[str, Any]:
        """What `of` makes it of again, fit for JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    def check(self, num_columns: int, **widths: int) -> None:
        """Raises ValueError if it does not fit a model.

        Args:
            num_columns: N of the model.
            **widths: what `embedding_ranks` and `softmax_ranks` may be at
                most.
        """
        if self.clusters and self.clusters[-1] != num_columns:
            raise ValueError(
                f"The last boundary must be {num_columns}, the number of items "
                f"and of padding. Received: clusters={list(self.clusters)}"
            )
        for name, width in widths.items():
            ranks = getattr(self, name)
            if ranks and max(ranks) > width:
                raise ValueError(
                    f"No rank may be above the width, {width}. "
                    f"Received: {name}={list(ranks)}"
                )

    def scaled_to(self, num_columns: int) -> "Compression":
        """The same clusters of more items, each with its share of them.

        >>> Compression((2, 5, 10), (8, 4, 2)).scaled_to(15).clusters
        (3, 8, 15)

        Args:
            num_columns: N of the other model.

        Raises:
            ValueError: fewer columns than clusters.
        """
        if not self.clusters:
            return self
        count = len(self.clusters)
        if num_columns < count:
            raise ValueError(
                f"Expected a column for each of the {count} clusters. "
                f"Received: num_columns={num_columns}"
            )
        clusters: list[int] = []
        for j, boundary in enumerate(self.clusters):
            # Each cluster has a column, and so has each that is to come.
            least = (clusters[-1] if clusters else 0) + 1
            most = num_columns - (count - 1 - j)
            scaled = round(boundary * num_columns / self.clusters[-1])
            clusters.append(min(max(scaled, least), most))
        return dataclasses.replace(self, clusters=tuple(clusters))

    def num_weights(self, embedding_dim: int) -> tuple[int, int]:
        """Weights of the embedding and of the softmax, where factorised.

        Args:
            embedding_dim: D, of an item and of a hidden state alike.

        Returns:
            Both numbers, each 0 where the usual layer is.
        """
        sizes = cluster_sizes(self.clusters)
        return (
            _num_weights(sizes, self.embedding_ranks, embedding_dim),
            # The root has a column for each other cluster, too.
            _num_weights(
                [sizes[0] + len(sizes) - 1, *sizes[1:]] if sizes else [],
                self.softmax_ranks,
                embedding_dim,
            ),
        )


def cluster_sizes(clusters: Sequence[int]) -> list[int]:
    """How many ids each cluster has.

    >>> cluster_sizes([20, 45, 60])
    [20, 25, 15]
    """
    starts = (0, *clusters[:-1])
    return [end - start for start, end in zip(starts, clusters, strict=False)]


def _whole_numbers(name: str, values: Any) -> tuple[int, ...]:
    try:
        found = tuple(operator.index(value) for value in values)
    except TypeError:
        raise ValueError(
            f"`{name}` must be a list of whole numbers. "
            f"Received: {name}={values!r}"
        ) from None
    return found


def _num_weights(sizes, ranks, width) -> int:
    if ranks is None:
        return 0
    return sum(
        size * rank + (rank * width if rank < width else 0)
        for size, rank in zip(sizes, ranks, strict=True)
    )
