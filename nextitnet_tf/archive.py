"""What a .keras file claims, checked against what it holds.

Nothing of it is built before: a model of ten million columns whose weights
take a kilobyte would take all memory first, and fail then.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras

from nextitnet_tf import memory

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
# Text of a configuration, and files of an archive, at most.
_LONGEST_CONFIG = 1 << 24
_MOST_FILES = 1000
# A whole archive may be packed again, by people's tools, but not so tightly.
_MOST_PACKED = 200
# Numbers that a file holds at most: two of four bits are a byte, and what is
# so small does no harm.
_NUMBERS_A_BYTE = 2
_SMALL = 1 << 20
# Groups in groups of weights.
_DEEPEST = 30
# Of its arguments, those that no weight answers for.
_FREE = ("seed", "kernel_seed", "shared_object_id")
# What Keras has that is no layer and no model: those can be of any size.
_MODULES = (
    *("builtins", "keras", "keras.dtype_policies", "keras.initializers"),
    *("keras.losses", "keras.metrics", "keras.optimizers"),
    *("keras.optimizers.legacy", "keras.optimizers.schedules"),
    *("keras.quantizers", "keras.regularizers", "keras.constraints"),
)
_MODELS_OF_KERAS = ("Model", "Functional", "Sequential")


class Suspicious(ValueError):
    """A file that claims what it does not hold."""


def check_members(archive: zipfile.ZipFile, path: Path) -> None:
    """Names and sizes, before anything is unpacked.

    Raises:
        Suspicious: paths that lead out of a folder, too many or too large
            files.
    """
    infos = archive.infolist()
    if len(infos) > _MOST_FILES:
        raise Suspicious(f"it has {len(infos):,} files")
    for info in infos:
        parts = info.filename.replace("\\", "/").split("/")
        if ".." in parts or not parts[0] or ":" in parts[0]:
            raise Suspicious(f"it has a file {info.filename!r}")
    size = sum(info.file_size for info in infos)
    if size > _MOST_PACKED * max(path.stat().st_size, 1 << 20):
        raise Suspicious(f"it would grow to {size:,} bytes")
    if archive.getinfo(CONFIG).file_size > _LONGEST_CONFIG:
        raise Suspicious(f"its {CONFIG} is no text of a model")


def check_claims(archive: zipfile.ZipFile) -> str:
    """What the configuration says of the weights.

    Args:
        archive: its members checked, each whole.

    Returns:
        The name of the model's class.

    Raises:
        Suspicious: the weights are not those of such a model.
        ValueError: the configuration is none.
    """
    config = json.loads(archive.read(CONFIG))
    name = str(config["class_name"])
    kind = keras.saving.get_registered_object(config.get("registered_name"))
    if kind is not None and not hasattr(kind, "recommend"):
        raise Suspicious(f"it holds a {name}, which recommends nothing")
    for part in _parts(config):
        _check_class(part)
    num_weights = _check_weights(archive)
    limit = _SMALL + _NUMBERS_A_BYTE * archive.getinfo(WEIGHTS).file_size
    for part in _parts(config):
        _check_sizes(part.get("config"), limit, num_weights)
    return name


def _parts(value: Any) -> Iterator[dict]:
    """All objects that a configuration describes, the outer one first."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _parts(inner)


def _check_class(part: dict) -> None:
    """Nothing is imported because a file says so."""
    module, registered = part.get("module"), part.get("registered_name")
    if keras.saving.get_registered_object(registered) is not None:
        return
    name = part["class_name"]
    if name in _MODELS_OF_KERAS or str(module).startswith("keras.layers"):
        raise Suspicious(
            f"it holds a {name} of Keras: expected models and layers that are "
            "registered"
        )
    if module is not None and module not in _MODULES:
        raise Suspicious(
            f"it names {module}.{name}, which is not registered "
            "(import the module that defines it first)"
        )


def _check_sizes(config: Any, limit: int, num_weights: int) -> None:
    """Counts and widths of a model are of weights that are there."""
    if not isinstance(config, dict) or "num_items" not in config:
        return
    for name, value in config.items():
        for number in value if isinstance(value, list) else [value]:
            if type(number) is int and name not in _FREE and number > limit:
                raise Suspicious(
                    f"{name}={number:,}, for which its weights are too few"
                )
    sizes = {name: v for name, v in config.items() if type(v) is int}
    columns, width = sizes.get("num_items", 0), sizes.get("embedding_dim", 0)
    for name in ("num_items", "num_users"):
        needed = sizes.get(name, 0) * width
        # Few ranks stand for a whole table, which must still fit.
        most = memory.available() // 4 if config.get("compression") else limit
        if needed > most:
            raise Suspicious(
                f"{name}={sizes[name]:,} of embedding_dim={width:,}, for which "
                "its weights are too few"
            )
    if sizes.get("num_blocks", 0) > num_weights:
        raise Suspicious(
            f"num_blocks={sizes['num_blocks']:,} with {num_weights} weights"
        )
    compression = config.get("compression")
    for name, needed in _least(sizes, bool(compression)).items():
        if needed > limit:
            raise Suspicious(
                f"{name}={sizes[name]:,} of embedding_dim={width:,}, for which "
                "its weights are too few"
            )
    if not 0 <= sizes.get("padding_id", 0) <= columns:
        raise Suspicious(
            f"padding_id={sizes['padding_id']:,}, none of the columns 0 to "
            f"{columns:,}"
        )


def _least(sizes: dict[str, int], may_share: bool) -> dict[str, int]:
    """Numbers that a model has at least in the layers between items.

    Args:
        sizes: arguments of the model that are integers.
        may_share: whether blocks may have one kernel among them.
    """
    width = sizes.get("embedding_dim", 0)
    depth = sizes.get("num_blocks") or sizes.get("num_layers") or 0
    found = {
        name: sizes[name] * width
        for name in ("max_length", "num_horizontal", "num_vertical", "window")
        if name in sizes
    }
    if depth:
        kernel = sizes.get("kernel_size", 1) * width * width
        found["embedding_dim"] = kernel * (1 if may_share else depth)
    return found


def _check_weights(archive: zipfile.ZipFile) -> int:
    """How many arrays there are, all of them in this very file."""
    size = archive.getinfo(WEIGHTS).file_size
    count = 0
    with archive.open(WEIGHTS) as member, h5py.File(member, "r") as file:
        groups: list[tuple[int, Any]] = [(0, file)]
        while groups:
            depth, group = groups.pop()
            if depth > _DEEPEST:  # a group may hold itself
                raise Suspicious("its weights lie too deep")
            for name in group:
                link = group.get(name, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    raise Suspicious(f"its weights are linked from {name}")
                found = group[name]
                if isinstance(found, h5py.Group):
                    groups.append((depth + 1, found))
                    continue
                count += 1
                if found.external or found.is_virtual or found.nbytes > size:
                    raise Suspicious(f"it does not hold its weights {name}")
    return count
