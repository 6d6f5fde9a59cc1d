"""What training costs on paper: arithmetic, memory, communication, time.

A model of costs for a NextItNet that data-parallel replicas train with Adam, to
answer what fits, what breaks first and what to switch on before a machine is
rented. `make benchmark ARGS=--cases=scaling` holds it against measured steps;
docs/scaling.md has both.

Shapes are those of the package: B `batch_size`, T `t` - 1 positions that are
predicted, D `embedding_dim`, N `num_items` + 1, L `num_blocks`, K 3 taps.
"""

import dataclasses
from collections.abc import Sequence

_KERNEL_SIZE = 3
_NUMBER = 4  # bytes of a float32
# Adam reads a weight, its gradient and two moments, and writes all but the
# gradient, after the gradient was written.
_PASSES_OF_ADAM = 8
# Numbers that a block keeps of each position for its gradient, in multiples of
# D: two of each of convolution, norm and activation, and the sum.
_KEPT_OF_BLOCK = 7
# How often each of them is written or read, forward and backward.
_PASSES_OF_KEPT = 4
# Logits are written, read and overwritten a few times, a chunk at a time, of as
# many rows as `losses` takes.
_PASSES_OF_LOGITS = 5
_COPIES_OF_LOGITS = 3
_LOGITS_IN_CACHE, _ROWS_WORTH_IT = 1 << 21, 128
_LOGITS_IN_MEMORY = 1 << 24


