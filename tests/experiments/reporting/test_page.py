"""The page of all results, as text."""

import re

import pytest

from experiments.reporting import folders
from experiments.reporting import markdown
from experiments.reporting import page

EVIL = "<img src=x onerror=alert(1)>.csv"


def make_page(root):
    return page.make_page(root, folders.chosen(root))


def test_what_is_on_the_page(root):
    text = make_page(root)
    assert "<h3>Learning &lt;fast&gt;</h3>" in text
    assert '<td data-label="Model">A &amp; B</td>' in text
    assert '<td data-label="MRR@5" class="number">0.0512</td>' in text
    assert re.search(r'class="marked">\*</td>', text)
    assert '<td data-label="B" class="good">holds</td>' in text
    # Every run is folded, the notes are not.
    folded = text.split("<summary>Every run</summary>")[1]
    folded, after = folded.split("</details>", 1)
    assert "a-very-long-name" in folded and "A note." in after
    assert '<img src="ml1m/convergence.png" width="900" height="40"' in text
    assert "<h3>Alike?</h3>" in text
    for cell in ("sasrec-2-seed3", "1,200", "61", "abc1234", "keras 3.15.1"):
        assert f">{cell}</td>" in text
    assert "<script" not in text and "http" not in text


def test_only_the_folders_it_is_told(root):
    (root / "mine").mkdir()
    (root / "mine" / "table.md").write_text("# My own\n")
    assert "My own" in page.make_page(root, [root / "mine"])
    assert "My own" not in page.make_page(root, [root / "ml1m"])


def test_a_folder_with_a_picture_alone(root):
    (root / "ml1m" / "table.md").unlink()
    assert '<img src="ml1m/convergence.png"' in make_page(root)


@pytest.mark.parametrize(
    "name",
    [
        EVIL,
        EVIL.replace("<", "&lt;"),  # as a writer of tables escapes it
        "![x](http://elsewhere/x.png)",
        "[x](http://elsewhere)",
        "<http://elsewhere>",
        "<script>alert(1)</script>",
        "</td></table><script>alert(1)</script>",
    ],
)
def test_the_name_of_a_file_is_text_wherever_it_stands(root, name):
    (root / "ml1m" / "table.md").write_text(
        f"# Of {name}\n\n## Over {name}\n\n{name}\n\n| {name} | B |\n"
        f"| --- | --- |\n| {name} | {name} |\n\n- Data: {name}, 7 sessions.\n"
    )
    (root / "README.md").write_text(f"# R\n\n### {name}\n\n- {name}\n")
    run = root / "ml1m" / "runs" / "sasrec-2-seed3"
    summary = (run / "run.json").read_text()
    (run / "run.json").write_text(
        summary.replace("abc1234", EVIL).replace("A processor", EVIL)
    )
    run.rename(run.with_name(EVIL))
    (root / "ml1m" / "figure2-sasrec-4.json").write_text(
        f'{{"title": "{EVIL}"}}'
    )
    text = make_page(root)
    tags = set(re.findall(r"<(\w+)", text))
    assert not tags & {"script", "a:", "iframe"}
    pictures = re.findall(r"<img [^>]*>", text)
    assert len(pictures) == 2
    assert all('src="ml1m/' in picture for picture in pictures)
    links = re.findall(r"<a [^>]*>", text)
    assert all('href="#' in link for link in links)
    assert text.count("alert(1)") >= 5
    assert text.count("</table>") == 2  # of table.md, of the runs


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        *(("holds", "good"), ("does not hold", "bad")),
        *(("not told apart", "open"), ("one seed", "open")),
        *(("two seeds", "open"), ("+0.0040 *", "marked"), ("1.3x", "number")),
        *(("12 s", "number"), ("a 12", None)),
    ],
)
def test_kinds_of_cells(cell, kind):
    found = markdown.to_html(f"| A |\n| - |\n| {cell} |\n", 1)
    expected = f' class="{kind}"' if kind else ""
    assert f'<td data-label="A"{expected}>{cell}</td>' in found


def test_nothing_to_show(tmp_path):
    with pytest.raises(ValueError, match="Expected results"):
        make_page(tmp_path)


def test_a_picture_that_is_none(root):
    (root / "ml1m" / "convergence.png").write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match="convergence.png"):
        make_page(root)


def test_the_committed_page_is_of_the_committed_results(committed):
    """After results have changed: `make conclusions report`."""
    root = committed / "results"
    text = (root / "index.html").read_text(encoding="utf-8")
    assert text == make_page(root)
