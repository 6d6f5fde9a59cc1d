"""`make report`: one page, looked at in a browser where there is one."""

import html
import json
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import zlib

import pytest

from experiments import report

ROOT = pathlib.Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on the PATH"
)

TABLE = """\
# Learning <fast>

## Over the seeds

| Model | MRR@5 | Difference to scratch | |
| --- | --- | --- | --- |
| A & B | 0.0512 | +0.0040 | * |

Means over seeds.

## Every run

| Model | Seed | MRR@5 |
| --- | --- | --- |
| A & B | 0 | 0.0512 |
| a-very-long-name-without-any-space-in-it-whatever-that-goes-on | 1 | 0.1 |

- A note.
"""


def png(width, height):
    """A black picture."""

    def chunk(kind, content):
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress((b"\0" * (width + 1)) * height))
        + chunk(b"IEND", b"")
    )


@pytest.fixture(name="root")
def fixture_root(tmp_path):
    folder = tmp_path / "ml1m"
    (folder / "runs" / "sasrec-2-seed3").mkdir(parents=True)
    (folder / "table.md").write_text(TABLE)
    (folder / "convergence.png").write_bytes(png(900, 40))
    (folder / "figure2-sasrec-4.png").write_bytes(png(30, 20))
    (folder / "figure2-sasrec-4.json").write_text('{"title": "Alike?"}')
    run = {
        "seed": 3,
        "curve": [{"step": 100}, {"step": 1200}],
        "wall_seconds": 61.4,
        "device": "A processor, 2 cores",
        "commit": "abc1234",
        "versions": {"keras": "3.15.1"},
    }
    (folder / "runs/sasrec-2-seed3/run.json").write_text(json.dumps(run))
    (tmp_path / "README.md").write_text(
        "# Verdicts\n\n## ml1m\n\n| A | B |\n| - | - |\n| x | holds |\n"
    )
    (tmp_path / "quickstart").mkdir()
    (tmp_path / "quickstart" / "table.md").write_text("# Generated\n")
    return tmp_path


def test_what_is_on_the_page(root):
    page = report.make_page(root)
    assert "<h3>Learning &lt;fast&gt;</h3>" in page
    assert '<td data-label="Model">A &amp; B</td>' in page
    assert '<td data-label="MRR@5" class="number">0.0512</td>' in page
    assert re.search(r'class="marked">\*</td>', page)
    assert '<td data-label="B" class="good">holds</td>' in page
    # Every run is folded, the notes are not.
    folded = page.split("<summary>Every run</summary>")[1]
    folded, after = folded.split("</details>", 1)
    assert "a-very-long-name" in folded and "A note." in after
    assert '<img src="ml1m/convergence.png" width="900" height="40"' in page
    assert "<h3>Alike?</h3>" in page
    for cell in ("sasrec-2-seed3", "1,200", "61", "abc1234", "keras 3.15.1"):
        assert f">{cell}</td>" in page
    assert "Generated" not in page
    assert "<script" not in page and "http" not in page


def test_nothing_to_show(tmp_path):
    with pytest.raises(ValueError, match="Expected results"):
        report.make_page(tmp_path)


def test_a_picture_that_is_none(root):
    (root / "ml1m" / "convergence.png").write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match="convergence.png"):
        report.make_page(root)


