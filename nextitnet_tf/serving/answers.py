"""What a service answers, and who answers it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import Protocol

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


class Answering(Protocol):
    """A model that answers: `LoadedModel`, here or in another process.

    Attributes:
        about: what it is, for whoever asks; "model" is its name, "num_items"
            how many items it knows, "max_batch" how many histories it takes.
    """

    about: dict[str, Any]

    def answer(
        self,
        histories: Sequence[list[RawId]],
        k: int,
        exclude_seen: Sequence[bool],
    ) -> list[Answer]:
        """What a batch gets, at most k items each."""

    def close(self) -> None:
        """Frees what it takes."""
