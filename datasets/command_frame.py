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

    A command that is told to terminate tidies up as one that is interrupted;
    its exit status is 143.

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
        terminated = []

        def stop(number: int, frame: Any) -> None:
            del frame
            terminated.append(128 + number)
            raise KeyboardInterrupt

        signal.signal(signal.SIGTERM, stop)
        status = run_command(flags.FLAGS)
        sys.exit(terminated[0] if terminated and status else status)

    define_flags(flags.FLAGS)
    app.run(main)
