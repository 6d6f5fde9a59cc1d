"""`nextitnet-tf NAME --flag=value ...`: which command it is, and its start."""

import difflib
import importlib
import os
import signal
import sys

COMMANDS = {
    "prepare": "raw files, tables and archives become sessions on disk",
    "prepare-spark": "the same on a Spark cluster",
    "train": "trains on a csv or on prepared sessions, and stacks",
    "evaluate": "metrics of a trained model on its test sessions",
    "recommend": "what users may want next, in the ids of the csv",
    "export": "a model for processes without this package",
    "serve": "answers over HTTP, and takes new models as they come",
}


def main() -> None:
    """Starts the command that the first argument names."""
    # Until the command listens, what a user interrupts has not begun.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("--help", "-h", "help"):
        print(_usage())
        sys.exit(0)
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        meant = f"; {near[0]}?" if near else ""
        print(
            f"error: expected a command among {', '.join(COMMANDS)}{meant} "
            f"Received: {name}",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.argv[:2] = [f"nextitnet-tf {name}"]
    module = name.replace("-", "_")
    importlib.import_module(f"nextitnet_tf.commands.{module}").run()


def _usage() -> str:
    lines = [f"  {name:13} {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "usage: nextitnet-tf COMMAND --flag=value ...",
            "",
            *lines,
            "",
            "nextitnet-tf COMMAND --help says what a command takes.",
        ]
    )


if __name__ == "__main__":
    main()