@dataclasses.dataclass(frozen=True)
class Training:
    """A training step, and who shares it.

    Attributes:
        num_items: without padding.
        embedding_dim: D.
        num_blocks: L.
        batch_size: B, over all replicas.
        t: items of a session.
        num_sampled: negatives of a sampled softmax; None is the full one.
        clusters: boundaries of CpRec's decomposition, as `Compression` has
            them, the last one N; none is a full matrix.
        ranks: of each cluster.
        num_replicas: devices that hold a copy each and share the batch.
    """

    num_items: int
    embedding_dim: int = 64
    num_blocks: int = 8
    batch_size: int = 256
    t: int = 20
    num_sampled: int | None = None
    clusters: Sequence[int] = ()
    ranks: Sequence[int] = ()
    num_replicas: int = 1

    def __post_init__(self):
        if self.batch_size % self.num_replicas:
            raise ValueError(
                "Expected a batch that splits evenly. Received: "
                f"batch_size={self.batch_size}, "
                f"num_replicas={self.num_replicas}"
            )
        if len(self.clusters) != len(self.ranks) or (
            self.clusters and self.clusters[-1] != self.num_items + 1
        ):
            raise ValueError(
                "Expected a rank for each cluster, of which the last one ends "
                f"with N={self.num_items + 1}. Received: "
                f"clusters={list(self.clusters)}, ranks={list(self.ranks)}"
            )
        if self.clusters and self.num_sampled is not None:
            raise ValueError(
                "A tree softmax is not sampled. Received: "
                f"num_sampled={self.num_sampled}"
            )

    @property
    def positions(self) -> int:
        """Predictions of a step on one replica."""
        return self.batch_size // self.num_replicas * (self.t - 1)

    @property
    def columns(self) -> int:
        """Columns of the softmax that a position computes; of a tree at most.

        A tree's first cluster, with the others' parents, is computed by all
        positions, any other by those whose target lies in it.
        """
        if self.num_sampled is not None:
            return self.num_sampled + 1
        if self.clusters:
            first = self.clusters[0] + len(self.clusters) - 1
            return max(first, *map(self._size, range(len(self.clusters))))
        return self.num_items + 1

    def _size(self, cluster: int) -> int:
        """Items of a cluster."""
        before = self.clusters[cluster - 1] if cluster else 0
        return self.clusters[cluster] - before

    @property
    def embedding_weights(self) -> int:
        """Weights of the item embedding."""
        width = self.embedding_dim
        if not self.clusters:
            return (self.num_items + 1) * width
        return sum(
            self._size(i) * rank + self._projection(rank)
            for i, rank in enumerate(self.ranks)
        )

    @property
    def softmax_weights(self) -> int:
        """Weights of the item softmax, of the same clusters and ranks."""
        if not self.clusters:
            return self.embedding_weights + self.num_items + 1  # a bias each
        parents = len(self.clusters) - 1
        return self.embedding_weights + parents * self.ranks[0]

    def _projection(self, rank: int) -> int:
        """Weights that bring a rank to the width, or the width to a rank."""
        return rank * self.embedding_dim if rank < self.embedding_dim else 0

    @property
    def block_weights(self) -> int:
        """Weights of all blocks: convolutions, norms and alphas."""
        width = self.embedding_dim
        convolution = _KERNEL_SIZE * width * width + width
        return self.num_blocks * (2 * (convolution + 2 * width) + 1)

    @property
    def num_weights(self) -> int:
        """All of them."""
        items = self.embedding_weights + self.softmax_weights
        return items + self.block_weights

    @property
    def flop(self) -> float:
        """Arithmetic of the matrix products of a step on one replica.

        A product of (m, k) and (k, n) is 2 m k n operations, its two
        gradients are as many each.
        """
        width = self.embedding_dim
        blocks = self.num_blocks * 2 * _KERNEL_SIZE * width * width
        softmax = sum(
            share * (columns * rank + self._projection(rank))
            for share, columns, rank in self._softmax()
        )
        return 3 * 2 * self.positions * (blocks + softmax)

    def _softmax(self) -> list[tuple[float, int, int]]:
        """What is computed: share of the positions, columns, their rank.

        Targets are taken to lie in all clusters alike, which is more than
        rare items have: the cost is an upper bound there.
        """
        if not self.clusters:
            return [(1.0, self.columns, self.embedding_dim)]
        count = len(self.clusters)
        parts = [(1.0, self.clusters[0] + count - 1, self.ranks[0])]
        for i in range(1, count):
            parts.append((1 / count, self._size(i), self.ranks[i]))
        return parts

    @property
    def state_bytes(self) -> int:
        """Weights, gradients and Adam's two moments, on every replica."""
        return 4 * _NUMBER * self.num_weights

    @property
    def activation_bytes(self) -> int:
        """What blocks keep for the gradient, on one replica."""
        kept = _KEPT_OF_BLOCK * self.num_blocks + 2
        return _NUMBER * kept * self.positions * self.embedding_dim

    @property
    def logit_bytes(self) -> int:
        """Logits that are there at one time: a chunk of them, not all."""
        columns = self.columns
        rows = max(_LOGITS_IN_CACHE // columns, _ROWS_WORTH_IT)
        rows = max(min(rows, _LOGITS_IN_MEMORY // columns, self.positions), 1)
        return _COPIES_OF_LOGITS * _NUMBER * rows * columns

    @property
    def memory_bytes(self) -> float:
        """All of it, on one replica."""
        return self.state_bytes + self.activation_bytes + self.logit_bytes

    @property
    def moved_bytes(self) -> float:
        """What a step reads from and writes to memory, on one replica."""
        logits = sum(share * columns for share, columns, _ in self._softmax())
        return (
            _PASSES_OF_ADAM * _NUMBER * self.num_weights
            + _PASSES_OF_KEPT * self.activation_bytes
            + _PASSES_OF_LOGITS * _NUMBER * self.positions * logits
        )

    @property
    def sent_bytes(self) -> float:
        """What each replica sends a step: gradients, all-reduced in a ring.

        The gradient of the item embedding goes as rows, those of a sampled
        softmax, too, with an id each; all others are dense.
        """
        width, others = self.embedding_dim, self.num_replicas - 1
        rows = self.positions
        dense = self.num_weights - self.embedding_weights
        if self.num_sampled is not None:
            dense = self.block_weights
            rows += self.positions + self.num_sampled
        in_rows = rows * (width + 2) * _NUMBER * others
        if self.clusters:
            dense, in_rows = self.num_weights, 0
        return 2 * others / self.num_replicas * dense * _NUMBER + in_rows


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a replica can do; `fitted` finds it of measured steps.

    Attributes:
        flop_per_second: of matrix products.
        bytes_per_second: of memory.
        seconds_a_step: whatever the step.
        seconds_a_block: of its calls, whatever its size.
        sent_per_second: bytes between replicas.
        memory_bytes: of a device.
    """

    flop_per_second: float
    bytes_per_second: float
    seconds_a_step: float = 0.0
    seconds_a_block: float = 0.0
    sent_per_second: float = float("inf")
    memory_bytes: float = float("inf")

    def seconds(self, training: Training) -> float:
        """Of a step, nothing of which happens at the same time."""
        return (
            training.flop / self.flop_per_second
            + training.moved_bytes / self.bytes_per_second
            + self.seconds_a_step
            + self.seconds_a_block * training.num_blocks
            + training.sent_bytes / self.sent_per_second
        )

    def fits(self, training: Training) -> bool:
        """Whether a replica has the memory."""
        return training.memory_bytes <= self.memory_bytes
