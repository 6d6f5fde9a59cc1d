"""Results to report on: made up, and those committed."""

import json
import pathlib
import struct
import subprocess
import zlib

import pytest

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
RUN = {
    **{name: {} for name in ("model_config", "protocol", "data", "test")},
    "model": "sasrec",
    "batch_size": 256,
    "stages": [{"num_blocks": 2}],
    "best_step": 100,
    "seed": 3,
    "curve": [{"step": 100}, {"step": 1200}],
    "wall_seconds": 61.4,
    "device": "A processor, 2 cores",
    "commit": "abc1234",
    "versions": {"keras": "3.15.1"},
}
ROOT = pathlib.Path(__file__).parents[3]


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
    (folder / "runs/sasrec-2-seed3/run.json").write_text(json.dumps(RUN))
    (tmp_path / "README.md").write_text(
        "# Verdicts\n\n## ml1m\n\n| A | B |\n| - | - |\n| x | holds |\n"
    )
    return tmp_path


@pytest.fixture(name="committed", scope="session")
def fixture_committed(tmp_path_factory):
    """A copy of results/ and docs/ as git has them staged or committed."""
    copy = tmp_path_factory.mktemp("committed")
    try:
        names = subprocess.run(
            ["git", "ls-files", "-z", "results", "docs"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no checkout of git")
    subprocess.run(
        ["git", "checkout-index", "-z", "--stdin", f"--prefix={copy}/"],
        cwd=ROOT,
        input=names,
        check=True,
    )
    return copy
