"""Interactions -> sessions on Spark, for more than one machine's memory holds.

The same filters, order, chunks and numbers as `prepare_interactions`, said in
Spark's DataFrames; what comes out is the same folder, byte for byte. Whatever
grows with the interactions stays in Spark. Its rows, in order, come to the
driver a block at a time, which writes them; the items are held there, too.
"""

import contextlib
import logging
import os
import pathlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
from pyarrow import parquet
from pyspark.sql import DataFrame
from pyspark.sql import SparkSession
from pyspark.sql import Window
from pyspark.sql import functions as F

from nextitnet_tf.preparation import session_blocks
from nextitnet_tf.preparation import sessions
from nextitnet_tf.preparation import spark_tables
from nextitnet_tf.preparation.choices import Choices
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.raw_files import RawFile
from nextitnet_tf.preparation.replacing import replacing

_ROWS_A_BLOCK = 1 << 16


def prepare(
    spark: SparkSession,
    raw: str,
    folder: str | os.PathLike[str],
    *,
    skip_bad_rows: bool = False,
    force: bool = False,
    source: str | None = None,
    **choices: Any,
) -> pathlib.Path:
    """Prepares interactions as sessions on disk, on a Spark cluster.

    Args:
        spark: the session; its time zone must be UTC (`session`).
        raw: csv (gzip too) or parquet: a file, a folder or a pattern, local or
            of any file system that the cluster reads.
        folder: where the sessions go, which the driver and, while it works,
            all executors see. Prepared in this very way already, it is left.
        skip_bad_rows: leaves out rows that are not as expected, and says how
            many, instead of refusing all.
        force: prepare again, whatever prepared sessions `folder` holds.
        source: what `meta.json` calls the data; by default the file's name.
        **choices: attributes of `Choices`.

    Returns:
        The path of the folder.

    Raises:
        DataError: as `prepare_interactions`; rows that are not as expected,
            with their number and one of them.
    """
    plan = Choices(**choices)
    zone = spark.conf.get("spark.sql.session.timeZone")
    if zone != "UTC":
        raise DataError(
            "Expected a session of Spark whose spark.sql.session.timeZone is "
            f"UTC, as dates without a time zone are taken. Received: {zone}"
        )
    with spark_tables.naming_errors(), contextlib.ExitStack() as kept:
        table = spark_tables.read(spark, raw, plan)
        facts = _facts(raw)
        written = plan.written(table.columns)
        if facts and sessions.is_prepared(
            folder, written, [fact["sha256"] for fact in facts], force=force
        ):
            return pathlib.Path(folder)
        found, num_bad = spark_tables.good_rows(table, skip_bad_rows, kept)
        steps = _Steps(raw)
        steps.add("read", found)
        left = _cut(_filtered(found, plan, steps, kept), plan, kept)
        steps.add("cut", left, f"min_length={plan.min_length}")
        meta = {
            "source": source or pathlib.PurePath(raw.rstrip("/")).name,
            "raw": facts,
            "choices": written,
            "counts": steps.counts,
            **({"skipped_rows": num_bad} if num_bad else {}),
        }
        is_time = table.columns.is_timestamp
        with replacing(pathlib.Path(folder), force) as new:
            _write(new, left, plan, meta, is_time, kept)
    return pathlib.Path(folder)


def session(master: str) -> SparkSession:
    """A session of Spark as `prepare` wants it.

    Args:
        master: where it runs: "local[4]", "spark://host:7077", "yarn", ...
    """
    spark = (
        SparkSession.builder.master(master)
        .appName("nextitnet-tf prepare")
        .config("spark.sql.session.timeZone", "UTC")
        .getOrCreate()
    )
    # What goes wrong is told once, by the error.
    spark.sparkContext.setLogLevel("OFF")
    logging.getLogger("DataFrameQueryContextLogger").setLevel("CRITICAL")
    return spark


def _facts(raw: str) -> list[dict[str, Any]]:
    """Name, size and sha256 of the raw files, as far as they are local."""
    path = pathlib.Path(raw)
    if path.is_file():
        return [RawFile(path).facts()]
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
        shown = [p for p in files if not p.name.startswith((".", "_"))]
        return [RawFile(p).facts() for p in shown]
    return []


class _Steps:
    """What each step left, for meta.json.

    Args:
        label: what messages call the data.
    """

    def __init__(self, label: str):
        self._label = label
        self.counts: list[dict[str, Any]] = []

    def add(self, step: str, left: DataFrame, choice: str = "") -> None:
        """Counts what is left after a step; raises where nothing is."""
        users, items, count = left.agg(
            F.countDistinct("user"), F.countDistinct("item"), F.count("*")
        ).first()
        self.counts.append(
            {
                "step": step,
                "users": users,
                "items": items,
                "interactions": count,
            }
        )
        if not count:
            raise DataError(
                f"Expected interactions of {self._label} to be left after "
                f"step {step!r} ({choice}). Received: none of "
                f"{self.counts[0]['interactions']}"
                if choice
                else f"Expected interactions. Received: {self._label}, empty"
            )

    @property
    def num_left(self) -> int:
        """Interactions after the last step."""
        return self.counts[-1]["interactions"]


