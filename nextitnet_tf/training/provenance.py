"""Which code computed a number."""

import functools
import platform
import subprocess
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf


def versions() -> dict[str, str]:
    """Of what computed a number."""
    return {
        "python": platform.python_version(),
        "keras": keras.version(),
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }


@functools.cache
def commit() -> str | None:
    """The commit of this checkout, "-dirty" if its code was changed.

    None where there is no checkout, and where the package is installed into
    somebody else's. Results that a run writes are no change.
    """
    package = Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=package,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        code = (":/nextitnet_tf", ":/datasets", ":/experiments")
        changed = git("status", "--porcelain", "--", *code)
        return git("rev-parse", "--short=12", "HEAD") + "-dirty" * bool(changed)
    except (OSError, subprocess.CalledProcessError):
        return None
