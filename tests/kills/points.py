r"""A command that ends itself at a chosen point.

  python -m tests.kills.points state:2:KILL experiments.train --raw=...

runs `python -m experiments.train --raw=...` and sends itself SIGKILL when it
is about to write the state of training for the second time.
"""

import functools
import importlib
import os
import runpy
import signal
import sys

# What is about to be called: its module, and its name there. The last word of
# a name says what of it is meant, where that is not the call itself.
POINTS = {
    # preparation
    "sessions": ("nextitnet_tf.preparation.interactions", "_made"),
    "sessions' file": ("nextitnet_tf.preparation.session_blocks", "_growing"),
    "sessions' sync": ("nextitnet_tf.preparation.replacing", "_reach_the_disk"),
    "sessions' rename": ("os", "rename"),
    # between stages
    "stage": ("nextitnet_tf.training.stages", "_run_stage"),
    "lock": ("nextitnet_tf.locks", "_is_still_there"),
    "load": ("nextitnet_tf.models.saved", "load_model"),
    # training
    "step": (
        "nextitnet_tf.training.evaluating",
        "Evaluations.on_train_batch_begin",
    ),
    "evaluation": ("nextitnet_tf.training.ranking", "Ranker.rank"),
    "best": ("nextitnet_tf.training.checkpoint", "Checkpoints.keep_best"),
    "log": ("nextitnet_tf.training.evaluating", "_write_log"),
    "events": ("nextitnet_tf.training.journal", "Events.write"),
    "state": ("nextitnet_tf.training.checkpoint", "Checkpoints.save"),
    "old states": ("nextitnet_tf.training.checkpoint", "_files"),
    # any file
    "write": ("nextitnet_tf.atomic_files", "_remove_abandoned"),
    "sync": ("nextitnet_tf.atomic_files", "_reach_the_disk"),
    "rename": ("os", "replace"),
    # between files
    "finish": ("nextitnet_tf.training.stages", "_finish"),
    "summary": ("nextitnet_tf.atomic_files", "write_json"),
    "clear": ("nextitnet_tf.training.checkpoint", "Checkpoints.clear"),
    "publish": ("shutil", "copyfile"),
}


def arm(where: str) -> None:
    """Has this process send itself a signal at a point.

    Args:
        where: `POINT:COUNT:SIGNAL`, or "" for nowhere.
    """
    if not where:
        return
    point, count, name = where.split(":")
    module_name, attribute = POINTS[point]
    owner = importlib.import_module(module_name)
    *path, last = attribute.split(".")
    owner = functools.reduce(getattr, path, owner)
    function = getattr(owner, last)
    left = int(count)

    @functools.wraps(function)
    def armed(*args, **kwargs):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.Signals[f"SIG{name}"])
        return function(*args, **kwargs)

    setattr(owner, last, armed)


if __name__ == "__main__":
    where, module, *arguments = sys.argv[1:]
    # Before what it imports has taken a function by its name.
    arm(where)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
