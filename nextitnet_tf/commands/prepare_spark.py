r"""Prepares interactions as sessions on a Spark cluster.

Examples:

  nextitnet-tf prepare-spark --raw=clicks.parquet --output=data/clicks \
      --master='local[8]'
  nextitnet-tf prepare-spark --raw=hdfs://lake/clicks --output=/shared/clicks \
      --master=spark://host:7077 --t=50

For more interactions than the memory of one machine holds. What it writes is
what `nextitnet-tf prepare` would write, byte for byte. --raw is csv (gzip too)
or parquet: a file, a folder or a pattern. --output must be a folder that the
driver and all executors see, as on a shared file system.

Rows without a user, an item or a time, or with other fields than the header,
are an error, which says how many they are; --skip_bad_rows leaves them out.
Needs Java and pip install 'nextitnet_tf[spark]'.
"""

import os
import pathlib
import shutil
import time

from absl import flags

from nextitnet_tf.commands import frame
from nextitnet_tf.commands import preparation_flags
from nextitnet_tf.preparation import sessions

# What a table has no need of.
_NOT_HERE = ("format", "keep_latest")


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this command."""

    def string(name: str, default: str | None, text: str) -> None:
        flags.DEFINE_string(name, default, text, flag_values=values)

    string("raw", None, "File, folder or pattern of csv or parquet to read.")
    string("output", None, "Folder to write.")
    flags.mark_flags_as_required(["raw", "output"], flag_values=values)
    string(
        "master", "local[*]", "Where Spark runs: local[4], spark://..., yarn"
    )
    string("source", None, "Name of the data; the default is the file's name.")
    flags.DEFINE_boolean(
        "skip_bad_rows",
        False,
        "Leaves out rows that are not as expected, and says how many.",
        flag_values=values,
    )
    preparation_flags.define_flags(values)


def missing() -> str | None:
    """What must be installed before Spark runs here; None where nothing."""
    try:
        import pyarrow  # noqa: F401
        import pyspark  # noqa: F401
    except ImportError as error:
        return f"{error.name}: pip install 'nextitnet_tf[spark]'"
    home = os.environ.get("JAVA_HOME", "")
    if not (shutil.which("java") or pathlib.Path(home, "bin/java").is_file()):
        return "Java: apt-get install openjdk-17-jre-headless"
    return None


def main(values: flags.FlagValues = flags.FLAGS) -> None:
    lacking = missing()
    if lacking:
        raise ValueError(f"Spark needs {lacking}")
    names = [n for n in preparation_flags.NAMES if n not in _NOT_HERE]
    for name in _NOT_HERE:
        if values[name].value is not None:
            raise ValueError(
                "Expected interactions, in csv or parquet. Received: "
                f"--{name}={values[name].value}"
            )
    options = preparation_flags.given(values, [*names, "source"])
    from nextitnet_tf.preparation import spark

    start = time.perf_counter()
    folder = pathlib.Path(values["output"].value)
    with spark.session(values["master"].value) as session:
        spark.prepare(
            session,
            values["raw"].value,
            folder,
            skip_bad_rows=values["skip_bad_rows"].value,
            **options,
        )
    meta = sessions.read_meta(folder)
    for count in meta["counts"]:
        print(
            f"  {count['step']:>8}: {count['interactions']:,} interactions, "
            f"{count['users']:,} users, {count['items']:,} items"
        )
    print(
        f"  {folder}: {meta['num_rows']:,} rows of t={meta['t']}, "
        f"{meta['num_users']:,} users, {meta['num_items']:,} items\n"
        f"  {time.perf_counter() - start:.1f} s"
    )


def run() -> None:
    """Runs the command with the flags of the command line."""
    define_flags(flags.FLAGS)
    frame.run(main, interrupted="nothing was written")
