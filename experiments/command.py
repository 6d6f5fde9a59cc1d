"""How an entry point begins and ends."""

import os
import sys
from collections.abc import Callable

from absl import app
from absl import flags

# TensorFlow's own start-up chatter; warnings of ours still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def run(main: Callable[[], int | None]) -> None:
    """Parses flags and calls `main`; no user error ends in a traceback.

    What was asked for and cannot be had (ValueError, OSError) is one line on
    stderr and exit status 1; Ctrl-C is exit status 130.
    """

    def guarded(argv: list[str]) -> int:
        if len(argv) > 1:
            print(
                f"error: expected flags only. Received: {' '.join(argv[1:])}",
                file=sys.stderr,
            )
            return 1
        try:
            return main() or 0
        except (ValueError, OSError, FloatingPointError) as error:
            print(f"error: {_one_line(error)}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(
                "\ninterrupted: what was finished is kept; start the same "
                "command again to go on",
                file=sys.stderr,
            )
            return 130

    flags.FLAGS.set_default("stderrthreshold", "error")
    app.run(guarded)


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
