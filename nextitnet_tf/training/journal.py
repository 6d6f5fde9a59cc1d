"""What a run says of itself while it trains: a log, TensorBoard's events."""

import contextlib
import logging
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from nextitnet_tf import atomic_files

LOG = "train.log"
EVENTS = "tensorboard"
# What the library says of its work, all of it below this name.
_LIBRARY = "nextitnet_tf"
# What `tf.summary.scalar` writes, which needs TensorBoard to be installed.
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars")
)


@contextlib.contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Adds what the library logs to a file in the folder of a run.

    The file has all of it; the program's own log sees what it would have seen
    without.

    Args:
        folder: exists.

    Raises:
        OSError: the file cannot be written; its text names it.
    """
    logger = logging.getLogger(_LIBRARY)
    handlers: list[logging.Handler] = [_ToFile(folder / LOG)]
    level, propagates = logger.level, logger.propagate
    if propagates and logger.parent is not None:
        handlers.append(_Onward(logger.parent, logger.getEffectiveLevel()))
    for handler in handlers:
        logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.propagate = propagates
        logger.setLevel(level)
        for handler in handlers:
            logger.removeHandler(handler)


class Events:
    """Loss and metrics of a run, as TensorBoard shows them.

    Args:
        folder: of the run. A process that goes on adds a file of its own.
    """

    def __init__(self, folder: Path):
        self._folder = folder / EVENTS
        self._writer: tf.summary.SummaryWriter | None = None

    def write(self, point: Mapping[str, float]) -> None:
        """Adds an evaluation.

        Args:
            point: `step`, and what was found there, by name.

        Raises:
            OSError: nothing can be written there.
        """
        try:
            if self._writer is None:
                self._writer = tf.summary.create_file_writer(str(self._folder))
            with self._writer.as_default(step=int(point["step"])):
                for name, value in point.items():
                    if name != "step":
                        tf.summary.write(
                            name, tf.cast(value, "float32"), metadata=_SCALAR
                        )
            self._writer.flush()
        except tf.errors.OpError as error:
            raise OSError(
                f"Cannot write {self._folder}: {error.message}"
            ) from error


class _Onward(logging.Handler):
    """Hands records from a level on to another logger."""

    def __init__(self, logger: logging.Logger, level: int):
        super().__init__(level)
        self._logger = logger

    def emit(self, record):
        self._logger.handle(record)


class _ToFile(logging.Handler):
    """Appends lines to a file, which it opens for each anew."""

    def __init__(self, path: Path):
        super().__init__()
        self._path = path
        self.setFormatter(
            logging.Formatter("%(asctime)s %(levelname)s %(message)s")
        )

    def emit(self, record):
        with (
            atomic_files.naming(self._path),
            open(self._path, "a", encoding="utf-8") as file,
        ):
            file.write(self.format(record) + "\n")
