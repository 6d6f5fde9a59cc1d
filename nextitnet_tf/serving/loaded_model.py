"""A model as a service has it: read, frozen and warmed up."""

import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nextitnet_tf.models import raw_ids
from nextitnet_tf.models import recommending
from nextitnet_tf.models import saved
from nextitnet_tf.serving.limits import Limits
from nextitnet_tf.vocabulary import RawId


@dataclass(frozen=True)
class Answer:
    """What one history gets.

    Attributes:
        items: raw ids, likeliest first.
        scores: of each; of the most popular items, how often each occurs.
        num_unknown: items of the history that the model does not know.
        is_popular: whether it knew none, so that these are the most popular.
    """

    items: list[RawId]
    scores: list[float]
    num_unknown: int
    is_popular: bool


@dataclass(frozen=True)
class Reply:
    """What a question gets.

    Attributes:
        model: the name of the model that answers, all of it.
        answers: one a history.
    """

    model: str
    answers: list[Answer]


class LoadedModel:
    """Answers as the model of a file does, at once.

    Args:
        path: a model.keras.
        limits: of the service.

    Attributes:
        name: the first digits of the file's SHA-256.
        num_items: that it knows.

    Raises:
        ValueError: there is no such file, it is damaged, or holds what cannot
            be served.
        FloatingPointError: a model whose scores are not finite.
    """

    def __init__(self, path: Path, limits: Limits):
        model = saved.load_model(path)
        self.vocabulary, self._of_histories = raw_ids.vocabularies(model)
        self._frozen = model.freeze()
        self._limits = limits
        self.num_items = self.vocabulary.num_items
        self.max_batch = min(
            limits.max_batch,
            recommending.largest_batch(len(self.vocabulary.raw_ids)),
        )
        self.name = _sha256(path)[:12]
        now = datetime.datetime.now(datetime.UTC)
        self.about = {
            "model": self.name,
            "path": str(path),
            "loaded_at": now.isoformat(timespec="seconds"),
            "class": type(model).__name__,
            "num_items": self.num_items,
            "num_blocks": getattr(model, "num_blocks", None),
            "history_length": self._of_histories.history_length,
            "item_ids": _kind(self.vocabulary),
            "history_item_ids": _kind(self._of_histories),
        }
        self._warm_up()

    def encode(self, history: Sequence[RawId]) -> tuple[list[int], int]:
        """Its own ids of a history, and how many items it does not know."""
        return self._of_histories.encode(history[-self._limits.max_items :])

    def top(
        self, encoded: list[list[int]], k: int, exclude_seen: list[bool]
    ) -> tuple[list[list[RawId]], list[list[float]]]:
        """The likeliest items of a batch.

        Args:
            encoded: at least one and at most `max_batch` histories.
            k: the most that one of them asks for.
            exclude_seen: of each, whether its own items are left out.

        Returns:
            Raw ids and scores, a list a history, likeliest first.

        Raises:
            FloatingPointError: scores are not finite.
        """
        item_ids = raw_ids.padded(encoded, self._of_histories)
        excluded = np.ones((len(item_ids), 1), "bool")
        excluded[: len(encoded), 0] = exclude_seen
        found = self._frozen.top_items(item_ids, k, excluded)
        names = self.vocabulary.raw_ids
        if np.isnan(found["scores"]).any():
            raise FloatingPointError(
                "Expected a model whose scores are finite numbers. "
                f"Received: {self.about['path']}, whose weights are those of "
                "a training that diverged"
            )
        items, scores = [], []
        for i in range(len(encoded)):
            # Those that are missing stand last.
            num_found = int((found["scores"][i] > -np.inf).sum())
            items.append(
                [names[j] for j in found["item_ids"][i, :num_found].tolist()]
            )
            scores.append(found["scores"][i, :num_found].tolist())
        return items, scores

    def _warm_up(self) -> None:
        """Has every program compiled that an answer may need."""
        known = next(i for i in self._of_histories.ids.values())
        num_rows = 1
        while num_rows <= self.max_batch:
            histories = [[known]] * num_rows
            self.top(histories, 1, [False] * num_rows)
            num_rows *= 2


def _kind(vocabulary) -> str:
    is_text = any(isinstance(raw, str) for raw in vocabulary.raw_ids)
    return "string" if is_text else "integer"


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
