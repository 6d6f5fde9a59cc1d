"""The tables and figures of papers, found by name.

A target is a module in a folder of this package: `table2` is
`stackrec/table2.py`, and `cprec-table2` will be `cprec/table2.py`. It is data:

    NAME       of the files it writes
    TITLE      their heading
    KIND       how it is trained and written, of those in `experiments.kinds`
    HAS_OWN_RECIPES  where flags say protocol and seed alone
    USES       the flags it takes beside those that every target takes
    DEFAULTS   what these are if nobody says, by name; `make help` reads both
               from the source, USES first
    NAMES      its parts (`--settings`), where it has some
    PAPER      the paper's figures, where it has some
    CLAIMS     what the paper concludes from it, where it does
    rows(choices) -> list[Row]
"""

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from experiments.reporting.claims import Claim

# The papers whose targets have no prefix: the first one, and what the field
# publishes.
_WITHOUT_PREFIX = ("stackrec", "field")


def names() -> list[str]:
    """What `find` knows, in the order of their names."""
    return sorted(_modules())


def find(name: str) -> ModuleType:
    """The module of a target.

    Args:
        name: e.g. "table2".

    Raises:
        ValueError: there is none of that name.
    """
    known = _modules()
    if name not in known:
        raise ValueError(
            f"--target must be among {', '.join(sorted(known))}. "
            f"Received: {name}"
        )
    return importlib.import_module(f"{__name__}.{known[name]}")


def _modules() -> dict[str, str]:
    """Modules of targets, by the targets' names."""
    found = {}
    for path in Path(__file__).parent.glob("*/*.py"):
        if "\nKIND = " in path.read_text(encoding="utf-8"):
            paper = path.parent.name
            own = path.stem.replace("_", "-")
            name = own if paper in _WITHOUT_PREFIX else f"{paper}-{own}"
            found[name] = f"{paper}.{path.stem}"
    return found


def claims() -> dict[str, Sequence[Claim]]:
    """What papers conclude, by `NAME` of a target: of tables, then figures."""
    ordered = sorted(names(), key=lambda name: ("figure" in name, name))
    targets = [find(name) for name in ordered]
    own = [target.NAME for target in targets]
    if len(set(own)) < len(own):
        raise ValueError(
            "Expected a NAME of its own for each target: files are called by "
            f"it. Received: {', '.join(sorted(own))}"
        )
    return {target.NAME: getattr(target, "CLAIMS", ()) for target in targets}
