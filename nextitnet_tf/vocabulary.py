"""Raw item ids and the ids a model knows them by."""

import csv
import json
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

RawId = int | str


@dataclass(frozen=True)
class Vocabulary:
    """What a trained model must remember to answer in raw ids.

    Attributes:
        raw_ids: by model id; None where a column is no item (padding, the
            release's `<UNK>`).
        counts: by model id, occurrences in the data.
        padding_id: the id that fills up short histories, on the left.
        history_length: T, latest items the model was trained to look at.
    """

    raw_ids: Sequence[RawId | None]
    counts: Sequence[int]
    padding_id: int
    history_length: int

    @cached_property
    def ids(self) -> dict[str, int]:
        """Model id of each raw id, which is looked up as text."""
        return {
            str(raw): i for i, raw in enumerate(self.raw_ids) if raw is not None
        }

    @cached_property
    def not_items(self) -> list[int]:
        """Columns that can never be recommended."""
        return [i for i, raw in enumerate(self.raw_ids) if raw is None]

    def encode(self, history: Iterable[RawId]) -> tuple[list[int], int]:
        """Model ids of a history.

        Args:
            history: raw ids, oldest first.

        Returns:
            The ids of those known, in order, and how many are unknown.
        """
        known = [self.ids.get(str(raw)) for raw in history]
        ids = [i for i in known if i is not None]
        return ids, len(known) - len(ids)

    def save(self, folder: str | Path) -> None:
        """Writes items.csv and vocabulary.json into an existing folder."""
        folder = Path(folder)
        integer_ids = all(
            isinstance(raw, int) for raw in self.raw_ids if raw is not None
        )
        with open(folder / "items.csv", "w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f)
            writer.writerow(["id", "raw_id", "count"])
            for i, (raw, count) in enumerate(
                zip(self.raw_ids, self.counts, strict=True)
            ):
                if raw is not None:
                    writer.writerow([i, raw, int(count)])
        (folder / "vocabulary.json").write_text(
            json.dumps(
                {
                    "num_columns": len(self.raw_ids),
                    "integer_ids": integer_ids,
                    "padding_id": self.padding_id,
                    "history_length": self.history_length,
                }
            )
        )

    @staticmethod
    def is_saved(folder: str | Path | None) -> bool:
        """Whether `save` has written here."""
        if folder is None:
            return False
        return (Path(folder) / "vocabulary.json").is_file()

    @classmethod
    def load(cls, folder: str | Path) -> "Vocabulary":
        """Reads what `save` wrote."""
        folder = Path(folder)
        about = json.loads((folder / "vocabulary.json").read_text())
        raw_ids: list[RawId | None] = [None] * about["num_columns"]
        counts = [0] * about["num_columns"]
        with open(folder / "items.csv", newline="", encoding="utf-8") as f:
            for row in csv.DictReader(f):
                raw = row["raw_id"]
                raw_ids[int(row["id"])] = (
                    int(raw) if about["integer_ids"] else raw
                )
                counts[int(row["id"])] = int(row["count"])
        return cls(
            raw_ids, counts, about["padding_id"], about["history_length"]
        )
