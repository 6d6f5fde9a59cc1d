"""What docs/tutorial.md says is typed, and does what it says."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_tutorial(tmp_path):
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    (made,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    subprocess.run([sys.executable, "-c", made], cwd=tmp_path, check=True)
    # The command as it is installed, of this checkout.
    command = tmp_path / "bin" / "nextitnet-tf"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/sh\nexec {sys.executable} -m nextitnet_tf.commands "$@"\n'
    )
    command.chmod(0o755)
    script = "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.replace("8123", port)],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{command.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "CUDA_VISIBLE_DEVICES": "",
        },
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert "in all at most" in done.stdout and "floor: " in done.stdout
    (answer,) = (tmp_path / "answers.jsonl").read_text().splitlines()
    assert json.loads(answer)["user"] == "shopper 7"
    # After 3 and 4 come 5 and 6.
    assert set(json.loads(answer)["items"][:2]) == {"product 5", "product 6"}
    assert '"product 5"' in done.stdout
    assert "product new" in done.stdout.strip().splitlines()[-1]
