"""A model as a service has it: read, frozen and warmed up."""

import datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np

from nextitnet_tf.atomic_files import file_digest
from nextitnet_tf.models import raw_ids
from nextitnet_tf.models import recommending
from nextitnet_tf.models import saved
from nextitnet_tf.serving.answers import Answer
from nextitnet_tf.serving.limits import Limits


class LoadedModel:
    """Answers as the model of a file does, at once: see `Answering`.

    What XLA has compiled is never freed by the process that has it.

    Args:
        path: a model.keras.
        limits: of the service.

    Raises:
        ValueError: there is no such file, it is damaged, or holds what cannot
            be served.
        FloatingPointError: a model whose scores are not finite.
    """

    def __init__(self, path: Path, limits: Limits):
        model = saved.load_model(path)
        self._vocabulary, self._of_histories = raw_ids.vocabularies(model)
        self._frozen = model.freeze()
        self._max_items = limits.max_items
        largest = recommending.largest_batch(len(self._vocabulary.raw_ids))
        now = datetime.datetime.now(datetime.UTC)
        self.about: dict[str, Any] = {
            "model": file_digest(path)[:12],
            "path": str(path),
            "loaded_at": now.isoformat(timespec="seconds"),
            "class": type(model).__name__,
            "num_items": self._vocabulary.num_items,
            "num_blocks": getattr(model, "num_blocks", None),
            "history_length": self._of_histories.history_length,
            "item_ids": _kind(self._vocabulary),
            "history_item_ids": _kind(self._of_histories),
            "max_batch": min(limits.max_batch, largest),
            "keras": keras.version(),
        }
        self._warm_up()

    def answer(self, histories, k, exclude_seen) -> list[Answer]:
        """What a batch gets.

        Args:
            histories: at least one and at most `max_batch`, of raw ids.
            k: the most that one of them asks for.
            exclude_seen: of each, whether its own items are left out.

        Raises:
            FloatingPointError: scores are not finite.
        """
        encoded = [
            self._of_histories.encode(history[-self._max_items :])
            for history in histories
        ]
        item_ids = raw_ids.padded(
            [ids for ids, _ in encoded], self._of_histories
        )
        excluded = np.ones((len(item_ids), 1), "bool")
        excluded[: len(encoded), 0] = exclude_seen
        found = self._frozen.top_items(item_ids, k, excluded)
        if np.isnan(found["scores"]).any():
            raise FloatingPointError(
                "Expected a model whose scores are finite numbers. "
                f"Received: {self.about['path']}, whose weights are those of "
                "a training that diverged"
            )
        names = self._vocabulary.raw_ids
        scores = found["scores"][: len(encoded)]
        best = raw_ids.recommended(found["item_ids"][: len(encoded)], scores)
        return [
            Answer([names[i] for i in items], kept, num_unknown, not ids)
            for (ids, num_unknown), items, kept in zip(
                encoded, best, raw_ids.recommended(scores, scores), strict=True
            )
        ]

    def close(self) -> None:
        """Nothing that Python does not do."""

    def _warm_up(self) -> None:
        """Has every program compiled that an answer may need."""
        known = next(iter(self._of_histories.ids))
        num_rows = 1
        while num_rows <= self.about["max_batch"]:
            self.answer([[known]] * num_rows, 1, [False] * num_rows)
            num_rows *= 2


def _kind(vocabulary) -> str:
    is_text = any(isinstance(raw, str) for raw in vocabulary.raw_ids)
    return "string" if is_text else "integer"
