"""The law of the synthetic sessions: which item follows which."""

import dataclasses
import math
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import numpy as np

from nextitnet_tf.preparation.errors import DataError

_ROWS_AT_ONCE = 2048


@dataclasses.dataclass(frozen=True)
class Law:
    """The probability of every item after any history.

    Each item belongs to a group. With g(l) the group of the item l places
    back from the one to be drawn, states are nested look-ups in fixed tables:

        s_1 = tables[0][g(lags[0]), g(lags[1])]
        s_k = tables[k - 1][s_(k-1), g(lags[k])]

    With probability weights[k - 1] the next item is of group s_k, and with
    the rest of the probability, the noise, of any group, all being equally
    likely. Within a group, an item's probability is its `share`. Where lag
    k reaches before the start of the session, s_k, like all states after it,
    is not defined and its weight is noise, too: the first items of a session
    follow the shares alone.

    So shallow states are worth something by themselves, and each further one
    needs the one before it: a model gains with every table it can compose.

    Args:
        groups: `(num_items + 1,)` group of each item; [0] is padding, -1.
        shares: `(num_items + 1,)` probability within the group; [0] is 0.
        tables: `(num_states, num_groups, num_groups)` of groups.
        lags: `num_states + 1` increasing distances, 1 being the last item.
        weights: `num_states` probabilities.
    """

    groups: np.ndarray
    shares: np.ndarray
    tables: np.ndarray
    lags: tuple[int, ...]
    weights: tuple[float, ...]

    @property
    def num_items(self) -> int:
        """Items without padding."""
        return len(self.groups) - 1

    @property
    def num_groups(self) -> int:
        """Groups of items."""
        return self.tables.shape[1]

    def next_group_probabilities(self, history: np.ndarray) -> np.ndarray:
        """`(B, num_groups)` probability of the group that follows."""
        states = self._states(history)
        probabilities = np.zeros((len(history), self.num_groups))
        noise = np.full(len(history), max(0.0, 1.0 - sum(self.weights)))
        batch = np.arange(len(history))
        for state, weight in zip(states, self.weights, strict=True):
            known = state >= 0
            probabilities[batch[known], state[known]] += weight
            noise[~known] += weight
        return probabilities + noise[:, None] / self.num_groups

    def next_item_probabilities(self, history: np.ndarray) -> np.ndarray:
        """The law itself.

        Args:
            history: `(B, T)` item ids, latest last, padded with 0 on the
                left; T may be 0.

        Returns:
            `(B, num_items + 1)` float64 whose rows sum to 1; column 0 is 0.
        """
        groups = self.next_group_probabilities(history)
        return groups[:, self.groups] * self.shares

    def sample(
        self, history: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """Draws the item that follows each of `(B, T)` histories."""
        states = self._states(history)
        which = generator.random(len(history))
        group = generator.integers(0, self.num_groups, len(history))
        bounds = np.cumsum((0.0, *self.weights))
        for k, state in enumerate(states):
            chosen = (bounds[k] <= which) & (which < bounds[k + 1])
            group = np.where(chosen & (state >= 0), state, group)
        # Items in order of group, and the sum of shares up to each of them.
        items = np.argsort(self.groups, kind="stable")[1:]
        ends = np.cumsum(self.shares[items])
        # Group g covers the numbers from g to g + 1, up to rounding.
        number = group + generator.random(len(history))
        return self._within(items, ends, group, number)

    def renumbered(self, order: np.ndarray) -> "Law":
        """The same law where item `order[i]` is called i + 1."""
        order = np.concatenate(([0], order))
        return dataclasses.replace(
            self, groups=self.groups[order], shares=self.shares[order]
        )

    def to_json(self) -> dict[str, Any]:
        """All of the law, exactly, as `json` takes it."""
        return {
            "groups": self.groups[1:].tolist(),
            "shares": self.shares[1:].tolist(),
            "tables": self.tables.tolist(),
            "lags": list(self.lags),
            "weights": list(self.weights),
        }

    @classmethod
    def from_json(cls, law: Mapping[str, Any]) -> "Law":
        """The inverse of `to_json`."""
        return cls(
            groups=np.array([-1, *law["groups"]]),
            shares=np.array([0.0, *law["shares"]]),
            tables=np.array(law["tables"]),
            lags=tuple(law["lags"]),
            weights=tuple(law["weights"]),
        )

    def _states(self, history: np.ndarray) -> list[np.ndarray]:
        """The states s_1, s_2, ..., each `(B,)`, -1 where not defined."""

        def group_at(lag: int) -> np.ndarray:
            if lag > history.shape[1]:
                return np.full(len(history), -1)
            return self.groups[history[:, -lag]]

        state = group_at(self.lags[0])
        states = []
        for table, lag in zip(self.tables, self.lags[1:], strict=True):
            group = group_at(lag)
            known = (state >= 0) & (group >= 0)
            state = np.where(known, table[state, group], -1)
            states.append(state)
        return states

    def _within(
        self,
        items: np.ndarray,
        ends: np.ndarray,
        group: np.ndarray,
        number: np.ndarray,
    ) -> np.ndarray:
        """The item whose interval holds `number`, kept within its group."""
        place = np.searchsorted(ends, number, side="right")
        sizes = np.bincount(self.groups[1:], minlength=self.num_groups)
        stops = np.cumsum(sizes)
        # Sums of shares are whole numbers only up to rounding.
        place = np.clip(place, (stops - sizes)[group], stops[group] - 1)
        return items[place]


def make_law(
    generator: np.random.Generator,
    *,
    num_items: int,
    num_groups: int,
    lags: Sequence[int],
    weights: Sequence[float],
    exponent: float,
) -> Law:
    """Draws the tables of a law, and deals the items to groups in turn.

    Entries of tables are drawn one by one, so that a group alone says a
    little about the next state, and two together say it: a model finds its
    way from shallow to deep. The r-th item of a group (from 1) has a share
    proportional to r ** -exponent.
    """
    if (
        len(lags) != len(weights) + 1
        or len(lags) < 2
        or min(lags) < 1
        or list(lags) != sorted(set(lags))
    ):
        raise DataError(
            "Expected at least two increasing lags, and one weight less. "
            f"Received: lags={tuple(lags)}, weights={tuple(weights)}"
        )
    if min(weights) < 0 or sum(weights) > 1 + 1e-9:
        raise DataError(
            "Expected weights >= 0 whose sum is at most 1. Received: "
            f"weights={tuple(weights)}"
        )
    if not 2 <= num_groups <= num_items or exponent < 0:
        raise DataError(
            "Expected 2 <= num_groups <= num_items and exponent >= 0. "
            f"Received: {num_groups=}, {num_items=}, {exponent=}"
        )
    shape = (len(weights), num_groups, num_groups)
    # `random` is the most stable of numpy's draws from version to version.
    tables = (num_groups * generator.random(shape)).astype(np.int64)
    groups = np.arange(num_items) % num_groups
    shares = (np.arange(num_items) // num_groups + 1.0) ** -exponent
    shares /= np.bincount(groups, weights=shares)[groups]
    return Law(
        groups=np.concatenate(([-1], groups)),
        shares=np.concatenate(([0.0], shares)),
        tables=tables,
        lags=tuple(int(lag) for lag in lags),
        weights=tuple(float(weight) for weight in weights),
    )


def ceiling(
    rows: np.ndarray, law: Law, at: Sequence[int] = (5, 10)
) -> dict[str, float]:
    """The best metrics that can be expected for the last items of rows.

    Who knows the law ranks items by their probability; with p(r) that of the
    item at rank r (from 0), the expected metrics of one row are the sums over
    r < n of p(r) / (r + 1), p(r) and p(r) / log2(r + 2).

    Args:
        rows: `(num_rows, t)` item ids of the law, padded with 0 on the left;
            the last column is what is predicted, and is not looked at.
        law: in the same ids.
        at: the lengths n of the ranked lists.

    Returns:
        Means over the rows: "mrr_at_5", "hit_rate_at_5", "ndcg_at_5", ...
    """
    longest = max(at)
    likeliest = np.zeros(longest)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        probabilities = law.next_item_probabilities(
            rows[start : start + _ROWS_AT_ONCE, :-1]
        )
        top = -np.sort(-probabilities, axis=1)[:, :longest]
        likeliest[: top.shape[1]] += top.sum(axis=0)
    likeliest /= len(rows)
    result = {}
    for n in at:
        terms = list(enumerate(likeliest[:n].tolist()))
        result[f"mrr_at_{n}"] = math.fsum(p / (r + 1) for r, p in terms)
        result[f"hit_rate_at_{n}"] = math.fsum(p for _, p in terms)
        result[f"ndcg_at_{n}"] = math.fsum(
            p / math.log2(r + 2) for r, p in terms
        )
    return result
