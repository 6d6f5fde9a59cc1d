"""How the commands of this package begin and end."""

import signal
import sys
from collections.abc import Callable
from typing import Any

from absl import app
from absl import flags


def run(
    define_flags: Callable[[flags.FlagValues], None],
    run_command: Callable[[flags.FlagValues], int],
) -> None:
    """Parses flags, runs a command, exits with its status.

    A command that is told to terminate ends as one that is interrupted.

    Args:
        define_flags: adds the command's own.
        run_command: parsed flags -> exit status.
    """

    def main(argv: list[str]) -> None:
        if len(argv) > 1:
            print(
                f"error: Expected flags alone. Received: {argv[1]!r}",
                file=sys.stderr,
            )
            sys.exit(1)
        signal.signal(signal.SIGTERM, _stop)
        sys.exit(run_command(flags.FLAGS))

    define_flags(flags.FLAGS)
    app.run(main)


def _stop(number: int, frame: Any) -> None:
    del number, frame
    raise KeyboardInterrupt  # so that a terminated run tidies up, too
