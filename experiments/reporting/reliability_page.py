"""docs/reliability.md: what is promised, the tests of it, and figures."""

import tomllib
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.reporting import columns
from experiments.reporting import written
from experiments.reporting.columns import Column

PROMISES = Path(__file__).with_name("promises.toml")
_HEAD = """\
# Reliability

What is promised, and the tests that would fail if it were not kept. This page
is generated (`make conclusions`) from `experiments/reporting/promises.toml`
and from what `make test-kill` and `make test-fuzz` have written into
`results/reliability/`.

"""


def make_page(results: Path) -> str:
    """The page.

    Args:
        results: folder of all results.
    """
    with open(PROMISES, "rb") as file:
        promises = tomllib.load(file)["promise"]
    table = _table(
        {
            "Promise": lambda promise: promise["what"],
            "Tests": lambda promise: ", ".join(
                f"`tests/{name}`" for name in promise["tests"]
            ),
        },
        promises,
    )
    folder = results / "reliability"
    parts = [_HEAD + table]
    kills, fuzz = (_read(folder / f"{name}.json") for name in ("kills", "fuzz"))
    with written.naming(folder):
        if kills:
            parts.append(_of_kills(kills))
        if fuzz:
            parts.append(_of_fuzz(fuzz))
    return "\n".join(parts)


def _table(cells: Mapping[str, Callable], records: Iterable) -> str:
    shown = [Column(title, cell, True) for title, cell in cells.items()]
    return "\n".join([*columns.table(shown, records), ""])


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    return written.read(path)


def _of_kills(found: dict[str, Any]) -> str:
    points = _table(
        {
            "Where": lambda place: place[0],
            "Processes ended": lambda place: str(place[1]),
        },
        found["by_point"].items(),
    )
    signals = ", ".join(f"{n} by SIG{k}" for k, n in found["by_signal"].items())
    return (
        "\n## Killed\n\n"
        f"`make test-kill`: {found['kills']} processes of `make train` (two "
        f"depths, the second stacked upon the first) ended, {signals}; after "
        f"them {found['finished']} came to their end, and "
        f"{len(found['problems'])} things were not as an undisturbed run "
        f"leaves them. {found['seconds'] / 60:.0f} minutes; commit "
        f"{found['commit']}.\n\n{points}"
    )


def _of_fuzz(found: dict[str, Any]) -> str:
    readers = _table(
        {
            "File": lambda one: f"`{one[0]}`",
            "Damaged files": lambda one: f"{one[1]['files']:,}",
            "Refused": lambda one: f"{one[1]['refused']:,}",
        },
        found["readers"].items(),
    )
    return (
        "\n## Damaged files\n\n"
        "`make test-fuzz`: each was read as what it still says, or refused by "
        "one error that names it, within 30 seconds; "
        f"{len(found['problems'])} were not. The process took at most "
        f"{found['peak_mib']:,} MiB; {found['seconds'] / 60:.0f} minutes; "
        f"commit {found['commit']}.\n\n{readers}"
    )
