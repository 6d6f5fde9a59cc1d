"""The state of training on disk: what an interrupted stage goes on from."""

import hashlib
import json
import logging
import math
import re
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from nextitnet_tf import atomic_files
from nextitnet_tf.models import saved

_LOGGER = logging.getLogger(__name__)

# The weights of the best evaluation so far, and the state, by their steps.
BEST = "best-{step}.keras"
STATE = "training_state-{step}.npz"
# Raised whenever what the file holds, or what it means, changes.
_FORMAT = 2


@dataclass
class Progress:
    """How far a stage has come.

    Attributes:
        step: training steps up to the last evaluation.
        curve: what each evaluation found: `step`, `train_seconds`, `loss`
            and the metrics.
        best_value: of what early stopping looks at; -inf before the first
            evaluation.
        best_step: when that was.
        best_sha256: of the file of those weights.
        wait: evaluations since.
        seconds: of training in each interval between two evaluations.
        compiled: of each interval, whether compiling is in its seconds.
        is_over: whether patience or the budget has ended the stage.
        wall_seconds: up to here, all included.
        made_by: versions, commit, device, ... of each process that had
            others than the one before.
        begun: of the interval that a signal has cut, if one has: `steps`,
            `seconds`, and what its mean loss is counted from (`loss`).
    """

    step: int = 0
    curve: list[dict[str, float]] = field(default_factory=list)
    best_value: float = -math.inf
    best_step: int = 0
    best_sha256: str = ""
    wait: int = 0
    seconds: list[float] = field(default_factory=list)
    compiled: list[bool] = field(default_factory=list)
    is_over: bool = False
    wall_seconds: float = 0.0
    made_by: list[dict[str, Any]] = field(default_factory=list)
    begun: dict[str, Any] = field(default_factory=dict)

    @property
    def all_steps(self) -> int:
        """Training steps up to here, those of a cut interval included."""
        return self.step + self.begun.get("steps", 0)


class Checkpoints:
    """The states of a stage's training: the last two, each with a checksum.

    Args:
        folder: of the stage.
        identity: its name.
    """

    def __init__(self, folder: Path, identity: str):
        self.folder = folder
        self._identity = identity
        # The newest state that is whole, and its best weights.
        self._last: set[Path] = set()

    def best(self, step: int) -> Path:
        """Where the best weights are while a stage trains."""
        return self.folder / BEST.format(step=step)

    def keep_best(self, model, progress: Progress) -> None:
        """Writes the weights of the best evaluation, `progress.best_step`."""
        path = self.best(progress.best_step)
        saved.save_model(model, path)
        progress.best_sha256 = atomic_files.file_digest(path)

    def save(self, model, progress: Progress) -> None:
        """Writes weights, optimizer, random generators and progress.

        Args:
            model: compiled, its optimizer built.
            progress: of its stage.

        Raises:
            OSError: the file cannot be written; those before are as they were.
        """
        about = json.dumps(
            {
                "format": _FORMAT,
                "identity": self._identity,
                "progress": asdict(progress),
            }
        )
        arrays: list[Any] = [
            _in_numpy_s_own(keras.ops.convert_to_numpy(v))
            for v in _variables(model)
        ]
        path = self.folder / STATE.format(step=progress.all_steps)
        with (
            atomic_files.replacing(path) as partial,
            open(partial, "wb") as file,
        ):
            np.savez(
                file,
                about=np.array(about),
                sha256=np.array(_sha256(about, arrays)),
                **{f"variable_{i}": array for i, array in enumerate(arrays)},
            )
        now = {path, self.best(progress.best_step)}
        for other in _files(self.folder):
            if other not in now | self._last:
                other.unlink(missing_ok=True)
        self._last = now

    def restore(self, model) -> Progress:
        """Sets a model to the newest state; `Progress()` where there is none.

        One that is damaged is passed over, with a warning that names it.

        Args:
            model: built and compiled as the saved one was.

        Raises:
            ValueError: the states are damaged, or of another stage or version.
        """
        problems = []
        for path in _states(self.folder):
            try:
                about, arrays = _read(path)
            except Exception as error:  # NumPy raises whatever it meets.
                what = f"damaged ({type(error).__name__})"
                problems.append(f"{path} is {what}")
                continue
            is_known = about.get("format") == _FORMAT
            if not is_known or about.get("identity") != self._identity:
                raise _unusable(f"{path} is of another recipe or version")
            progress = Progress(**about["progress"])
            best = self.best(progress.best_step)
            if progress.curve and not _is(best, progress.best_sha256):
                problems.append(f"{best} is damaged or missing")
                continue
            variables = _variables(model)
            if [tuple(v.shape) for v in variables] != [a.shape for a in arrays]:
                raise _unusable(f"{path} is of a model with other variables")
            for variable, value in zip(variables, arrays, strict=True):
                if variable.dtype == "bfloat16":
                    value = value.view("bfloat16")
                variable.assign(value)
            self._last = {path, best}
            if problems:
                _LOGGER.warning(
                    "%s: training goes on from the state before, %s",
                    "; ".join(problems),
                    path.name,
                )
            return progress
        if problems:
            raise _unusable("; ".join(problems))
        return Progress()

    def are_left(self) -> bool:
        """Whether there are states or best weights."""
        return bool(_files(self.folder))

    def clear(self) -> None:
        """Removes states and best weights, when the stage is done."""
        for path in _files(self.folder):
            path.unlink(missing_ok=True)


def _unusable(what: str) -> ValueError:
    return ValueError(
        f"The state of training cannot be used: {what}. Remove the file (or, "
        "to train this stage again from its beginning, its folder)"
    )


def _states(folder: Path) -> list[Path]:
    """Files of states, the newest first, those of earlier versions last."""
    return sorted(
        _named(folder, STATE),
        key=lambda path: (len(path.name), path.name),
        reverse=True,
    )


def _files(folder: Path) -> list[Path]:
    return [*_states(folder), *_named(folder, BEST)]


def _named(folder: Path, form: str) -> list[Path]:
    """Files of a step, or of none; not those that are being written."""
    pattern = re.escape(form).replace(r"\-\{step\}", r"(-\d+)?")
    return [p for p in folder.glob("*") if re.fullmatch(pattern, p.name)]


def _is(path: Path, sha256: str) -> bool:
    return path.is_file() and atomic_files.file_digest(path) == sha256


def _read(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """What a file holds.

    Raises:
        Exception: whatever NumPy meets, or ValueError: the checksum is wrong.
    """
    with np.load(path, allow_pickle=False) as file:
        text = str(file["about"])
        about = json.loads(text)
        if about.get("format") != _FORMAT:
            return about, []  # which `restore` refuses
        names = sorted(
            (name for name in file.files if name.startswith("variable_")),
            key=lambda name: int(name.removeprefix("variable_")),
        )
        arrays = [file[name] for name in names]
        if str(file["sha256"]) != _sha256(text, arrays):
            raise ValueError("another checksum")
    return about, arrays


def _in_numpy_s_own(array: np.ndarray) -> np.ndarray:
    """The same bits, in a type that a file of NumPy's can say."""
    return array.view("uint16") if array.dtype.name == "bfloat16" else array


def _sha256(about: str, arrays: list[np.ndarray]) -> str:
    digest = hashlib.sha256(about.encode())
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(
            np.ascontiguousarray(array).reshape(-1).view("uint8").data
        )
    return digest.hexdigest()


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
