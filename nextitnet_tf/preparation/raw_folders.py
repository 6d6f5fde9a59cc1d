"""Folders of raw files that are one table, as Spark writes them."""

import dataclasses
import hashlib
import os
import pathlib

from nextitnet_tf.preparation.raw_files import RawFile


@dataclasses.dataclass(frozen=True)
class Parts(RawFile):
    """A folder whose files are parts of one table.

    Args:
        path: of the folder.
    """

    def files(self) -> list[pathlib.Path]:
        """All files below the folder, in order; no hidden or marking ones."""
        found, entered = [], set()
        for folder, names, files in os.walk(self.path, followlinks=True):
            here = os.path.realpath(folder)
            # What links to a folder above has no end.
            names[:] = [] if here in entered else filter(_counts, names)
            if here not in entered:
                found += [pathlib.Path(folder, f) for f in files if _counts(f)]
            entered.add(here)
        return sorted(found)

    def facts(self) -> dict[str, str | int]:
        """Name, size and sha256 of all parts and their names."""
        digest, size = hashlib.sha256(), 0
        for path in self.files():
            found = RawFile(path).facts()
            name = path.relative_to(self.path).as_posix()
            digest.update(f"{name}\0{found['sha256']}\n".encode())
            size += int(found["bytes"])
        name = self.path.resolve().name
        return {"name": name, "bytes": size, "sha256": digest.hexdigest()}


def _counts(name: str) -> bool:
    return not name.startswith((".", "_"))


def are_parquet(path: pathlib.Path) -> bool:
    """Whether a folder has parquet files, by their names."""
    return any(file.suffix == ".parquet" for file in Parts(path).files())


def digests(raw: str | os.PathLike[str], names: list[str]) -> list[str] | None:
    """The sha256 of raw data that `meta.json` tells of, as they are now.

    Args:
        raw: the file or folder.
        names: what `meta.json` calls its files.

    Returns:
        One a name; None where it is not there.
    """
    path = pathlib.Path(raw)
    if not path.is_dir():
        files = [RawFile(path)] if path.is_file() else []
    elif names == [path.resolve().name]:
        files = [Parts(path)]
    else:
        files = [RawFile(path / name) for name in names]
        files = [file for file in files if file.path.is_file()]
    if len(files) != len(names):
        return None
    return [str(file.facts()["sha256"]) for file in files]
