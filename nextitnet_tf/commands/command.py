"""How a command that needs TensorFlow begins: it is imported quietly."""

import os
import sys
import tempfile

from nextitnet_tf.commands import frame

run = frame.run
# TensorFlow's remarks on devices and compilation; its warnings still show.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")


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
                lambda record: (
                    not any(
                        remark in str(record.msg)
                        for remark in ("tf.function retracing", "eagerly has")
                    )
                )
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


def metrics_line(metrics: dict) -> str:
    """Metrics of an evaluation, for people."""
    names = {"mrr": "MRR", "hit_rate": "HR", "ndcg": "NDCG"}
    shown = ", ".join(
        f"{short}@{n} {metrics[f'{name}_at_{n}']:.4f}"
        for n in (5, 10)
        for name, short in names.items()
    )
    return f"{shown} ({metrics['num_sessions']:,} sessions)"
