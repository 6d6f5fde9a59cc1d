"""The page of all results, looked at in a browser where there is one."""

import html
import json
import pathlib
import re
import shutil
import subprocess

import pytest

from experiments.reporting import folders
from experiments.reporting import page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on the PATH"
)


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


@pytest.mark.parametrize("width", [400, 1400])
def test_in_a_browser(root, tmp_path_factory, width):
    command = "python -m experiments.reproduce" + " --setting=one" * 40
    (root / "README.md").write_text(f"# Made by\n\n```\n{command}\n```\n")
    (root / "index.html").write_text(page.make_page(root, folders.chosen(root)))
    profile = tmp_path_factory.mktemp("profile")
    assert look(root / "index.html", width, profile) == []


def test_on_paper_tables_are_tables(root, tmp_path_factory):
    """A hundred lines of ten cells: 50 mm of paper each, were they cards."""
    line = "| " + " | ".join(["0.0123"] * 10) + " |\n"
    names = "| " + " | ".join("ABCDEFGHIJ") + " |\n"
    rule = "|" + " - |" * 10 + "\n"
    (root / "README.md").write_text(
        "# Verdicts\n\n" + names + rule + line * 100
    )
    (root / "index.html").write_text(page.make_page(root, folders.chosen(root)))
    profile = tmp_path_factory.mktemp("profile")
    printed = profile / "page.pdf"
    browse(profile, f"--print-to-pdf={printed}", (root / "index.html").as_uri())
    boxes = re.findall(rb"/MediaBox \[0 0 (\S+) (\S+)\]", printed.read_bytes())
    assert all(float(width) > float(height) for width, height in boxes)
    assert 2 < len(boxes) < 12


def test_a_browser_sees_what_is_wrong(root, tmp_path_factory):
    text = page.make_page(root, folders.chosen(root))
    text = text.replace("ml1m/convergence.png", "ml1m/nowhere.png")
    text = text.replace(
        "A note.", '<span style="white-space: nowrap">' + "long " * 200
    )
    (root / "index.html").write_text(text)
    wrong = look(root / "index.html", 400, tmp_path_factory.mktemp("profile"))
    assert any("nowhere.png" in text for text in wrong)
    assert any("wide" in text for text in wrong)


@pytest.mark.parametrize("width", [400, 1400])
def test_the_committed_page(committed, tmp_path_factory, width):
    profile = tmp_path_factory.mktemp("profile")
    assert look(committed / "results" / "index.html", width, profile) == []
