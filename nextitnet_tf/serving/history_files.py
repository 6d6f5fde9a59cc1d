"""Files of histories, read block by block, and files of answers.

| suffix | a history | an answer |
|---|---|---|
| `.jsonl` | `{"user": 7, "history": [1, 2]}` | `{"user": 7, "items": [3], \
"scores": [0.5]}` |
| `.parquet` | columns `user`, `history` (lists) | `user`, `items`, `scores` |
| any other | `1,2`, as csv has it; with users `7,1,2` | `3`; with users `7,3` |

Users are carried through, and may be missing.
"""

import contextlib
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
            pyarrow, which reads parquet, is not there.
        OSError: the file cannot be read.
    """
    users = _Users(users_of_one_kind)
    if path.suffix == ".parquet":
        found = _parquet_blocks(path, size, skip, users)
    elif path.suffix == ".jsonl":
        found = _line_blocks(path, size, skip, users, _of_json)
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
    if path.suffix == ".parquet":
        pa = _pyarrow(path)
        columns = {"items": answers.items, "scores": answers.scores}
        if answers.users is not None:
            columns = {"user": answers.users, **columns}
        with _of_one_kind(pa):
            pa.parquet.write_table(pa.table(columns), path)
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

    Raises:
        ValueError: ids of both kinds, in parquet.
    """
    if path.suffix == ".parquet":
        pa = _pyarrow(path)
        with _of_one_kind(pa):
            schemas = [pa.parquet.read_schema(block) for block in blocks]
            # Users first, whatever block has some.
            schemas.sort(key=lambda schema: "user" not in schema.names)
            schema = pa.unify_schemas(schemas)
            with pa.parquet.ParquetWriter(path, schema) as writer:
                for block in blocks:
                    found = pa.parquet.read_table(block)
                    if len(found.schema) < len(schema):
                        nobody = pa.nulls(len(found), schema.field(0).type)
                        found = found.add_column(0, "user", nobody)
                    writer.write_table(found.cast(schema))
        return
    with open(path, "wb") as whole:
        for block in blocks:
            with open(block, "rb") as file:
                shutil.copyfileobj(file, whole)


def _line_blocks(
    path: Path,
    size: int,
    skip: Callable[[int], bool],
    all_users: "_Users",
    parse: Callable[[str, str], tuple[Any, list[RawId]]],
) -> Iterator[Block | int]:
    """Of a file of lines; only newlines end one."""
    with open(path, "rb") as file:
        for number in itertools.count():
            lines = list(itertools.islice(file, size))
            if not lines:
                return
            is_skipped = skip(number)
            users, found = [], []
            # What users are like is seen by a line that is not wanted, too.
            read = lines[:1] if is_skipped else lines
            for i, line in enumerate(read, start=number * size + 1):
                place = f"{path}, line {i}"
                user, history = parse(_text(line, place, i == 1), place)
                all_users.check(user, place)
                users.append(user)
                found.append(history)
            if is_skipped:
                yield len(lines)
                continue
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


class _Users:
    """What the users of a file have in common, those that are not missing.

    Args:
        are_of_one_kind: whether they must be all integers or all text.
    """

    def __init__(self, are_of_one_kind: bool):
        self._are_of_one_kind = are_of_one_kind
        self._kind: Any = None

    def check(self, user: RawId | None, place: str) -> None:
        """Raises if a user is of another kind than those before."""
        if user is None or not self._are_of_one_kind:
            return
        self._kind = self._kind or type(user)
        is_large = isinstance(user, int) and not -(2**63) <= user < 2**63
        if type(user) is not self._kind or is_large:
            raise ValueError(
                "Expected users that are all integers of 64 bits or all text, "
                "as parquet has them (jsonl takes any). Received: "
                f"{place}: {user!r}"
            )


def _parquet_blocks(
    path: Path, size: int, skip: Callable[[int], bool], users: _Users
) -> Iterator[Block | int]:
    pa = _pyarrow(path)
    try:
        with pa.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            if "history" not in schema.names:
                raise ValueError(
                    "Expected a column `history` of lists. Received: "
                    f"{path} with {', '.join(schema.names)}"
                )
            wanted = [n for n in ("user", "history") if n in schema.names]
            for name in wanted:
                _check_type(pa, name, schema.field(name).type, path)
            batches = file.iter_batches(size, columns=wanted)
            first = 1
            for number, batch in enumerate(batches):
                if skip(number):
                    yield batch.num_rows
                else:
                    columns = batch.to_pydict()
                    yield _rows(columns, f"{path}, row", first, users)
                first += batch.num_rows
    except pa.ArrowException as error:
        raise ValueError(
            f"Expected a parquet file. Received: {path}: "
            f"{' '.join(str(error).split())[:200]}"
        ) from None


def _check_type(pa, name: str, kind, path: Path) -> None:
    """Ids are integers or text, whatever a column is of."""
    found = kind
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if is_list:
        found = kind.value_type
    if pa.types.is_dictionary(found):
        found = found.value_type
    is_id = (
        pa.types.is_integer(found)
        or pa.types.is_string(found)
        or pa.types.is_large_string(found)
    )
    if is_list != (name == "history") or not is_id:
        raise ValueError(
            f"Expected a column `{name}` of "
            + "lists of " * (name == "history")
            + f"integers or of text. Received: {path} with {kind}"
        )


def _rows(
    columns: dict[str, list], place: str, first: int, all_users: _Users
) -> Block:
    """Checks the rows of a block, the first of which has a number."""
    users = columns.get("user")
    for i, history in enumerate(columns["history"]):
        if history is None or None in history:
            raise ValueError(
                f"Expected a list of ids. Received: {place} {first + i}: "
                "without one"
            )
        if users is not None:
            all_users.check(users[i], f"{place} {first + i}")
    return Block(users, columns["history"])


@contextlib.contextmanager
def _of_one_kind(pa) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OverflowError) as error:
        raise ValueError(
            "Expected ids of one kind, integers or text, as parquet has them "
            f"(jsonl takes both). Received: {' '.join(str(error).split())}"
        ) from None


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
