"""The process that a `ModelProcess` begins: it answers until nobody asks."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import Any

from nextitnet_tf.serving.model_process import KINDS


def _serve(connection: Connection) -> None:
    """Answers until nobody is there to ask."""
    with contextlib.suppress(EOFError, OSError), connection:
        path, limits = connection.recv()
        try:
            with _without_remarks():
                # TensorFlow's remarks begin here.
                from nextitnet_tf.serving.loaded_model import LoadedModel

                model = LoadedModel(path, limits)
        except Exception as error:
            connection.send(_described(error))
            return
        connection.send(("answer", model.about))
        while True:
            question = connection.recv()
            try:
                reply: tuple[str, Any] = "answer", model.answer(*question)
            except Exception as error:
                reply = _described(error)
            connection.send(reply)


def _described(error: Exception) -> tuple[str, str]:
    kinds = (name for name, kind in KINDS.items() if isinstance(error, kind))
    return next(kinds, type(error).__name__), str(error)


@contextlib.contextmanager
def _without_remarks() -> Iterator[None]:
    """Without what TensorFlow writes on stderr as it starts and compiles."""
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


if __name__ == "__main__":
    # It ends when nobody asks any more, not before.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _serve(Connection(int(sys.argv[1])))
