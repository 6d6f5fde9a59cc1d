"""A job in a process of its own, and the memory that it takes there."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def run(job: str, *arguments: str, cores: int | None = None) -> dict[str, Any]:
    """Runs a job in a process of its own.

    Args:
        job: a name in `processes.JOBS`.
        *arguments: for it.
        cores: how many it may use, and so the number of its threads; by
            default all that there are.

    Returns:
        What it measured, and `process_seconds`, from start to end.

    Raises:
        ChildProcessError: it failed.
    """
    own = os.sched_getaffinity(0)
    began = time.perf_counter()
    try:
        # A process begins with the cores of the one that starts it.
        os.sched_setaffinity(0, sorted(own)[-(cores or len(own)) :])
        done = subprocess.run(
            [sys.executable, "-m", "experiments.benchmark.processes", job]
            + list(arguments),
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.sched_setaffinity(0, own)
    seconds = time.perf_counter() - began
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ChildProcessError(f"the job {job} failed: {last}")
    return {
        **json.loads(done.stdout.strip().splitlines()[-1]),
        "process_seconds": seconds,
    }


def peak_gb(pid: int | str = "self") -> float:
    """The most memory that a program has had at once, by default this one.

    0 of one that has ended.
    """
    return _memory_gb("VmHWM", pid)


def forget_peak() -> float:
    """Makes `peak_gb` begin again; what the program has now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _memory_gb("VmRSS")


def _memory_gb(field: str, pid: int | str = "self") -> float:
    # Of this program alone: what getrusage says is inherited from whoever
    # started it.
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    kib = re.search(rf"{field}:\s+(\d+) kB", status)
    if kib is None:
        return 0.0
    return int(kib.group(1)) * 1024 / 1e9
