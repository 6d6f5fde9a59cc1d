"""How an entry point begins and ends."""

import contextlib
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

from absl import app
from absl import flags

# Until `run` listens, what a user interrupts has not begun.
if str(getattr(sys.modules["__main__"], "__spec__", "")).count("experiments"):
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
# TensorFlow's remarks on devices and compilation; its warnings still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

VERBOSE = flags.DEFINE_boolean(
    "verbose",
    False,
    "Says on stderr what is done in more detail, of training each evaluation. "
    "By default there is a bar in a terminal, and a line a stage elsewhere.",
)


class _Terminated(BaseException):
    """SIGTERM has come."""


def _import_tensorflow_quietly() -> None:
    """Imports TensorFlow without the remarks it makes on every start.

    Its native code writes them before any log level counts, past Python's
    stderr. Warnings and errors of its still show, those of a driver that is
    not there excepted. Under another Keras backend it may not be installed.
    """
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        return
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            import tensorflow

            tensorflow.config.list_physical_devices()
            # Each run ranks with a function of its own: no retracing.
            tensorflow.get_logger().addFilter(
                lambda record: "tf.function retracing" not in str(record.msg)
            )
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if not _is_remark(line):
                    print(line, file=sys.stderr)


def _is_remark(line: str) -> bool:
    return (
        not line.strip()
        or line[:2] in ("I0", "I1")
        or "before absl::InitializeLog()" in line
        or "failed call to cuInit" in line
        or line.startswith("To enable the following instructions")
    )


_import_tensorflow_quietly()


def run(main: Callable[[], int | None], takes: Iterable[str] = ()) -> None:
    """Parses flags and calls `main`; no user error ends in a traceback.

    What was asked for and cannot be had (ValueError, OSError) is one line on
    stderr and exit status 1; Ctrl-C is exit status 130, SIGTERM 143.

    Args:
        main: what the command does; it returns its exit status, or None.
        takes: names of the flags that --help lists beside those that the
            command's own module defines or adopts.
    """
    for name in {*takes, VERBOSE.name}:
        flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])

    def guarded(argv: list[str]) -> int:
        if len(argv) > 1:
            print(
                f"error: expected flags only. Received: {' '.join(argv[1:])}",
                file=sys.stderr,
            )
            return 1
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
                f"\n{'interrupted' if is_by_user else 'terminated'}: what was "
                "finished is kept; start the same command again to go on",
                file=sys.stderr,
            )
            return 130 if is_by_user else 143
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    flags.FLAGS.set_default("stderrthreshold", "error")
    app.run(guarded)


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


def metrics_line(metrics: dict) -> str:
    """Metrics of an evaluation, for people."""
    names = {"mrr": "MRR", "hit_rate": "HR", "ndcg": "NDCG"}
    shown = ", ".join(
        f"{short}@{n} {metrics[f'{name}_at_{n}']:.4f}"
        for n in (5, 10)
        for name, short in names.items()
    )
    return f"{shown} ({metrics['num_sessions']:,} sessions)"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
