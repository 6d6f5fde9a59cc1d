"""Interactions as Spark reads them: which rows are good, and of which type."""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from contextlib import ExitStack

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import Column
from pyspark.sql import DataFrame
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from nextitnet_tf.preparation.choices import Choices
from nextitnet_tf.preparation.columns import Columns
from nextitnet_tf.preparation.columns import find_columns
from nextitnet_tf.preparation.errors import DataError

_WHOLE = ("tinyint", "smallint", "int", "bigint")
_REAL = ("float", "double")
_CORRUPT = "_corrupt_record"
# What Python's `str.strip` takes for white space.
_SPACE = (
    r"[\s\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
)
_EXACT = 2.0**53  # as in `times`


@dataclasses.dataclass(frozen=True)
class Table:
    """Interactions as they were read, one row each.

    Attributes:
        frame: `user`, `item` and, of files with one, `time`, as text or as
            they are typed; `file`, `block` and `row`, by which rows are in the
            order of the files; `line`, what a row looks like; `is_whole`,
            whether it has as many fields as the header.
        columns: which of the files' they are.
        label: what messages call the data.
    """

    frame: DataFrame
    columns: Columns
    label: str


@contextlib.contextmanager
def naming_errors() -> Iterator[None]:
    """Has what Spark raises be one line.

    Raises:
        DataError: in its place.
    """
    try:
        yield
    except (PySparkException, Py4JError) as error:
        raise DataError(f"Spark: {_in_short(str(error))}") from error


