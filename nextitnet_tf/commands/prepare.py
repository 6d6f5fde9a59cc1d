r"""Prepares raw files as sessions on disk.

Examples:

  nextitnet-tf prepare --raw=ml-20m.zip --output=data/ml20
  nextitnet-tf prepare --raw=clicks.csv.gz --output=data/clicks \
      --user_column=who --item_column=what --timestamp_column=when --t=30
  nextitnet-tf prepare --raw=clicks.dat --output=data/clicks \
      --columns=user,timestamp,item,category
  nextitnet-tf prepare --raw=sessions.csv --output=data/sessions \
      --format=sessions

The first reads MovieLens ratings. The second reads any csv file with a
header; without the column flags it looks for usual names (user_id, movieId,
timestamp, order, ...). The third reads a csv file without a header. The last
reads one session a line, items separated by commas, oldest first. All may be
gzip files. A folder that was prepared in the same way is left as it is.
"""

import pathlib
import time

from absl import flags

from nextitnet_tf.commands import frame
from nextitnet_tf.commands import preparation_flags
from nextitnet_tf.preparation import prepare
from nextitnet_tf.preparation import sessions


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this command.

    Not on import: `experiments` imports this module and has flags of its own.
    """

    def string(name: str, text: str) -> None:
        flags.DEFINE_string(name, None, text, flag_values=values)

    string("raw", "File, folder or archive to read.")
    string("output", "Folder to write.")
    flags.mark_flags_as_required(["raw", "output"], flag_values=values)
    string("source", "Name of the data. The default is the file's name.")
    preparation_flags.define_flags(values)


def main(values: flags.FlagValues = flags.FLAGS) -> None:
    options = preparation_flags.given(
        values, [*preparation_flags.NAMES, "source"]
    )
    folder = pathlib.Path(values["output"].value)
    written = _written(folder)
    start = time.perf_counter()
    prepare(values["raw"].value, values["output"].value, **options)
    meta = sessions.read_meta(folder)
    seconds = time.perf_counter() - start
    if written is not None and _written(folder) == written:
        print(f"{folder} is already prepared in this way:")
    for count in meta.get("counts", []):
        print(
            f"  {count['step']:>8}: {count['interactions']:,} interactions, "
            f"{count['users']:,} users, {count['items']:,} items"
        )
    print(
        f"  {folder}: {meta['num_rows']:,} rows of t={meta['t']}, "
        f"{meta['num_users']:,} users, {meta['num_items']:,} items"
    )
    if _written(folder) != written:
        rate = meta["counts"][0]["interactions"] / seconds
        print(f"  {seconds:.1f} s, {rate:,.0f} interactions/s")


def _written(folder: pathlib.Path) -> int | None:
    try:
        return (folder / "meta.json").stat().st_mtime_ns
    except OSError:
        return None


def run() -> None:
    """Runs the command with the flags of the command line."""
    define_flags(flags.FLAGS)
    frame.run(main, interrupted="nothing was written")
