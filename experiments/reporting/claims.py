"""Which conclusions of a paper hold in our results.

A table states its claims beside its rows, as `CLAIMS`; here they are measured
in every folder of results, and written down.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

from experiments.reporting import kept_commands
from experiments.reporting import written

HEAD = """\
# What the results say

Written by `make conclusions` from the tables and figures in the folders here,
which `make reproduce-table2`, `-table3`, ... wrote from the runs below them;
`index.html` (`make report`) has them all on one page. MRR@5 on the test
sessions, means over seeds; a difference is followed by its 95 % range over
users and seeds (paired; Student's t, so that three seeds that differ make it
as wide as three seeds must), where all ranks of both sides were kept.
**holds**: the difference is on the paper's side and the range
leaves out 0. **does not hold**: it is on the other side, and so is the range.
**not told apart**: anything else. A verdict takes three seeds: **one seed**
or **two seeds** stand where there are no more. Where there is no difference,
one verdict in twenty is by chance.
"""


# What a reader asks first, in this order.
QUESTIONS = {
    "counting": "Does a trained model beat counting?",
    "depth": "What does depth give?",
    "stacking": "What does stacking give?",
    "compression": "What does storing small cost?",
    "skipping": "What does skipping blocks cost?",
    "newer": "What does going on with newer data give?",
}
# Lines that answer one on a data set, at most.
_ANSWERS = 4


@dataclass(frozen=True)
class Claim:
    """What a paper concludes from a table or a figure.

    Attributes:
        title: the conclusion, as a sentence without its full stop.
        paper: where the paper has it, and its numbers; "" where no paper does.
        measured_by: functions of `comparisons`, each of which tells a part.
        about: which groups of the table it is about: values by key, a tuple
            for any of its values. Figures have none.
        answers: of `QUESTIONS`, the one that it answers; "" for none.
    """

    title: str
    paper: str
    measured_by: Sequence[Callable[..., Iterator[str]]]
    about: Mapping[str, Any] = field(default_factory=dict)
    answers: str = ""


_GENERATED = (
    "These sessions are generated, by a law that is more than a narrow shallow "
    "model can hold: what holds here holds where depth pays, and says nothing "
    "of people."
)


def write_up(
    folders: Sequence[Path], claims: Mapping[str, Sequence[Claim]]
) -> str:
    """The whole document.

    Args:
        folders: of results, one a data set.
        claims: by the name of the files of a table or figure: NAME.json, or
            NAME-*.json where it has several.

    Raises:
        ValueError: no tables there.
    """
    parts: list[str] = []
    answers: dict[str, list[str]] = {question: [] for question in QUESTIONS}
    for folder in folders:
        sections = list(_sections(folder, claims, answers))
        if sections:
            parts += [f"## {folder.name}", "", *sections]
    if not parts:
        raise ValueError(
            "Expected tables in folders of --results. Received: "
            f"{', '.join(map(str, folders)) or 'no folder'}"
        )
    return "\n".join([HEAD, *_in_short(answers), *parts])


def _in_short(answers: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """What a reader asks first, as far as something was measured."""
    yield from ("## In short", "")
    for name, question in QUESTIONS.items():
        said = answers[name] or ["- Not measured yet."]
        yield from (f"**{question}**", "", *said, "")


def _sections(
    folder: Path,
    claims: Mapping[str, Sequence[Claim]],
    answers: Mapping[str, list[str]],
) -> Iterator[str]:
    """What was measured of each claim; adds the first of it to `answers`."""
    contents = {name: _read(folder, name) for name in claims}
    with written.naming(folder):
        is_generated = any(
            "law" in c.get("data", {}) for of in contents.values() for c in of
        )
    if is_generated:
        yield from (_GENERATED, "")
    yield from _made_by(folder)
    for name, of_name in claims.items():
        for claim in of_name:
            with written.naming(folder / f"{name}.json"):
                told = [
                    list(measure(contents[name], claim.about))
                    for measure in claim.measured_by
                ]
            if any(told):
                yield from (f"### {claim.title}?", "")
                if claim.paper:
                    yield from (f"The paper, {claim.paper}", "")
            for lines in filter(None, told):
                yield from (*lines, "")
            if claim.answers:
                said = [
                    line
                    for lines in told
                    for line in lines
                    if line and not line.startswith("|")
                ]
                answers[claim.answers].extend(
                    f"- {folder.name}: {line.removeprefix('- ')}"
                    for line in said[:_ANSWERS]
                )


def _made_by(folder: Path) -> Iterator[str]:
    """The commands that made what is in a folder, where they are known."""
    lines = kept_commands.read(folder).values()
    if lines:
        yield from ("Made by", "", "```", *lines, "```", "")


def _read(folder: Path, name: str) -> list[dict[str, Any]]:
    paths = [folder / f"{name}.json", *sorted(folder.glob(f"{name}-*.json"))]
    return [written.read(path) for path in paths if path.is_file()]
