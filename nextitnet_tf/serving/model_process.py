"""A `LoadedModel` in a process of its own, which ends with it.

What XLA compiles for a model is never freed: a service that takes a new model
a day would grow. It would, too, end with whatever ends TensorFlow.
"""

import subprocess
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import Pipe
from pathlib import Path
from typing import Any

from nextitnet_tf.serving.answers import Answer
from nextitnet_tf.serving.limits import Limits
from nextitnet_tf.vocabulary import RawId

# What a caller can do something about keeps its kind on the way.
KINDS: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (ValueError, FloatingPointError, OSError)
}
_PROGRAM = "nextitnet_tf.serving.answering"
# Of the time that a request may wait: a batch that takes longer will never be
# answered, and all that wait behind it have given up.
_PATIENCE = 3
# Seconds that a process may take to end once nobody asks.
_TO_END = 5


class ModelProcess:
    """Has another process answer: see `Answering`.

    Args:
        path: a model.keras.
        limits: of the service.

    Attributes:
        about: of the model.

    Raises:
        ValueError: as `LoadedModel`; the process has ended.
        FloatingPointError: as `LoadedModel`.
    """

    def __init__(self, path: Path, limits: Limits):
        self._patience = _PATIENCE * limits.timeout
        self._connection, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", _PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                # Ctrl-C in a terminal is for the service.
                start_new_session=True,
                stdin=subprocess.DEVNULL,
            )
        try:
            self.about: dict[str, Any] = self._ask((path, limits))
        except BaseException:
            self._process.kill()
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def answer(
        self,
        histories: Sequence[list[RawId]],
        k: int,
        exclude_seen: Sequence[bool],
    ) -> list[Answer]:
        """As `LoadedModel.answer`.

        Raises:
            FloatingPointError: as there.
            EOFError: the process has ended, or was ended because it was
                silent for too long.
        """
        return self._ask((histories, k, exclude_seen), self._patience)

    def close(self) -> None:
        """Ends the process, which has nothing to do."""
        self._connection.close()
        try:
            self._process.wait(_TO_END)
        except subprocess.TimeoutExpired:  # it hangs
            self._process.kill()
            self._process.wait()

    def _ask(self, question: tuple, patience: float | None = None) -> Any:
        # Whether a hanging process reads nothing or answers nothing: its end
        # is that of both.
        timer = threading.Timer(patience or 0, self._process.kill)
        if patience is not None:
            timer.start()
        try:
            self._connection.send(question)
            kind, content = self._connection.recv()
        except (EOFError, OSError) as error:
            raise EOFError(
                "Expected a process that answers. Received: one that has ended"
            ) from error
        finally:
            timer.cancel()
        if kind == "answer":
            return content
        raise KINDS.get(kind, RuntimeError)(content)
