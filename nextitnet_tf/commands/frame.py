"""How a command begins and ends, whatever it does."""

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

from absl import app
from absl import flags

PACKAGES = ("datasets", "experiments", "nextitnet_tf")
# Until `run` listens, what a user interrupts has not begun.
_STARTED_AS = str(getattr(sys.modules["__main__"], "__spec__", ""))
if any(f"'{package}." in _STARTED_AS for package in PACKAGES):
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

VERBOSE = flags.DEFINE_boolean(
    "verbose",
    False,
    "Says on stderr what is done in more detail, of training each evaluation. "
    "By default there is a bar in a terminal, and a line a stage elsewhere.",
)
_KEPT = "what was finished is kept; start the same command again to go on"


class _Terminated(BaseException):
    """SIGTERM has come."""


def run(
    main: Callable[[], int | None],
    takes: Iterable[str] = (),
    interrupted: str = _KEPT,
) -> None:
    """Parses flags and calls `main`; no user error ends in a traceback.

    What was asked for and cannot be had (ValueError, OSError) is one line on
    stderr and exit status 1; a flag that is none, or whose value is none, is
    one line and 2; Ctrl-C is exit status 130, SIGTERM 143.

    Args:
        main: what the command does; it returns its exit status, or None. The
            docstring of its module is what --help says first.
        takes: names of the flags that --help lists beside those that the
            command's own module defines or adopts.
        interrupted: what is said of a command that was.
    """
    of_command = sys.modules[main.__module__]
    sys.modules["__main__"].__doc__ = of_command.__doc__
    own = flags.FLAGS.get_key_flags_for_module(main.__module__)
    for name in {*takes, VERBOSE.name, *(flag.name for flag in own)}:
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])

    def guarded(argv: list[str]) -> int:
        if len(argv) > 1:
            print(
                f"error: expected flags only. Received: {' '.join(argv[1:])}",
                file=sys.stderr,
            )
            return 2
        # TensorFlow's Python remarks by absl on what it writes; absl's start
        # has just put this at 0.
        if not flags.FLAGS["verbosity"].present:
            flags.FLAGS.verbosity = -1
        before = {
            signum: signal.signal(signum, handler)
            for signum, handler in _HANDLERS.items()
        }
        try:
            with _progress_shown():
                return main() or 0
        except (ValueError, OSError, FloatingPointError) as error:
            print(f"error: {_one_line(error)}", file=sys.stderr)
            return 1
        except (KeyboardInterrupt, _Terminated) as error:
            is_by_user = isinstance(error, KeyboardInterrupt)
            print(
                f"\n{'interrupted' if is_by_user else 'terminated'}: "
                f"{interrupted}",
                file=sys.stderr,
            )
            return 130 if is_by_user else 143
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    flags.FLAGS.set_default("stderrthreshold", "error")
    app.run(guarded, flags_parser=_parse)


def _parse(argv: list[str]) -> list[str]:
    """Flags as absl parses them, but for what is said of wrong ones."""
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        print(
            f"error: {_one_line(error)} (--help lists what there is)",
            file=sys.stderr,
        )
        sys.exit(2)


def _terminate(signum, frame) -> None:
    raise _Terminated


_HANDLERS: dict[int, Callable] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: _terminate,
}


@contextlib.contextmanager
def _progress_shown() -> Iterator[None]:
    """Has what the library logs shown on stderr, without the time."""
    logger = logging.getLogger("nextitnet_tf")
    level_before, propagates = logger.level, logger.propagate
    handler = logging.StreamHandler()
    level = logging.WARNING if sys.stdout.isatty() else logging.INFO
    handler.setLevel(logging.DEBUG if VERBOSE.value else level)
    logger.addHandler(handler)
    logger.setLevel(handler.level)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level_before)
        logger.propagate = propagates


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