def _in_short(text: str) -> str:
    """What went wrong, of many lines: the last reason, and what it says."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reasons = [
        i for i, line in enumerate(lines) if line.startswith("Caused by")
    ]
    said = lines[reasons[-1] if reasons else 0 :]
    ends = [i for i, line in enumerate(said) if line.startswith("at ")]
    return " ".join(said[: ends[0] if ends else 1])[:400]


def read(spark: SparkSession, raw: str, choices: Choices) -> Table:
    """Finds the columns of csv or parquet; no row is read yet.

    Args:
        spark: the session.
        raw: a file, a folder or a pattern; parquet by its name.
        choices: names of columns, and the separator.

    Raises:
        DataError: a column is missing, or ids are neither integers nor text.
    """
    if ".parquet" in raw:
        frame = spark.read.parquet(raw)
        names = frame.columns
        is_whole, line = F.lit(True), F.lit(None).cast("string")
    else:
        frame, names = _read_csv(spark, raw, choices)
        is_whole, line = F.col(_CORRUPT).isNull(), F.col(_CORRUPT)
    columns = find_columns(
        names,
        raw,
        user_column=choices.user_column,
        item_column=choices.item_column,
        timestamp_column=choices.timestamp_column,
        order_column=choices.order_column,
        time=choices.time,
    )
    types = dict(frame.dtypes)
    for name in (columns.user, columns.item):
        if types[name] not in (*_WHOLE, "string"):
            raise DataError(
                f"Expected ids that are integers or text in column {name!r} "
                f"of {raw}. Received: {types[name]}"
            )
    used = {"user": columns.user, "item": columns.item}
    if columns.time is not None:
        used["time"] = columns.time
    fields = [F.col(_quoted(name)).alias(role) for role, name in used.items()]
    return Table(
        frame.select(
            *fields,
            F.col("_metadata.file_path").alias("file"),
            F.col("_metadata.file_block_start").alias("block"),
            # Rows of one block are read in order, by one task.
            F.monotonically_increasing_id().alias("row"),
            F.coalesce(line, F.to_json(F.struct(*fields))).alias("line"),
            is_whole.alias("is_whole"),
        ),
        columns,
        raw,
    )


def _read_csv(
    spark: SparkSession, raw: str, choices: Choices
) -> tuple[DataFrame, list[str]]:
    """All fields as text, and what has other fields than the header apart."""
    reader = spark.read.options(
        sep=choices.separator,
        quote='"',
        escape='"',
        header=choices.columns is None,
        mode="PERMISSIVE",
        columnNameOfCorruptRecord=_CORRUPT,
        columnPruning=False,
        enforceSchema=False,  # a file with another header is an error
    )
    names = list(choices.columns or reader.csv(raw).columns)
    schema = [f"{_quoted(name)} STRING" for name in (*names, _CORRUPT)]
    return reader.schema(", ".join(schema)).csv(raw), names


def good_rows(
    table: Table, skip_bad_rows: bool, kept: ExitStack
) -> tuple[DataFrame, int]:
    """The rows that are as expected, typed, and the number of others.

    Users and items are integers if all of them are written as integers are
    printed, and text otherwise; times are integers, numbers or dates.

    Args:
        table: what was read.
        skip_bad_rows: whether others are left out, which is said on stderr.
        kept: until when tables are kept.

    Raises:
        DataError: there are others, and they are not to be left out.
    """
    types = dict(table.frame.dtypes)
    frame = table.frame.drop("line").persist()
    kept.callback(frame.unpersist)
    time = _typed(frame, types["time"]) if "time" in types else None
    num_bad = _judged(frame, time).where("not is_good").count()
    if num_bad:
        bad = _judged(table.frame, time).where("not is_good")
        (line,) = bad.select("line").first()
        what = (
            f"{num_bad:,} of {frame.count():,} rows of {table.label} lack a "
            "user, an item or a time, have other fields than the header or "
            f"are no UTF-8, such as {line[:200]!r}"
        )
        if not skip_bad_rows:
            raise DataError(
                "Expected rows with a user, an item and a time. Received: "
                f"{what}; --skip_bad_rows leaves them out"
            )
        print(f"warning: left out: {what}", file=sys.stderr)
    found = _judged(frame, time).where("is_good")
    for role in ("user", "item"):
        if types[role] != "string" or _are_integers(found, role):
            found = found.withColumn(role, F.col(role).cast("bigint"))
    place = F.struct(_place_of_block(frame).alias("block"), "row")
    found = found.select(
        *("user", "item", place.alias("place")),
        *([] if time is None else ["time"]),
    ).persist()
    kept.callback(found.unpersist)
    return found, num_bad


def _judged(frame: DataFrame, time: Column | None) -> DataFrame:
    """Ids without white space at their ends, times typed, and `is_good`."""
    types = dict(frame.dtypes)
    is_good = F.col("is_whole")
    for role in ("user", "item"):
        if types[role] == "string":
            cut = F.regexp_replace(role, f"^{_SPACE}+|{_SPACE}+$", "")
            frame = frame.withColumn(role, cut)
            # What is no UTF-8 has become the character that stands for it,
            # two different ids one.
            is_good &= F.col(role).rlike(r"^[^\r\n\ufffd]+$")
        is_good &= F.col(role).isNotNull()
    if time is not None:
        frame = frame.withColumn("time", time)
        is_good &= F.col("time").isNotNull()
    return frame.withColumn("is_good", F.coalesce(is_good, F.lit(False)))


def _place_of_block(frame: DataFrame) -> Column:
    """Which block of all files, by name, a row comes from: a number."""
    blocks = frame.select("file", "block").distinct().collect()
    if len(blocks) < 2:
        return F.lit(0)
    key = F.concat_ws("|", "file", "block")
    pairs: list[Column] = []
    for place, (file, block) in enumerate(sorted(blocks)):
        pairs += [F.lit(f"{file}|{block}"), F.lit(place)]
    return F.create_map(*pairs)[key]


def seconds(rows: DataFrame) -> Column:
    """Times as numbers: dates as seconds since 1970, numbers as they are."""
    if dict(rows.dtypes)["time"] == "timestamp":
        return F.unix_micros("time") / F.lit(1e6)
    return F.col("time").cast("double")


def _typed(frame: DataFrame, kind: str) -> Column:
    """Times of the type that most rows have; null where one is not of it."""
    time = F.col("time")
    if kind in _WHOLE:
        return time.cast("bigint")
    if kind in _REAL:
        number = time.cast("double")
        return F.when(~F.isnan(number) & (F.abs(number) <= _EXACT), number)
    if kind in ("timestamp", "timestamp_ntz", "date"):
        return time.cast("timestamp")
    text = F.regexp_replace("time", f"^{_SPACE}+|{_SPACE}+$", "")
    whole = F.when(text.rlike(r"^[+-]?\d+$"), text.try_cast("bigint"))
    number = F.when(
        text.rlike(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"),
        text.try_cast("double"),
    )
    number = F.when(F.abs(number) <= _EXACT, number)
    iso = F.regexp_replace(text, "( UTC|z)$", "Z")
    iso = F.regexp_replace(iso, r"^(\d{4})/(\d\d?)/", "$1-$2-")
    date = F.when(iso.rlike(r"^\d{4}-"), F.try_to_timestamp(iso))
    wholes, numbers, dates = frame.select(
        F.count(whole), F.count(number), F.count(date)
    ).first()
    if dates > max(wholes, numbers):
        return date
    return whole if wholes >= numbers else number


def _are_integers(found: DataFrame, role: str) -> bool:
    """Whether each is written as an integer of 64 bits is printed."""
    value = F.col(role)
    is_one = value.rlike(r"^(0|-?[1-9][0-9]*)$") & (
        value.try_cast("bigint").isNotNull()
    )
    return found.where(~is_one).limit(1).count() == 0


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