def _filtered(
    found: DataFrame, plan: Choices, steps: _Steps, kept: ExitStack
) -> DataFrame:
    """Without items of few distinct users and users of few interactions."""
    while True:
        before = steps.num_left
        for step in plan.filter_order:
            if step == "items":
                least, name = plan.min_users_per_item, "min_users_per_item"
                column, count = "item", F.countDistinct("user")
            else:
                least, name = plan.min_items_per_user, "min_items_per_user"
                column, count = "user", F.count("*")
            if least > 1:
                counted = found.groupBy(column).agg(count.alias("count"))
                enough = counted.where(F.col("count") >= least)
                found = _kept(
                    found.join(enough.select(column), column, "left_semi"), kept
                )
            steps.add(step, found, f"{name}={least}")
        if not plan.iterate or steps.num_left == before:
            return found


def _cut(found: DataFrame, plan: Choices, kept: ExitStack) -> DataFrame:
    """Each user's history in chunks of t, short ones dropped.

    Adds `chunk`, from the oldest, `length`, of the chunk, and `rank`, of the
    interaction in the history.
    """
    of_user = Window.partitionBy("user")
    has_time = "time" in found.columns
    in_time = of_user.orderBy(*(["time"] if has_time else []), "place")
    t = plan.t
    ranked = found.select(
        *found.columns,
        (F.row_number().over(in_time) - 1).alias("rank"),
        F.count("*").over(of_user).alias("size"),
    )
    num_chunks = F.ceil(F.col("size") / t)
    if plan.cut_from == "end":
        from_end = F.floor((F.col("size") - 1 - F.col("rank")) / t)
        chunk, short = num_chunks - 1 - from_end, F.lit(0)
    else:
        chunk, short = F.floor(F.col("rank") / t), num_chunks - 1
    left_over = F.col("size") - (num_chunks - 1) * t
    length = F.when(chunk == short, left_over).otherwise(t)
    cut = ranked.select(
        *(["time"] if has_time else []),
        *("user", "item", "rank"),
        chunk.cast("int").alias("chunk"),
        length.cast("int").alias("length"),
    )
    return _kept(cut.where(F.col("length") >= plan.min_length), kept)


def _write(
    new: pathlib.Path,
    left: DataFrame,
    plan: Choices,
    meta: dict[str, Any],
    is_time: bool,
    kept: ExitStack,
) -> None:
    """Numbers the items, lays out rows in order, and writes the folder."""
    by_count = Window.orderBy(F.col("count").desc(), F.col("item"))
    items = _kept(
        left.groupBy("item")
        .count()
        .select("item", "count", F.row_number().over(by_count).alias("id")),
        kept,
    )
    rows = (
        left.join(items.select("item", "id"), "item")
        .groupBy("user", "chunk", "length")
        .agg(
            F.sort_array(F.collect_list(F.struct("rank", "id"))).alias("found"),
            *([F.max("time").alias("time")] if is_time else []),
        )
    )
    ids = F.concat(
        F.array_repeat(F.lit(0), plan.t - F.col("length")),
        F.transform("found", lambda one: one["id"]),
    )
    ordered = rows.orderBy("user", "chunk").select(
        "user",
        ids.cast("array<int>").alias("ids"),
        *([spark_tables.seconds(rows).alias("time")] if is_time else []),
    )
    # Beside what becomes the folder: it goes with the rest of the work.
    parts = new.parent / "rows"
    ordered.write.parquet(parts.resolve().as_uri())
    files = sorted(parts.glob("part-*.parquet"))
    num_rows = sum(parquet.read_metadata(file).num_rows for file in files)
    numbered = items.orderBy("id").select("item", "count").toLocalIterator()
    raw_ids, counts = zip(*numbered, strict=True)
    session_blocks.write(
        new,
        _blocks(files, plan.t),
        (num_rows, plan.t),
        raw_ids,
        counts,
        meta,
        has_times=is_time,
    )


def _blocks(
    files: list[pathlib.Path], t: int
) -> Iterator[session_blocks.Block]:
    """Rows in order; users are numbered as they come."""
    last, number = None, -1
    for file in files:
        for batch in parquet.ParquetFile(file).iter_batches(_ROWS_A_BLOCK):
            users = batch["user"].to_numpy(zero_copy_only=False)
            if not len(users):
                continue
            is_new = np.ones(len(users), bool)
            is_new[1:] = users[1:] != users[:-1]
            is_new[0] = users[0] != last
            numbers = number + np.cumsum(is_new)
            last, number = users[-1], int(numbers[-1])
            times = None
            if "time" in batch.schema.names:
                times = batch["time"].to_numpy(zero_copy_only=False)
            ids = batch["ids"].flatten().to_numpy(zero_copy_only=False)
            yield session_blocks.Block(ids.reshape(-1, t), numbers, times)


def _kept(frame: DataFrame, kept: ExitStack) -> DataFrame:
    """A table that is computed once, until all is done."""
    frame = frame.persist()
    kept.callback(frame.unpersist)
    return frame
