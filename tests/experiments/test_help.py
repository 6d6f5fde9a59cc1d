"""Each command says what it does, whatever flags the others define."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
COMMANDS = sorted(
    path.stem
    for path in (ROOT / "experiments").glob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)


# Some of what each shows, and some that it does not take.
SHOWN = {
    "continual_learning": (["table", "settings", "presets", "raw"], ["ratios"]),
    "evaluate": (["model", "part", "raw", "split"], ["max_steps"]),
    "from_scratch": (["depths", "steps", "raw", "seeds"], ["target_raw"]),
    "quickstart": (["output", "seeds"], ["raw", "settings"]),
    "reproduce": (["target", "depths", "raw", "tune_head"], ["num_blocks"]),
    "train": (["num_blocks", "raw", "dropout_rate"], ["settings"]),
    "transfer": (["target_raw", "pairs", "tune_head"], ["depths"]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_help(name):
    done = subprocess.run(
        [sys.executable, "-m", f"experiments.{name}", "--help"],
        cwd=ROOT,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    flags = re.findall(r"^  --(?:\[no\])?(\w+)", done.stdout, re.MULTILINE)
    shown, hidden = SHOWN.get(name, ([], []))
    assert flags and set(shown) <= set(flags), flags
    assert not set(hidden) & set(flags), flags


def test_no_flag_is_defined_twice():
    """In one process, as `pytest` has it: a name means one thing."""
    names = [
        line.split('"')[1]
        for path in sorted((ROOT / "experiments").glob("*.py"))
        for line in path.read_text(encoding="utf-8").split("DEFINE_")[1:]
        if line.count('"') > 1
    ]
    from nextitnet_tf.protocol import Protocol

    fields = set(Protocol.__dataclass_fields__) - {"name"}
    assert not fields & set(names)