def test_the_command(root):
    done = subprocess.run(
        [sys.executable, "-m", "experiments.report", f"--results={root}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "4 tables, 2 pictures" in done.stdout
    written = (root / "index.html").read_text(encoding="utf-8")
    assert written == report.make_page(root)


def test_the_committed_page_is_of_the_committed_results():
    """After results have changed: `make conclusions report`."""
    page = (ROOT / "results" / "index.html").read_text(encoding="utf-8")
    assert page == report.make_page(ROOT / "results")


# Opens what is folded, then tells the page around it what is wrong.
_LOOK = """
<script>
addEventListener("load", () => {
  const wrong = [];
  const seen = innerWidth;
  document.querySelectorAll("details").forEach(d => d.open = true);
  for (const image of document.images)
    if (!image.naturalWidth) wrong.push("no picture " + image.src);
  const width = document.documentElement.scrollWidth;
  if (width > innerWidth) wrong.push("page is " + width + " wide");
  for (const e of document.querySelectorAll("table, td, th, figure, p, li")) {
    const box = e.getBoundingClientRect();
    if (box.right > innerWidth + 1 && box.width > 0 && e.tagName != "TH")
      wrong.push(e.tagName + " ends at " + box.right + ": " + e.textContent);
  }
  parent.postMessage([seen, document.title, wrong.slice(0, 5)], "*");
});
</script>
"""
# A window has a least width; a frame has not.
_FRAME = """<!DOCTYPE html><meta charset="utf-8"><body><script>
addEventListener("message", message => {{
  document.body.innerHTML = "<pre></pre>";
  document.body.firstChild.textContent = JSON.stringify(message.data);
}});
</script>
<iframe style="border: 0; width: {width}px; height: 900px" srcdoc="{page}">
</iframe></body>
"""


def browse(folder: pathlib.Path, *arguments: str):
    """Runs the browser; `folder` is its profile."""
    return subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu"),
            *("--no-first-run", "--disable-background-networking"),
            *("--disable-component-update", "--disable-sync"),
            *("--disable-quic", "--enable-logging=stderr", "--v=0"),
            *("--disable-dev-shm-usage", f"--user-data-dir={folder}"),
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=180,
    )


def look(page: pathlib.Path, width: int, folder: pathlib.Path):
    """What a browser of this width finds wrong, and its console's errors."""
    probe = page.with_name("probe.html")
    text = page.read_text(encoding="utf-8")
    inside = html.escape(text.replace("</body>", _LOOK + "</body>"))
    probe.write_text(_FRAME.format(width=width, page=inside))
    try:
        done = browse(
            folder,
            *(f"--window-size={max(width, 800)},900", "--dump-dom"),
            "--virtual-time-budget=20000",
            probe.as_uri(),
        )
    finally:
        probe.unlink()
    told = re.search(r"<pre>(.*)</pre>", done.stdout, re.S)
    assert told, done.stderr[-2000:]
    seen, title, wrong = json.loads(html.unescape(told.group(1)))
    assert seen == width and title == "nextitnet_tf: results"
    errors = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return wrong + errors


@needs_chromium
@pytest.mark.parametrize("width", [400, 1400])
def test_in_a_browser(root, tmp_path_factory, width):
    (root / "index.html").write_text(report.make_page(root))
    profile = tmp_path_factory.mktemp("profile")
    assert look(root / "index.html", width, profile) == []


@needs_chromium
def test_on_paper_tables_are_tables(root, tmp_path_factory):
    """A hundred lines of ten cells: 50 mm of paper each, were they cards."""
    line = "| " + " | ".join(["0.0123"] * 10) + " |\n"
    names = "| " + " | ".join("ABCDEFGHIJ") + " |\n"
    rule = "|" + " - |" * 10 + "\n"
    (root / "README.md").write_text(
        "# Verdicts\n\n" + names + rule + line * 100
    )
    (root / "index.html").write_text(report.make_page(root))
    profile = tmp_path_factory.mktemp("profile")
    printed = profile / "page.pdf"
    browse(profile, f"--print-to-pdf={printed}", (root / "index.html").as_uri())
    boxes = re.findall(rb"/MediaBox \[0 0 (\S+) (\S+)\]", printed.read_bytes())
    assert all(float(width) > float(height) for width, height in boxes)
    assert 2 < len(boxes) < 12


@needs_chromium
def test_a_browser_sees_what_is_wrong(root, tmp_path_factory):
    page = report.make_page(root)
    page = page.replace("ml1m/convergence.png", "ml1m/nowhere.png")
    page = page.replace(
        "A note.", '<span style="white-space: nowrap">' + "long " * 200
    )
    (root / "index.html").write_text(page)
    wrong = look(root / "index.html", 400, tmp_path_factory.mktemp("profile"))
    assert any("nowhere.png" in text for text in wrong)
    assert any("wide" in text for text in wrong)


@needs_chromium
@pytest.mark.parametrize("width", [400, 1400])
def test_the_committed_page_in_a_browser(tmp_path_factory, width):
    copy = tmp_path_factory.mktemp("results") / "results"
    shutil.copytree(
        ROOT / "results", copy, ignore=shutil.ignore_patterns("runs")
    )
    profile = tmp_path_factory.mktemp("profile")
    assert look(copy / "index.html", width, profile) == []
