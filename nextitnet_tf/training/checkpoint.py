"""The state of training on disk: what an interrupted stage goes on from."""

import json
import math
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from nextitnet_tf import atomic_files

FILE_NAME = "training_state.npz"
# Raised whenever what the file holds, or what it means, changes.
_FORMAT = 1


@dataclass
class Progress:
    """How far a stage has come.

    Attributes:
        step: training steps done.
        curve: what each evaluation found: `step`, `train_seconds`, `loss`
            and the metrics.
        best_value: of what early stopping looks at; -inf before the first
            evaluation.
        best_step: when that was.
        wait: evaluations since.
        seconds: of training in each interval between two evaluations.
        compiled: of each interval, whether compiling is in its seconds.
        is_over: whether patience or the budget has ended the stage.
        wall_seconds: up to the last evaluation, all included.
        made_by: versions, commit, device, ... of each process that had
            others than the one before.
    """

    step: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    best_value: float = -math.inf
    best_step: int = 0
    wait: int = 0
    seconds: list[float] = field(default_factory=list)
    compiled: list[bool] = field(default_factory=list)
    is_over: bool = False
    wall_seconds: float = 0.0
    made_by: list[dict[str, Any]] = field(default_factory=list)


def save(path: Path, model, progress: Progress, identity: str) -> None:
    """Writes weights, optimizer, random generators and progress, as one file.

    Args:
        path: of the file, which is replaced as a whole.
        model: compiled, its optimizer built.
        progress: of its stage.
        identity: name of the stage.
    """
    about = {
        "format": _FORMAT,
        "identity": identity,
        "progress": asdict(progress),
    }
    arrays = {
        f"variable_{i}": keras.ops.convert_to_numpy(variable)
        for i, variable in enumerate(_variables(model))
    }
    with atomic_files.replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, about=np.array(json.dumps(about)), **arrays)


def restore(path: Path, model, identity: str) -> Progress:
    """Sets a model to a saved state; `Progress()` where there is none.

    Args:
        path: of the file.
        model: built and compiled as the saved one was.
        identity: name of the stage.

    Raises:
        ValueError: the file is damaged, or of another stage or version.
    """
    if not path.is_file():
        return Progress()
    try:
        about, arrays = _read(path)
    except Exception as error:  # NumPy and zipfile raise whatever they meet.
        raise _unusable(path, f"damaged ({type(error).__name__})") from error
    if about.get("format") != _FORMAT or about.get("identity") != identity:
        raise _unusable(path, "of another recipe or version")
    variables = _variables(model)
    if [tuple(v.shape) for v in variables] != [a.shape for a in arrays]:
        raise _unusable(path, "of a model with other variables")
    for variable, value in zip(variables, arrays, strict=True):
        variable.assign(value)
    return Progress(**about["progress"])


def _unusable(path: Path, why: str) -> ValueError:
    return ValueError(
        f"The state of training in {path} is {why}: remove the file to train "
        "this stage again from its beginning"
    )


def _read(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        count = len(file.files) - 1
        return about, [file[f"variable_{i}"] for i in range(count)]


def _variables(model) -> list:
    """All that a training step reads and changes.

    `variables` has the states of random generators, which `weights` and a
    .keras file have not; and those of metrics, which begin anew.
    """
    of_metrics = {id(v) for metric in model.metrics for v in metric.variables}
    found = [v for v in model.variables if id(v) not in of_metrics]
    known = {id(v) for v in found}
    # SkipRec's reinforcement learning can have one of its policy, too.
    optimizers = [model.optimizer, getattr(model, "policy_optimizer", None)]
    return found + [
        variable
        for optimizer in optimizers
        for variable in (optimizer.variables if optimizer else ())
        if id(variable) not in known
    ]
