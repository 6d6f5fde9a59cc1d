"""Histories and answers in parquet."""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from nextitnet_tf.serving.blocks import Answers
from nextitnet_tf.serving.blocks import Block
from nextitnet_tf.serving.blocks import Users
from nextitnet_tf.serving.blocks import user_name
from nextitnet_tf.vocabulary import RawId


def read_blocks(
    path: Path, size: int, skip: Callable[[int], bool], users: Users
) -> Iterator[Block | int]:
    """As `history_files.read_blocks`, of columns `user` and `history`."""
    pa = _pyarrow(path)
    try:
        with pa.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            if "history" not in schema.names:
                raise ValueError(
                    "Expected a column `history` of lists. Received: "
                    f"{path} with {', '.join(schema.names)}"
                )
            user = user_name(schema.names)
            wanted = [n for n in (user, "history") if n in schema.names]
            for name in wanted:
                _check_type(pa, name, schema.field(name).type, path)
            batches = file.iter_batches(size, columns=wanted)
            first = 1
            for number, batch in enumerate(batches):
                if skip(number):
                    yield batch.num_rows
                else:
                    of_batch = batch.to_pydict()
                    columns = of_batch.get(user), of_batch["history"]
                    yield _rows(*columns, f"{path}, row", first, users)
                first += batch.num_rows
    except pa.ArrowException as error:
        raise ValueError(
            f"Expected a parquet file. Received: {path}: "
            f"{' '.join(str(error).split())[:200]}"
        ) from None


def write_block(path: Path, answers: Answers) -> None:
    """As `history_files.write_block`."""
    pa = _pyarrow(path)
    columns = {"items": answers.items, "scores": answers.scores}
    if answers.users is not None:
        columns = {"user": answers.users, **columns}
    with _of_one_kind(pa):
        pa.parquet.write_table(pa.table(columns), path)


def join(blocks: Sequence[Path], path: Path) -> None:
    """As `history_files.join`."""
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


def _check_type(pa, name: str, kind, path: Path) -> None:
    """Ids are integers or text, whatever a column is of."""
    found = kind
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if is_list:
        found = kind.value_type
    if pa.types.is_dictionary(found):
        found = found.value_type
    is_id = (
        pa.types.is_null(found)  # there is none: nobody, or nothing taken
        or pa.types.is_integer(found)
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
    users: list | None,
    found: list[list[RawId]],
    place: str,
    first: int,
    all_users: Users,
) -> Block:
    """Checks the rows of a block, the first of which has a number."""
    for i, history in enumerate(found):
        if history is None or None in history:
            raise ValueError(
                f"Expected a list of ids. Received: {place} {first + i}: "
                "without one"
            )
        if users is not None:
            all_users.check(users[i], f"{place} {first + i}")
    return Block(users, found)


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
