"""A command as its users run it, but that TensorFlow has been imported.

That takes longer than most commands: a process for each of hundreds of calls
would take most of the time of all tests, and what XLA compiles for a few steps
most of the rest. What belongs to a process is tested in one:
`tests/commands/test_processes.py`, and with XLA
`tests/experiments/test_signals.py`, `tests/training/test_resume.py`.
"""

import contextlib
import io
import os
import pathlib
import runpy
import signal
import sys
from collections.abc import Iterator
from unittest import mock

import keras
from absl import flags

from nextitnet_tf import distribution

ROOT = pathlib.Path(__file__).parents[1]
# Packages whose modules define flags: each command begins without them.
_WITH_FLAGS = ("nextitnet_tf.commands", "experiments", "datasets")


def run(name: str, *arguments, cwd=ROOT) -> tuple[int, str, str]:
    """Runs `python -m experiments.NAME`.

    Args:
        name: of the command.
        *arguments: of the command line.
        cwd: the folder that it runs in.

    Returns:
        Exit status, and what it wrote to stdout and to stderr.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        _flags_of_its_own(),
        without_xla(),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        before = sys.argv, signal.getsignal(signal.SIGINT), dict(os.environ)
        sys.argv = [name, *map(str, arguments)]
        status: object = 0
        try:
            runpy.run_module(
                f"experiments.{name}", run_name="__main__", alter_sys=True
            )
        except SystemExit as stopped:
            status = stopped.code
        finally:
            sys.argv = before[0]
            signal.signal(signal.SIGINT, before[1])
            os.environ.clear()
            os.environ.update(before[2])
            keras.utils.clear_session()  # many models in one process
    code = status if isinstance(status, int) else int(status is not None)
    return code, out.getvalue(), err.getvalue()


def without_xla() -> mock._patch:
    """Has a command not compile its steps."""
    return mock.patch.object(
        distribution, "can_jit_compile", lambda strategy: False
    )


@contextlib.contextmanager
def _flags_of_its_own() -> Iterator[None]:
    """Flags and the modules that define them are as in a new process."""
    modules = {
        name: module
        for name, module in sys.modules.items()
        if any(name == p or name.startswith(f"{p}.") for p in _WITH_FLAGS)
    }
    state = flags.FLAGS.__dict__
    saved = dict(state)
    for name, value in saved.items():
        if isinstance(value, dict):
            state[name] = {
                key: list(v) if isinstance(v, list) else v
                for key, v in value.items()
            }
    for name in list(flags.FLAGS):
        if flags.FLAGS.find_module_defining_flag(name) in modules:
            delattr(flags.FLAGS, name)
    for name in modules:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in list(sys.modules):
            if any(name == p or name.startswith(f"{p}.") for p in _WITH_FLAGS):
                del sys.modules[name]
        sys.modules.update(modules)
        state.clear()
        state.update(saved)
