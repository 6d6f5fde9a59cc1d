"""The strategy that --strategy names, and what only one worker may do."""

import functools
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nextitnet_tf import distribution
from nextitnet_tf.commands import flags
from nextitnet_tf.preparation import sessions
from nextitnet_tf.training import several_workers


def chosen() -> distribution.Strategy:
    """What --strategy names; it comes before anything is computed."""
    return _made(flags.STRATEGY.value)


@functools.cache
def _made(name: str) -> distribution.Strategy:
    return distribution.make_strategy(name)


def of_one_process(command: str) -> distribution.Strategy:
    """The same, for what several workers cannot do together.

    Args:
        command: how it is called.

    Raises:
        ValueError: --strategy=multi_worker.
    """
    if flags.STRATEGY.value == "multi_worker":
        raise ValueError(
            f"Expected one process: {command} does not train over several "
            "workers. Received: --strategy=multi_worker"
        )
    return chosen()


def sessions_folder(
    usual: Mapping[str, Any] | None = None, suffix: str = ""
) -> Path:
    """`flags.sessions_folder`; of several workers the chief alone prepares."""

    def found() -> Path:
        folder = Path(
            flags.SESSIONS.value or f"data/{flags.dataset_name()}{suffix}"
        )
        sessions.check_folder(folder)
        return folder

    return distribution.after_the_chief(
        chosen(), lambda: flags.sessions_folder(usual, suffix), found
    )


def meet(what: str, folder: Path) -> None:
    """Waits for all workers, who must be about to do the same."""
    with chosen().scope():
        several_workers.meet(what, folder)


def is_chief() -> bool:
    """Whether this is the one worker that writes and prints."""
    with chosen().scope():
        return distribution.is_chief()


def leave_the_rest_to_the_chief() -> None:
    """Ends a worker that is not the chief, which alone writes and prints."""
    with chosen().scope():
        place, count = distribution.worker()
    if place:
        print(
            f"worker {place} of {count} is done; worker 0, the chief, has "
            "what was trained",
            file=sys.stderr,
        )
        raise SystemExit
