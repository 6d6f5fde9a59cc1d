"""Training: what is learned from which rows, by one runner, onto disk.

recipe, sessions -> task -> stages -> fitting -> run on disk
"""

from nextitnet_tf.training import transfer
from nextitnet_tf.training.building import compile_model
from nextitnet_tf.training.building import make_model
from nextitnet_tf.training.cost import flops_per_step
from nextitnet_tf.training.next_item import evaluate
from nextitnet_tf.training.next_item import measure_step_seconds
from nextitnet_tf.training.next_item import rank
from nextitnet_tf.training.next_item import read_run
from nextitnet_tf.training.next_item import read_runs
from nextitnet_tf.training.next_item import run
from nextitnet_tf.training.runs import MONITOR
from nextitnet_tf.training.runs import Run
from nextitnet_tf.training.runs import describe
from nextitnet_tf.training.runs import identity
from nextitnet_tf.training.runs import monitor_of
from nextitnet_tf.training.runs import read_all

__all__ = [
    "MONITOR",
    "Run",
    "compile_model",
    "describe",
    "evaluate",
    "flops_per_step",
    "identity",
    "make_model",
    "measure_step_seconds",
    "monitor_of",
    "rank",
    "read_all",
    "read_run",
    "read_runs",
    "run",
    "transfer",
]
