"""Memory is what the machine has, or what its container may take."""

import os

import pytest

from nextitnet_tf import memory

MACHINE = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1048576\n", 1048576),
        ("max\n", MACHINE),  # cgroups 2: no limit
        ("9223372036854771712\n", MACHINE),  # cgroups 1: no limit
        ("", MACHINE),
        (None, MACHINE),  # there is no such file
    ],
)
def test_the_limit_of_a_container(tmp_path, monkeypatch, text, expected):
    path = tmp_path / "memory.max"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(memory, "LIMITS", (str(path),))
    assert memory.available() == expected
    if expected < MACHINE:
        memory.check_fits(expected, "this")
        with pytest.raises(ValueError, match="Received: this, which takes"):
            memory.check_fits(expected + 1, "this")
