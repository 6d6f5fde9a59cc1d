"""Pictures: the same numbers give the same file."""

import pytest

from experiments.reporting import pictures


def records(count=2):
    return [
        {
            "model": f"schedule {i}",
            "copied": "best",
            "setting": "40-60",
            "protocol": "clean",
            "seed": 0,
            "curve": [
                {"seconds": 1.0, "num_blocks": 2, "val_mrr_at_5": 0.1 * i},
                {"seconds": 3.0, "num_blocks": 4, "val_mrr_at_5": 0.2},
            ],
        }
        for i in range(count)
    ]


POINTS = [
    {"data": "40%", "num_blocks": 4, "values": [0.1, 0.2]},
    {"data": "40%", "num_blocks": 8, "values": [0.3]},
]
DRAWN = {
    "convergence": lambda path: pictures.draw_convergence(
        records(), path, "T", "MRR@5"
    ),
    "depth": lambda path: pictures.draw_by_depth(POINTS, path, "T"),
    "stages": lambda path: pictures.draw_stages(records(), path, "T"),
    "similarity": lambda path: pictures.draw_similarity(
        [[1.0, 0.5], [0.5, 1.0]], path, "T"
    ),
}


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_bytes_and_written_only_when_they_change(tmp_path, name):
    path = tmp_path / "drawn.png"
    DRAWN[name](path)
    first = path.read_bytes()
    assert first[1:4] == b"PNG"
    # Nothing but the picture: no version, no time.
    assert not any(kind in first for kind in (b"tEXt", b"iTXt", b"tIME"))
    path.chmod(0o444)
    written = path.stat()
    DRAWN[name](path)
    again = path.stat()
    assert (written.st_ino, written.st_mtime_ns) == (
        *(again.st_ino, again.st_mtime_ns),
    )
    path.unlink()
    DRAWN[name](path)
    assert path.read_bytes() == first
    other = next(key for key in DRAWN if key != name)
    DRAWN[other](path)
    assert path.read_bytes() != first


def test_as_many_schedules_as_one_likes(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(pictures.plt, "close", kept.append)
    pictures.draw_stages(records(7), tmp_path / "stages.png", "Stages")
    (axis,) = kept[0].axes
    # Of each schedule: 2 blocks, 4 blocks, and the legend's line.
    lines = axis.get_lines()[: 3 * 7]
    assert [line.get_label() for line in lines[2::3]] == [
        f"schedule {i} best" for i in range(7)
    ]
    # The deeper stage begins where the shallow one ended.
    assert list(lines[1].get_xdata()) == [1.0, 3.0]
    # Matplotlib calls every pattern without a name "--".
    for place in range(3):
        shown = [line.get_linestyle() for line in lines[place::3]]
        assert shown == ["-", "--", ":", "-.", "--", "--", "-"]
