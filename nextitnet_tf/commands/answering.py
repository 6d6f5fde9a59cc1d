"""Histories answered: printed, or from a file to a file."""

import csv
import sys
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nextitnet_tf import histories
from nextitnet_tf.commands.progress import Progress
from nextitnet_tf.models import saved
from nextitnet_tf.serving import blocks
from nextitnet_tf.serving import in_blocks

# Unknown items of a line that are named.
_SHOWN = 3


def lines_of(path: str) -> dict[str, str]:
    """Histories as text, by their places in a file.

    Raises:
        ValueError: a file that is no lines of items.
        OSError: it cannot be read.
    """
    if blocks.kind_of(Path(path)) != "text":
        raise ValueError(
            "A file of jsonl or parquet is answered into a file: expected "
            f"--output=FILE. Received: --input={path}"
        )
    return histories.read_lines(path)


def print_answers(
    path: str,
    k: int,
    exclude_seen: bool,
    lines: Mapping[str, str],
    explain: bool,
    is_file: bool = False,
) -> None:
    """Prints a line of items a history.

    Args:
        path: of the model.
        k: items that a history gets.
        exclude_seen: leave out the items of the history itself.
        lines: histories as text, by their places.
        explain: whether a line begins with the blocks that ran for it.
        is_file: whether they are all lines of a file, which may be a table.

    Raises:
        ValueError: a history that cannot be read, or an item that cannot be
            printed in a line.
    """
    model = saved.load_model(path)
    vocabulary = model.history_vocabulary
    known = {} if vocabulary is None else vocabulary.ids
    if is_file:
        place, line = next(iter(lines.items()))
        blocks.check_first_line(line, place, known)
    answers = model.recommend(
        [_known(line, place, known) for place, line in lines.items()],
        k=k,
        exclude_seen=exclude_seen,
        explain=explain,
    )
    if explain:
        items, choices = answers
        ran = ("".join(map(str, row)) for row in choices)
        answers = [[b, *row] for b, row in zip(ran, items, strict=True)]
    for raw in (raw for answer in answers for raw in answer):
        if {"\n", "\r"} & set(str(raw)):
            raise ValueError(
                "Expected item ids without line ends, to print a history a "
                "line; with --output, jsonl and parquet have them. Received: "
                f"{raw!r}"
            )
    csv.writer(sys.stdout, lineterminator="\n").writerows(answers)


def _known(line: str, place: str, known: Mapping[str, int]) -> list[str]:
    """The items of a line that a model knows; says which others there are."""
    items = histories.parse(line, place, known)
    unknown = [item for item in items if item not in known]
    if unknown:
        _say_unknown(place, unknown, len(unknown) == len(items))
    return [item for item in items if item in known]


def _say_unknown(place: str, unknown: Sequence[Any], is_popular: bool) -> None:
    shown = ", ".join(map(repr, unknown[:_SHOWN]))
    more = len(unknown) - _SHOWN
    said = f"unknown item ids skipped: {place}: {shown}"
    said += f" and {more} more" * (more > 0)
    if is_popular:
        said += "; none is known: it gets the most popular items"
    print(said, file=sys.stderr)


def answer_file(
    path: str,
    k: int,
    exclude_seen: bool,
    source: str,
    target: str,
    has_users: bool,
) -> None:
    """Answers a file by a file; says how far it is, and what was unknown.

    Args:
        path: of the model.
        k: items that a history gets.
        exclude_seen: leave out the items of the history itself.
        source: file of histories.
        target: file that gets the answers.
        has_users: whether lines of text begin with their user.

    Raises:
        ValueError: see `in_blocks.recommend_file`.
    """
    if has_users and blocks.kind_of(Path(source)) != "text":
        raise ValueError(
            "--users is for lines of text: jsonl and parquet have a field "
            f"`user`, which is carried through. Received: --input={source}"
        )
    progress = Progress("histories")
    # The first histories with unknown items, and how many know none.
    first: list[tuple[int, list[Any], bool]] = []
    num_popular = 0

    def note(number: int, unknown: list[Any], is_popular: bool) -> None:
        nonlocal num_popular
        num_popular += is_popular
        if len(first) < _SHOWN:
            first.append((number, unknown, is_popular))

    num_unknown = in_blocks.recommend_file(
        Path(path),
        Path(source),
        Path(target),
        k,
        exclude_seen,
        has_users,
        progress,
        note,
    )
    progress.end()
    for number, unknown, is_popular in first:
        _say_unknown(f"{source}, history {number:,}", unknown, is_popular)
    if num_unknown:
        said = f"unknown item ids skipped: {num_unknown:,}"
        if num_popular:
            said += (
                f"; histories without a known one, which got the most popular "
                f"items: {num_popular:,}"
            )
        print(said, file=sys.stderr)
    print(f"{progress.num_done:,} answers in {target}")
