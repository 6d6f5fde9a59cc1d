"""Files of histories, read block by block, and files of answers.

| suffix | a history | an answer |
|---|---|---|
| `.jsonl` | `{"user": 7, "history": [1, 2]}` | `{"user": 7, "items": [3], \
"scores": [0.5]}` |
| `.parquet` | columns `user`, `history` (lists) | `user`, `items`, `scores` |
| any other | `1,2`, as csv has it; with users `7,1,2` | `3`; with users `7,3` |

Users are carried through, and may be missing.
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
from typing import NamedTuple

from nextitnet_tf import histories
from nextitnet_tf.vocabulary import RawId


class Block(NamedTuple):
    """Some histories that follow each other in a file.

    Attributes:
        users: of each; None in a file without.
        histories: raw ids of each, oldest first.
    """

    users: list[Any] | None
    histories: list[list[RawId]]


class Answers(NamedTuple):
    """What the histories of a block get.

    Attributes:
        users: as in the block.
        items: raw ids of each, likeliest first.
        scores: of those.
    """

    users: list[Any] | None
    items: list[list[RawId]]
    scores: list[list[float]]


def read_blocks(
    path: Path,
    size: int,
    known: Collection[str] = (),
    has_users: bool = False,
    skip: Callable[[int], bool] = lambda number: False,
) -> Iterator[Block | int]:
    """Reads a file of histories, so many at a time.

    Args:
        path: of the file; its suffix says of what kind.
        size: histories of a block, but for the last.
        known: items; of text, spaces around one are cut off unless it is
            known with them.
        has_users: whether a line of text begins with its user.
        skip: number of a block, from 0 -> whether it is not wanted.

    Yields:
        The blocks; of one that is not wanted, how many histories it has.

    Raises:
        ValueError: a history that cannot be read, with its line; no history;
            pyarrow, which reads parquet, is not there.
        OSError: the file cannot be read.
    """
    if path.suffix == ".parquet":
        found = _parquet_blocks(path, size, skip)
    elif path.suffix == ".jsonl":
        found = _line_blocks(path, size, skip, _of_json)
    else:

        def of_text(line: str, place: str) -> tuple[Any, list[RawId]]:
            items: list[RawId] = [*histories.parse(line, place, known)]
            if not has_users:
                return None, items
            if not items:
                raise ValueError(
                    f"Expected a user and items. Received: {place}, an empty "
                    "line"
                )
            return items[0], items[1:]

        found = _line_blocks(path, size, skip, of_text)
    is_empty = True
    for block in found:
        is_empty = False
        yield block
    if is_empty:
        raise ValueError(f"Expected histories. Received: {path}, without any")


def write_block(path: Path, answers: Answers) -> None:
    """Writes the answers of a block, in the form that the suffix says.

    Raises:
        ValueError: an id with a line end, in a file of lines; users of both
            kinds, in parquet; pyarrow is not there.
    """
    if path.suffix == ".parquet":
        pa = _pyarrow(path)
        columns = {"items": answers.items, "scores": answers.scores}
        if answers.users is not None:
            columns = {"user": answers.users, **columns}
        try:
            pa.parquet.write_table(pa.table(columns), path)
        except pa.ArrowException as error:
            raise ValueError(
                "Expected users of one kind, integers or text. Received: "
                f"{' '.join(str(error).split())}"
            ) from None
        return
    users = answers.users or itertools.repeat(None)
    with open(path, "w", encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
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
    """
    if path.suffix == ".parquet":
        pa = _pyarrow(path)
        schema = pa.unify_schemas([pa.parquet.read_schema(b) for b in blocks])
        with pa.parquet.ParquetWriter(path, schema) as writer:
            for block in blocks:
                writer.write_table(pa.parquet.read_table(block).cast(schema))
        return
    with open(path, "wb") as whole:
        for block in blocks:
            with open(block, "rb") as file:
                shutil.copyfileobj(file, whole)


def _line_blocks(
    path: Path,
    size: int,
    skip: Callable[[int], bool],
    parse: Callable[[str, str], tuple[Any, list[RawId]]],
) -> Iterator[Block | int]:
    """Of a file of lines; only newlines end one."""
    with open(path, "rb") as file:
        for number in itertools.count():
            lines = list(itertools.islice(file, size))
            if not lines:
                return
            if skip(number):
                yield len(lines)
                continue
            users, found = [], []
            for i, line in enumerate(lines, start=number * size + 1):
                place = f"{path}, line {i}"
                user, history = parse(_text(line, place, i == 1), place)
                users.append(user)
                found.append(history)
            has_users = any(user is not None for user in users)
            yield Block(users if has_users else None, found)


def _text(line: bytes, place: str, is_first: bool) -> str:
    try:
        text = line.decode("utf-8-sig" if is_first else "utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Expected UTF-8 text. Received: {place}: {error}"
        ) from None
    return text.removesuffix("\n").removesuffix("\r")


def _of_json(line: str, place: str) -> tuple[Any, list[RawId]]:
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
    user = found.get("user")
    for raw in (*history, *([] if user is None else [user])):
        if isinstance(raw, bool) or not isinstance(raw, int | str):
            raise ValueError(
                "Expected ids that are integers or text. Received: "
                f"{place}: {raw!r}"
            )
    return user, history


def _parquet_blocks(
    path: Path, size: int, skip: Callable[[int], bool]
) -> Iterator[Block | int]:
    pa = _pyarrow(path)
    try:
        with pa.parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if "history" not in names:
                raise ValueError(
                    "Expected a column `history` of lists. Received: "
                    f"{path} with {', '.join(names)}"
                )
            wanted = [name for name in ("user", "history") if name in names]
            batches = file.iter_batches(size, columns=wanted)
            for number, batch in enumerate(batches):
                if skip(number):
                    yield batch.num_rows
                    continue
                columns = batch.to_pydict()
                yield Block(columns.get("user"), _lists(columns, path))
    except pa.ArrowException as error:
        raise ValueError(
            f"Expected a parquet file. Received: {path}: "
            f"{' '.join(str(error).split())[:200]}"
        ) from None


def _lists(columns: dict[str, list], path: Path) -> list[list[RawId]]:
    found = columns["history"]
    if not all(isinstance(history, list) for history in found):
        raise ValueError(
            f"Expected lists in the column `history`. Received: {path} with "
            "something else"
        )
    return found


def _pyarrow(path: Path):
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise ValueError(
            "Expected pyarrow, which reads and writes parquet files: pip "
            f"install pyarrow. Received: {path} without it"
        ) from None
    return pyarrow
