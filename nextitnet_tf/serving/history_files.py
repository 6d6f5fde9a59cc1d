"""Files of histories, read block by block, and files of answers.

| file | a history | an answer |
|---|---|---|
| `.jsonl` | `{"user": 7, "history": [1, 2]}` | `{"user": 7, "items": [3], \
"scores": [0.5]}` |
| `.parquet` | columns `user`, `history` (lists) | `user`, `items`, `scores` |
| any other | `1,2`, as csv has it; with users `7,1,2` | `3`; with users `7,3` |

What a suffix promises is `blocks.kind_of`. Users are carried through, and may
be missing; `user_id` and the like are they, too.
"""

import csv
import itertools
import json
import shutil
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nextitnet_tf import histories
from nextitnet_tf.serving import parquet_files
from nextitnet_tf.serving.blocks import Answers
from nextitnet_tf.serving.blocks import Block
from nextitnet_tf.serving.blocks import Users
from nextitnet_tf.serving.blocks import check_first_line
from nextitnet_tf.serving.blocks import kind_of
from nextitnet_tf.serving.blocks import user_name
from nextitnet_tf.vocabulary import RawId


def read_blocks(
    path: Path,
    size: int,
    known: Collection[str] = (),
    has_users: bool = False,
    skip: Callable[[int], bool] = lambda number: False,
    users_of_one_kind: bool = False,
) -> Iterator[Block | int]:
    """Reads a file of histories, so many at a time.

    Args:
        path: of the file; its suffix says of what kind.
        size: histories of a block, but for the last.
        known: items; of text, spaces around one are cut off unless it is
            known with them.
        has_users: whether a line of text begins with its user.
        skip: number of a block, from 0 -> whether it is not wanted.
        users_of_one_kind: refuses users of whom some are integers and some
            text, or integers beyond 64 bits, which parquet cannot hold.

    Yields:
        The blocks; of one that is not wanted, how many histories it has.

    Raises:
        ValueError: a history that cannot be read, with its line; no history;
            a table of interactions, or a header; a file of another kind;
            pyarrow, which reads parquet, is not there.
        OSError: the file cannot be read.
    """
    users = Users(users_of_one_kind)
    kind = kind_of(path)
    if kind == "parquet":
        found = parquet_files.read_blocks(path, size, skip, users)
    elif kind == "jsonl":
        found = _line_blocks(path, size, skip, users, _of_json)
    else:
        first_line = _place(path, 1)

        def of_text(line: str, place: str) -> tuple[Any, list[RawId]]:
            if place == first_line:
                check_first_line(line, place, known)
            fields = histories.fields(line, place, known)
            user = fields.pop(0) if has_users and fields else None
            if has_users and not user:
                raise ValueError(
                    "Expected a user and items. Received: "
                    f"{place}, without a user"
                )
            return user, [f for f in fields if f or f in known]

        found = _line_blocks(path, size, skip, users, of_text)
    is_empty = True
    for block in found:
        is_empty = False
        yield block
    if is_empty:
        raise ValueError(f"Expected histories. Received: {path}, without any")


def write_block(path: Path, answers: Answers) -> None:
    """Writes the answers of a block, in the form that the suffix says.

    Raises:
        ValueError: an id with a line end, in a file of lines; ids of both
            kinds, in parquet; pyarrow is not there.
    """
    kind = kind_of(path)
    if kind == "parquet":
        parquet_files.write_block(path, answers)
        return
    users = answers.users or itertools.repeat(None)
    with open(path, "w", encoding="utf-8", newline="") as file:
        if kind == "jsonl":
            for user, items, scores in zip(
                users, answers.items, answers.scores, strict=False
            ):
                named = {} if answers.users is None else {"user": user}
                line = {**named, "items": items, "scores": scores}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
            return
        writer = csv.writer(file, lineterminator="\n")
        for user, items in zip(users, answers.items, strict=False):
            row = items if answers.users is None else [user, *items]
            for raw in row:
                if {"\n", "\r"} & set(str(raw)):
                    raise ValueError(
                        "Expected ids without line ends, to write a history a "
                        "line; jsonl and parquet have them, too. Received: "
                        f"{raw!r}"
                    )
            writer.writerow(row)


def join(blocks: Sequence[Path], path: Path) -> None:
    """Joins files of blocks, in order, to one of the same kind.

    Args:
        blocks: at least one.
        path: to write.

    Raises:
        ValueError: ids of both kinds, in parquet.
    """
    if kind_of(path) == "parquet":
        parquet_files.join(blocks, path)
        return
    with open(path, "wb") as whole:
        for block in blocks:
            with open(block, "rb") as file:
                shutil.copyfileobj(file, whole)


def _line_blocks(
    path: Path,
    size: int,
    skip: Callable[[int], bool],
    all_users: Users,
    parse: Callable[[str, str], tuple[Any, list[RawId]]],
) -> Iterator[Block | int]:
    """Of a file of lines; only newlines end one."""
    with open(path, "rb") as file:
        all_lines = iter(file)
        if parse is _of_json:
            all_lines = _until_blank(all_lines)
        for number in itertools.count():
            lines = list(itertools.islice(all_lines, size))
            if not lines:
                return
            is_skipped = skip(number)
            users, found = [], []
            # What users are like is seen by a line that is not wanted, too.
            read = lines[:1] if is_skipped else lines
            for i, line in enumerate(read, start=number * size + 1):
                place = _place(path, i)
                user, history = parse(_text(line, place, i == 1), place)
                all_users.check(user, place)
                users.append(user)
                found.append(history)
            if is_skipped:
                yield len(lines)
                continue
            has_users = any(user is not None for user in users)
            yield Block(users if has_users else None, found)


def _place(path: Path, number: int) -> str:
    return f"{path}, line {number}"


def _until_blank(lines: Iterator[bytes]) -> Iterator[bytes]:
    """Without the blank lines that many a program leaves at the end."""
    blank = []
    for line in lines:
        if not line.strip():
            blank.append(line)
            continue
        yield from blank
        blank.clear()
        yield line


def _text(line: bytes, place: str, is_first: bool) -> str:
    if is_first:
        histories.check_is_not_compressed(line, place)
    try:
        text = line.decode("utf-8-sig" if is_first else "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Expected UTF-8 text. Received: {place}: {error}"
        ) from None
    return text.removesuffix("\n").removesuffix("\r")


def _of_json(line: str, place: str) -> tuple[Any, list[RawId]]:
    if not line.strip():
        raise ValueError(
            "Expected a history a line, a blank one at the end alone. "
            f"Received: {place}, which is blank"
        )
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected JSON. Received: {place}: {error}") from None
    history = found.get("history") if isinstance(found, dict) else None
    if not isinstance(history, list):
        raise ValueError(
            'Expected {"user": ..., "history": [...]}. Received: '
            f"{place}: {line[:60]!r}"
        )
    user = found.get(user_name(found))
    for raw in (*history, *([] if user is None else [user])):
        if isinstance(raw, bool) or not isinstance(raw, int | str):
            raise ValueError(
                "Expected ids that are integers or text. Received: "
                f"{place}: {raw!r}"
            )
    return user, history
