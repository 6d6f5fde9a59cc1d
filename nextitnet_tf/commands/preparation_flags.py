"""The flags that say how raw data are prepared, for any command that does.

A command calls `define_flags` once, and hands `given()` to
`preparation.prepare`:

    preparation_flags.define_flags(flags.FLAGS)
    ...
    prepare(raw, folder, **preparation_flags.given(flags.FLAGS))

Only flags that were given count, so that each format has its own defaults,
and so that a folder prepared in another way is not taken for the one asked
for.
"""

from collections.abc import Collection
from typing import Any

from absl import flags

from nextitnet_tf.preparation.columns import ALIASES
from nextitnet_tf.preparation.formats import FORMATS

flags.disclaim_key_flags()

COLUMN_FLAGS = (*(f"{role}_column" for role in ALIASES), "time")
NAMES = (
    "format",
    "columns",
    "separator",
    *COLUMN_FLAGS,
    "t",
    "min_users_per_item",
    "min_items_per_user",
    "filter_order",
    "iterate",
    "cut_from",
    "min_length",
    "keep_latest",
    "force",
)


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags `NAMES`, every one None until it is given.

    They count as the calling module's own: its `--help` shows them.
    """
    flags.DEFINE_enum(
        "format",
        None,
        ["auto", *FORMATS],
        "Format of the raw file: a csv of interactions or of sessions, "
        "MovieLens', RecBole's .inter, user_item and user_items as SASRec and "
        "S3-Rec publish them, parquet. The default, auto, tells it by the "
        "file's name and first line.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "columns",
        None,
        "Names of all columns, in order, of a csv file without a header, "
        "such as user,timestamp,item,category. By default its first line "
        "names them.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "separator",
        None,
        "What stands between the fields of a csv file, say ';' or 'tab'. The "
        "default is a comma.",
        flag_values=values,
    )
    define_column_flags(values)
    _define_filters(values)
    flags.DEFINE_bool(
        "keep_latest",
        None,
        "Shortens lines of a csv of sessions with more than t items to the "
        "latest t. By default they are an error.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "force",
        None,
        "Prepares the sessions again, whatever prepared sessions the folder "
        "holds. By default those prepared in another way are an error.",
        flag_values=values,
    )


def define_column_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags `COLUMN_FLAGS` alone, likewise."""
    for role, names in ALIASES.items():
        flags.DEFINE_string(
            f"{role}_column",
            None,
            f"Name of the {role} column. By default it is the one with a "
            f"usual name ({', '.join(names)}).",
            flag_values=values,
        )
    flags.DEFINE_enum(
        "time",
        None,
        ["auto", "file"],
        "Where the order of a user's items comes from. The default, auto, "
        "takes the order column or else the timestamps; file takes the order "
        "of the lines.",
        flag_values=values,
    )


def _define_filters(values: flags.FlagValues) -> None:
    def integer(name: str, text: str) -> None:
        flags.DEFINE_integer(name, None, text, flag_values=values)

    integer(
        "t",
        "Number of items in a row. The default is 20; of a csv of sessions, "
        "the fields of its widest line.",
    )
    integer(
        "min_users_per_item",
        "Drops items with fewer distinct users. The default is 10; 0 keeps "
        "all.",
    )
    integer(
        "min_items_per_user",
        "Drops users with fewer interactions. The default is 5; 0 keeps all.",
    )
    flags.DEFINE_list(
        "filter_order",
        None,
        "Which is filtered first. The default is items,users.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "iterate",
        None,
        "Filters until nothing goes any more. By default it filters once.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "cut_from",
        None,
        ["end", "start"],
        "Which end of a history gets whole rows. The default, end, cuts so "
        "that the latest items are in a whole row.",
        flag_values=values,
    )
    integer(
        "min_length",
        "Number of items in the shortest row that is kept. The default is 5.",
    )


def given(
    values: flags.FlagValues = flags.FLAGS,
    names: Collection[str] = NAMES,
) -> dict[str, Any]:
    """The choices that were made, as keyword arguments for `prepare`.

    Args:
        values: parsed flags.
        names: the choices that are of interest.

    Returns:
        Those of `names` that are not None, by name.
    """
    found = {name: values[name].value for name in names}
    if found.get("separator") in ("tab", "\\t"):
        found["separator"] = "\t"
    return {name: value for name, value in found.items() if value is not None}
