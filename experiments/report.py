r"""One page of everything that was measured.

  python -m experiments.report --results=results

Gathers what the other commands wrote below RESULTS into RESULTS/index.html:
which of the papers' conclusions hold, every table with the paper's figures
beside ours, every picture, and what was run where. The page is static: it
needs no server, no network and no JavaScript, and can be printed. Keep it
beside the folders, whose pictures it shows.
"""

import html
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from absl import flags
from markdown_it import MarkdownIt
from markdown_it.token import Token

from experiments import command  # first: it quietens TensorFlow
from experiments import flags as shared
from nextitnet_tf import atomic_files

flags.declare_key_flag("results")

# Before everything else in a folder, in this order.
_ORDER = (
    *("table", "table3", "table4", "table5", "table6", "table7"),
    *("figure1", "figure2", "figure5", "figure6"),
)
_VERDICTS = {
    "holds": "good",
    "does not hold": "bad",
    "not told apart": "open",
}
_STYLE = """\
:root { --line: #d8dde3; --soft: #5b6673; --good: #0b6b3a; --bad: #a3271d; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 84rem; padding: 1rem 1.25rem 4rem;
  font: 16px/1.5 system-ui, sans-serif; color: #1c232b; background: #fff; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.35rem; margin: 2.5rem 0 .5rem; padding-top: .75rem;
  border-top: 2px solid var(--line); }
h3 { font-size: 1.1rem; margin: 1.75rem 0 .5rem; }
h4 { font-size: 1rem; margin: 1.25rem 0 .4rem; }
p, li { max-width: 46rem; overflow-wrap: anywhere; }
ul { padding-left: 1.2rem; } .notes { color: var(--soft); font-size: .85rem; }
nav ul { columns: 14rem; padding: 0; list-style: none; }
a { color: #0b57a4; } code { font-size: .9em; overflow-wrap: anywhere; }
figure { margin: 1rem 0; } figcaption { color: var(--soft); font-size: .85rem; }
img { max-width: 100%; height: auto; border: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; font-size: .8rem;
  margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .45rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { overflow-wrap: normal; hyphens: auto; font-weight: 600; }
td.number { white-space: nowrap; }
td.marked, td.good { color: var(--good); font-weight: 600; }
td.bad { color: var(--bad); font-weight: 600; }
td.open { color: var(--soft); }
summary { cursor: pointer; color: #0b57a4; margin: .5rem 0; }
@media screen and (max-width: 1100px) {
  table, tbody, tr, td { display: block; width: 100%; }
  thead { position: absolute; left: -200rem; }
  tr { border: 1px solid var(--line); border-radius: .4rem; padding: .4rem;
    margin: .6rem 0; }
  td, td.number { border: 0; padding: .1rem .2rem; white-space: normal;
    display: grid; grid-template-columns: 9rem 1fr; }
  td::before { content: attr(data-label); color: var(--soft); }
  td:empty { display: none; }
}
@page { size: A4 landscape; margin: 12mm; }
@media print {
  body { max-width: none; font-size: 9pt; padding: 0; }
  nav, summary { display: none; }
  table { font-size: 6.5pt; } td, th { padding: .1rem .25rem; }
  td, td.number { white-space: normal; }
  tr, figure { break-inside: avoid; } h1, h2, h3, h4 { break-after: avoid; }
  img { width: auto; max-height: 150mm; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""


def main() -> None:
    root = Path(shared.RESULTS.value)
    page = make_page(root)
    atomic_files.write_text(root / "index.html", page)
    print(
        f"{root / 'index.html'}: {page.count('<table')} tables, "
        f"{page.count('<img')} pictures"
    )


def make_page(root: Path) -> str:
    """The whole page.

    Args:
        root: has README.md (`make conclusions`), and a folder for each data
            set.

    Raises:
        ValueError: nothing to show there.
    """
    folders = sorted(
        path
        for path in root.glob("*/")
        # What the quickstart generates is no result.
        if any(path.glob("*.md")) and path.name != "quickstart"
    )
    sections: list[tuple[str, str, str]] = []  # anchor, title, html
    for name, title in (("README", "Conclusions"), ("table1", "Data sets")):
        path = root / f"{name}.md"
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            sections.append((name.lower(), title, _from_markdown(text, 1)))
    for folder in folders:
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
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>nextitnet_tf: results</title>
<link rel="icon" href="data:,">
<style>
{_STYLE}</style>
</head>
<body>
<header>
<h1>nextitnet_tf: results</h1>
<p>What the commands of this project measured, beside the figures of the paper
(StackRec, SIGIR 2021). Every number here was written by a command;
<code>make report</code> made this page of their files. <span>Coloured</span>
differences are those that a paired bootstrap tells from noise.</p>
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
        text = path.read_text(encoding="utf-8")
        title = text.splitlines()[0].removeprefix("# ")
        yield f"<h3>{html.escape(title)}</h3>"
        yield _from_markdown(text, 2)
        own = [p for p in pictures if _belongs(p.stem, path.stem)]
        for picture in own:
            yield _figure(picture, root)
            pictures.remove(picture)
    for picture in sorted(pictures, key=_rank):
        yield f"<h3>{html.escape(_title_of(picture))}</h3>"
        yield _figure(picture, root)
    yield _runs(folder)


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
        found = json.loads(numbers.read_text(encoding="utf-8"))
        if isinstance(found, dict) and "title" in found:
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
    columns = (
        *("Run", "Seed", "Steps", "Seconds", "Device", "Commit", "Versions"),
    )
    rows = []
    for path in sorted(folder.glob("runs/*/run.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        versions = run.get("versions", {})
        rows.append(
            [
                path.parent.name,
                str(run.get("seed", "")),
                f"{run['curve'][-1]['step']:,}" if run.get("curve") else "",
                f"{run['wall_seconds']:.0f}" if "wall_seconds" in run else "",
                str(run.get("device") or "not recorded"),
                str(run.get("commit") or "not recorded"),
                ", ".join(f"{k} {v}" for k, v in versions.items()),
            ]
        )
    if not rows:
        return ""
    head = "".join(f"<th>{name}</th>" for name in columns)
    body = "\n".join(
        "<tr>"
        + "".join(
            f'<td data-label="{name}">{html.escape(cell)}</td>'
            for name, cell in zip(columns, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f"<h3>What was run</h3>\n<details><summary>{len(rows)} runs: seeds, "
        "steps, seconds (evaluations and compilation included, on a machine "
        "that may have been shared), device, commit, versions</summary>\n"
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
        "</table></details>"
    )


def _from_markdown(text: str, deeper: int) -> str:
    """A file of ours as html, without its first heading.

    A section "Every run" of a table with several seeds is folded away.

    Args:
        text: markdown.
        deeper: levels that its headings go down.
    """
    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse(text)
    if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        tokens = tokens[3:]
    rendered, folded = [], False
    for block in _blocks(tokens):
        is_heading = block[0].type == "heading_open"
        if is_heading:
            if folded:
                rendered.append("</details>")
            folded = block[1].content == "Every run"
            if folded:
                rendered.append("<details><summary>Every run</summary>")
                continue
            level = min(int(block[0].tag[1]) + deeper, 6)
            block[0].tag = block[2].tag = f"h{level}"
        elif block[0].type == "table_open":
            _label(block)
        elif block[0].type == "bullet_list_open":
            if folded:  # notes are of all of the table
                rendered.append("</details>")
                folded = False
            if deeper > 1:
                block[0].attrSet("class", "notes")
        rendered.append(parser.renderer.render(block, parser.options, {}))
    if folded:
        rendered.append("</details>")
    return "".join(rendered)


def _blocks(tokens: list[Token]) -> Iterator[list[Token]]:
    """Paragraphs, headings, tables, lists: whole ones."""
    block: list[Token] = []
    depth = 0
    for token in tokens:
        block.append(token)
        depth += token.nesting
        if depth == 0:
            yield block
            block = []


def _label(table: list[Token]) -> None:
    """Gives each cell its column's name, and what kind of thing it holds."""
    names: list[str] = []
    column = 0
    for before, token in zip(table, table[1:], strict=False):
        if token.type != "inline":
            if token.type == "tr_open":
                column = 0
            continue
        if before.type == "th_open":
            names.append(token.content)
        elif before.type == "td_open":
            before.attrSet("data-label", names[column])
            kind = _kind(token.content)
            if kind:
                before.attrSet("class", kind)
            column += 1


def _kind(content: str) -> str:
    """The class of a cell."""
    if content in _VERDICTS:
        return _VERDICTS[content]
    if content == "*" or re.fullmatch(r"[+-][\d.]+ \*", content):
        return "marked"
    if re.fullmatch(r"[+-]?[\d.,]+(x|%|\s?s)?|-", content):
        return "number"
    return ""


if __name__ == "__main__":
    command.run(main)
