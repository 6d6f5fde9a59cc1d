"""A `LoadedModel` in a process of its own, which ends with it.

What XLA compiles for a model is never freed: a service that takes a new model
a day would grow. It would, too, end with whatever ends TensorFlow.
"""

import os
import socket
import struct
import subprocess
import sys
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
            # A large model may take its time to be loaded, no batch may.
            self.about: dict[str, Any] = self._ask((path, limits))
            self._be_patient(_PATIENCE * limits.timeout)
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
        return self._ask((histories, k, exclude_seen))

    def close(self) -> None:
        """Ends the process, which has nothing to do."""
        self._connection.close()
        try:
            self._process.wait(_TO_END)
        except subprocess.TimeoutExpired:  # it hangs
            self._process.kill()
            self._process.wait()

    def _be_patient(self, seconds: float) -> None:
        """Has what a hanging process does not read, or not answer, fail."""
        pair = socket.socket(fileno=os.dup(self._connection.fileno()))
        with pair:  # another name of the same socket
            whole, part = divmod(seconds, 1)
            limit = struct.pack("ll", int(whole), int(1e6 * part))
            for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
                pair.setsockopt(socket.SOL_SOCKET, option, limit)

    def _ask(self, question: tuple) -> Any:
        try:
            self._connection.send(question)
            kind, content = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.kill()  # it may be there, and hang
            raise EOFError(
                "Expected a process that answers. Received: one that has ended"
            ) from error
        if kind == "answer":
            return content
        raise KINDS.get(kind, RuntimeError)(content)
