"""Seconds of a training step at each depth, on an idle machine.

Tables count time as steps times these seconds, so that a training run that
shared its machine is not blamed for it.
"""

import dataclasses
import json
import os
from pathlib import Path

from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage

FILE_NAME = "step_times.json"


def key(summary: dict) -> str:
    """What the time of a step depends on, of a run's summary, as text."""
    model = summary["model_config"]
    return (
        f"{summary['model']}, {summary['stage']['num_blocks']} blocks, "
        f"embedding_dim {model.get('embedding_dim', 64)}, "
        f"batch {summary['batch_size']}, t {summary['data']['t']}, "
        f"{summary['data']['num_items']} items, "
        f"{summary['protocol']['sampled_fraction']:.0%} sampled"
    )


def name_of(recipe: Recipe, depth: int, sessions: data.Sessions) -> str:
    """The key of a recipe's step at a depth."""
    at_depth = dataclasses.replace(recipe, stages=(Stage(depth),))
    return key(training.describe(at_depth, at_depth.stages[0], sessions))


def measure(
    recipe: Recipe, depth: int, sessions: data.Sessions, path: Path
) -> None:
    """Measures a step and adds it to a file.

    Args:
        recipe: its model, protocol and batch size count.
        depth: number of blocks.
        sessions: to train on.
        path: step_times.json; what it has of other steps is kept.
    """
    times = read(path)
    name = name_of(recipe, depth, sessions)
    load_before = os.getloadavg()[0]
    seconds = training.measure_step_seconds(recipe, depth, sessions)
    times[name] = {"seconds": seconds, "load_average_before": load_before}
    atomic_files.write_json(path, times)
    print(f"{name}: {1000 * seconds:.1f} ms a step", flush=True)


def read(path: Path) -> dict:
    """What was measured before; {} if nothing was."""
    if not path.is_file():
        return {}
    return json.loads(path.read_text(encoding="utf-8"))
