"""Our markdown as html: what it says is text, never html of its own."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

# No html, and nothing that names another page or a picture of another's: the
# name of a file may look like any of them.
_PARSER = (
    MarkdownIt("commonmark", {"html": False})
    .enable("table")
    .disable(["image", "link", "autolink"])
)
_VERDICTS = {
    "holds": "good",
    "does not hold": "bad",
    "not told apart": "open",
    "one seed": "open",
    "two seeds": "open",
}


def title_of(text: str) -> str:
    """The first heading of a file, as html."""
    return _PARSER.renderInline(text.split("\n")[0].removeprefix("# "))


def to_html(text: str, deeper: int) -> str:
    """A file of ours as html, without its first heading.

    A section "Every run" of a table with several seeds is folded away.

    Args:
        text: markdown.
        deeper: levels that its headings go down.
    """
    tokens = _PARSER.parse(text)
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
        rendered.append(_PARSER.renderer.render(block, _PARSER.options, {}))
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
            names.append(_text(token))
        elif before.type == "td_open":
            before.attrSet("data-label", names[column])
            kind = _kind(_text(token))
            if kind:
                before.attrSet("class", kind)
            column += 1


def _text(cell: Token) -> str:
    """What a cell shows."""
    return "".join(child.content for child in cell.children or ())


def _kind(content: str) -> str:
    """The class of a cell."""
    if content in _VERDICTS:
        return _VERDICTS[content]
    if content == "*" or re.fullmatch(r"[+-][\d.]+ \*", content):
        return "marked"
    if re.fullmatch(r"[+-]?[\d.,]+(x|%|\s?s)?|-", content):
        return "number"
    return ""
