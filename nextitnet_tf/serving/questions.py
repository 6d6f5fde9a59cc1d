"""What is asked of a service: JSON that is read, checked and refused."""

import difflib
import json
from dataclasses import dataclass
from typing import Any
from typing import NoReturn

from nextitnet_tf.serving.limits import Limits
from nextitnet_tf.vocabulary import RawId

_KEYS = ("history", "histories", "k", "exclude_seen")
DEFAULT_K = 10
_SHOWN = 80


class Refused(Exception):
    """A request that is not answered, and why.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, status: int, why: str):
        super().__init__(why)
        self.status = status


@dataclass(frozen=True)
class Question:
    """What one request asks.

    Attributes:
        histories: raw ids, oldest first.
        k: items that each history gets.
        exclude_seen: leave out the items of the history.
    """

    histories: list[list[RawId]]
    k: int = DEFAULT_K
    exclude_seen: bool = True


def read_question(body: bytes, limits: Limits, num_items: int) -> Question:
    """A request's body, checked.

    Args:
        body: JSON of "history" or "histories", and perhaps "k" (by default 10,
            or all items) and "exclude_seen" (by default true).
        limits: of the service.
        num_items: that the model knows.

    Raises:
        Refused: 400 for what is no JSON, 413 for too much, 422 for what
            cannot be asked; its text is one sentence and what was received.
    """
    if len(body) > limits.max_body:
        raise too_large(limits)
    try:
        # A number of thousands of digits is a ValueError, too.
        content = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise Refused(
            400, f"Expected JSON in UTF-8. Received: {_shown(error)}"
        ) from None
    if not isinstance(content, dict):
        _refuse('a JSON object, such as {"history": [1, 2]}', content)
    for key in content:
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, 1)
            meant = f" ({near[0]}?)" if near else ""
            _refuse(f"keys among {', '.join(_KEYS)}{meant}", key)
    return Question(
        _histories(content, limits),
        _k(content, min(limits.max_k, num_items)),
        _exclude_seen(content),
    )


def too_large(limits: Limits) -> Refused:
    """Of a body of too many bytes."""
    return Refused(
        413,
        f"Expected a body of at most {limits.max_body:,} bytes. Received: more",
    )


def _histories(content: dict, limits: Limits) -> list[list[RawId]]:
    if ("history" in content) == ("histories" in content):
        _refuse("either history or histories", sorted(content))
    histories = content.get("histories")
    place = "histories[{}]"
    if "history" in content:
        histories, place = [content["history"]], "history"
    if not isinstance(histories, list):
        _refuse("histories to be a list of lists", histories)
    if len(histories) > limits.max_histories:
        raise Refused(
            413,
            f"Expected at most {limits.max_histories} histories. "
            f"Received: {len(histories)}",
        )
    for i, history in enumerate(histories):
        if not isinstance(history, list):
            where = place.format(i)
            _refuse(f"{where} to be a list of item ids", history)
        for j, raw in enumerate(history):
            # JSON's true is an integer to Python.
            if type(raw) is not str and type(raw) is not int:
                _refuse(
                    f"{place.format(i)}[{j}] to be an item id, an integer or "
                    "text",
                    raw,
                )
    return histories


def _k(content: dict, most: int) -> int:
    k = content.get("k", min(DEFAULT_K, most))
    if type(k) is not int or not 1 <= k <= most:
        _refuse(f"k to be an integer of 1 to {most}", k)
    return k


def _exclude_seen(content: dict) -> bool:
    exclude_seen = content.get("exclude_seen", True)
    if not isinstance(exclude_seen, bool):
        _refuse("exclude_seen to be true or false", exclude_seen)
    return exclude_seen


def _refuse(expected: str, received: Any) -> NoReturn:
    raise Refused(422, f"Expected {expected}. Received: {_shown(received)}")


def _shown(received: Any) -> str:
    """As JSON has it, on one line, cut short."""
    if isinstance(received, Exception):
        text = " ".join(str(received).split())
    else:
        text = json.dumps(received)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."
