"""MovieLens: `ratings.csv` with a header, or `ratings.dat` with `::`."""

import os
import pathlib
from typing import Any

from nextitnet_tf.preparation.archives import base_name
from nextitnet_tf.preparation.archives import find_name
from nextitnet_tf.preparation.archives import member_names
from nextitnet_tf.preparation.errors import DataError
from nextitnet_tf.preparation.interactions import prepare_interactions
from nextitnet_tf.preparation.raw_files import RawFile

RATINGS = ("ratings.csv", "ratings.csv.gz", "ratings.dat", "ratings.dat.gz")
DAT_HEADER = ("UserID", "MovieID", "Rating", "Timestamp")


def prepare_movielens(
    raw: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    **options: Any,
) -> pathlib.Path:
    """Prepares MovieLens ratings as sessions; every rating is an interaction.

    Args:
        raw: `ml-20m.zip` or another release's archive, the folder it unpacks
            to, or its `ratings.csv` or `ratings.dat` (gzip too).
        folder: where the sessions go.
        **options: of `prepare_interactions`.

    Returns:
        The path of the folder.

    Raises:
        DataError: as `prepare_interactions`, or no ratings were found.
    """
    ratings = find_ratings(pathlib.Path(raw))
    return prepare_interactions(ratings, folder, **options)


def find_ratings(raw: pathlib.Path) -> RawFile:
    """Finds the ratings in an archive, a folder, or a file that holds them."""
    if raw.is_dir():
        # The folder itself, or what an archive unpacked into it.
        for pattern in ("*", "*/*"):
            paths = {str(path): path for path in raw.glob(pattern)}
            found = find_name(
                [name for name, path in paths.items() if path.is_file()],
                RATINGS,
            )
            if found is not None:
                return _ratings_file(paths[found])
    elif raw.suffix.lower() == ".zip":
        found = find_name(member_names(raw), RATINGS)
        if found is not None:
            return _ratings_file(raw, found)
    else:
        return _ratings_file(raw)
    raise DataError(
        f"Expected {' or '.join(RATINGS)} in {raw}. Received: none of them"
    )


def _ratings_file(path: pathlib.Path, member: str | None = None) -> RawFile:
    name = base_name(member or path.name)
    if name.removesuffix(".gz").endswith(".dat"):
        return RawFile(path, member, separator="::", header=DAT_HEADER)
    return RawFile(path, member)
