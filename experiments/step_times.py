"""Seconds of a training step at each depth, on an idle machine.

Tables count time as steps times these seconds, so that a training run that
shared its machine is not blamed for it.
"""

import json
import os
from pathlib import Path

from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.recipe import Recipe

FILE_NAME = "step_times.json"


def measure(
    recipe: Recipe, depths: list[int], sessions: data.Sessions, path: Path
) -> dict:
    """Measures the depths and adds them to a file.

    Args:
        recipe: its protocol, batch size and model configuration count.
        depths: numbers of blocks.
        sessions: to train on.
        path: step_times.json; what it has of other protocols is kept.

    Returns:
        {protocol: {depth: seconds}}, as the file now has it.
    """
    times = read(path)
    of_protocol = times.setdefault(recipe.protocol.name, {})
    for depth in depths:
        of_protocol[str(depth)] = training.measure_step_seconds(
            recipe, depth, sessions
        )
        times["load_average"] = os.getloadavg()[0]
        training.write_json(path, times)
        print(
            f"{recipe.protocol.name}, {depth} blocks: "
            f"{1000 * of_protocol[str(depth)]:.1f} ms a step"
        )
    return times


def read(path: Path) -> dict:
    """What was measured before; {} if nothing was."""
    if not path.is_file():
        return {}
    return json.loads(path.read_text(encoding="utf-8"))
