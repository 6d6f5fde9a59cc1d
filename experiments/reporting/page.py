"""One page of everything that was measured.

The page is static: it needs no server, no network and no JavaScript, and can
be printed. What a file or a run says is text: nothing of it becomes html of
the page.
"""

import html
import struct
from collections.abc import Iterator
from collections.abc import Sequence
from pathlib import Path

from experiments.reporting import markdown
from experiments.reporting import written
from experiments.reporting.columns import Column
from nextitnet_tf import training

# Before everything else in a folder, in this order.
_ORDER = (
    *("table", "table3", "table4", "table5", "table6", "table7"),
    *("figure1", "figure2", "figure5", "figure6"),
)


def make_page(root: Path, folders: Sequence[Path]) -> str:
    """The whole page.

    Args:
        root: where the page will be; has README.md (`make conclusions`) and
            table1.md.
        folders: below it, those to show.

    Raises:
        ValueError: nothing to show there.
    """
    sections: list[tuple[str, str, str]] = []  # anchor, title, html
    for name, title in (("README", "Conclusions"), ("table1", "Data sets")):
        path = root / f"{name}.md"
        if path.is_file():
            text = _text(path)
            sections.append((name.lower(), title, markdown.to_html(text, 1)))
    for folder in folders:
        if not any((*folder.glob("*.md"), *folder.glob("*.png"))):
            continue
        body = "\n".join(_of_folder(folder, root))
        sections.append((folder.name, folder.name, body))
    if not sections:
        raise ValueError(
            "Expected results (README.md, folders with table.md, ...) in "
            f"--results. Received: results={str(root)!r}"
        )
    links = "\n".join(
        f'<li><a href="#{html.escape(anchor)}">{html.escape(title)}</a></li>'
        for anchor, title, _ in sections
    )
    bodies = "\n".join(
        f'<section>\n<h2 id="{html.escape(anchor)}">{html.escape(title)}</h2>'
        f"\n{body}\n</section>"
        for anchor, title, body in sections
    )
    return _document(links, bodies)


def _document(links: str, bodies: str) -> str:
    """Links and sections within the page around them."""
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>nextitnet_tf: results</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
<header>
<h1>nextitnet_tf: results</h1>
<p>What the commands of this project measured, beside the figures of the paper
(StackRec, SIGIR 2021). Every number here was written by a command;
<code>make report</code> made this page of their files. <span>Coloured</span>
differences are those whose 95 % range leaves out 0.</p>
<nav><ul>
{links}
</ul></nav>
</header>
<main>
{bodies}
</main>
</body>
</html>
"""


def _of_folder(folder: Path, root: Path) -> Iterator[str]:
    """Tables with their pictures, the other pictures, the runs."""
    pictures = sorted(folder.glob("*.png"))
    for path in sorted(folder.glob("*.md"), key=_rank):
        text = _text(path)
        yield f"<h3>{markdown.title_of(text)}</h3>"
        yield markdown.to_html(text, 2)
        own = [p for p in pictures if _belongs(p.stem, path.stem)]
        for picture in own:
            yield _figure(picture, root)
            pictures.remove(picture)
    for picture in sorted(pictures, key=_rank):
        yield f"<h3>{html.escape(_title_of(picture))}</h3>"
        yield _figure(picture, root)
    yield _runs(folder)


def _text(path: Path) -> str:
    with written.naming(path):
        text = path.read_text(encoding="utf-8")
        if not text.strip():
            raise ValueError("it is empty")
        return text


def _rank(path: Path) -> tuple[int, str]:
    stem = path.stem.partition("-")[0]
    place = _ORDER.index(stem) if stem in _ORDER else len(_ORDER)
    return place, path.stem


def _belongs(picture: str, text: str) -> bool:
    """Whether a picture is drawn from the same numbers as a text."""
    if picture == "convergence":
        return text == "table"
    return picture == text or picture.startswith(f"{text}-")


def _title_of(picture: Path) -> str:
    """What its numbers say it shows."""
    numbers = picture.with_suffix(".json")
    if numbers.is_file():
        found = written.read(numbers)
        if "title" in found:
            return str(found["title"])
    return picture.stem


def _figure(picture: Path, root: Path) -> str:
    width, height = _size(picture)
    source = html.escape(picture.relative_to(root).as_posix())
    title = html.escape(_title_of(picture))
    return (
        f'<figure><img src="{source}" width="{width}" height="{height}" '
        f'alt="{title}"><figcaption>{source}</figcaption></figure>'
    )


def _size(png: Path) -> tuple[int, int]:
    """Width and height, which a png says first."""
    with open(png, "rb") as file:
        head = file.read(24)
    if len(head) < 24 or head[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError(f"Expected a png file. Received: {png}")
    return struct.unpack(">II", head[16:24])


def _runs(folder: Path) -> str:
    """What was trained, by which code, on what, how long."""
    runs = training.read_all(folder / "runs")
    if not runs:
        return ""
    head = "".join(f"<th>{html.escape(c.title)}</th>" for c in _RUN_COLUMNS)
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<td data-label="{html.escape(c.title)}">'
            f"{html.escape(c.cell(run))}</td>"
            for c in _RUN_COLUMNS
        )
        + "</tr>"
        for run in runs
    )
    return (
        f"<h3>What was run</h3>\n<details><summary>{len(runs)} runs: seeds, "
        "steps, seconds (evaluations and compilation included, on a machine "
        "that may have been shared), device, commit, versions</summary>\n"
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
        "</table></details>"
    )


def _steps(run: training.Run) -> str:
    curve = run.summary["curve"]
    return f"{curve[-1]['step']:,}" if curve else ""


def _seconds(run: training.Run) -> str:
    seconds = run.summary.get("wall_seconds")
    return "" if seconds is None else f"{seconds:.0f}"


def _versions(run: training.Run) -> str:
    versions = run.summary.get("versions", {})
    return ", ".join(f"{name} {version}" for name, version in versions.items())


_RUN_COLUMNS = (
    Column("Run", lambda run: run.folder.name),
    Column("Seed", lambda run: str(run.summary.get("seed", ""))),
    Column("Steps", _steps),
    Column("Seconds", _seconds),
    Column("Device", lambda run: run.summary.get("device") or "not recorded"),
    Column("Commit", lambda run: run.summary.get("commit") or "not recorded"),
    Column("Versions", _versions),
)
