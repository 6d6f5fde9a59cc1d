"""Runs on disk: what they are called, found again, and read.

A run is named by what determines its numbers, and by nothing else. A field
that has its default does not enter the name, so that a new field with a
default renames no run; `SCHEMA` does, and must be raised when the meaning of
what is there changes, a default included.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nextitnet_tf import atomic_files
from nextitnet_tf import distribution
from nextitnet_tf.data import Pairs
from nextitnet_tf.data import Sessions
from nextitnet_tf.models import MODELS
from nextitnet_tf.models import saved
from nextitnet_tf.protocol import protocol_differences
from nextitnet_tf.recipe import FineTuning
from nextitnet_tf.recipe import Protocol
from nextitnet_tf.recipe import Recipe
from nextitnet_tf.recipe import Stage
from nextitnet_tf.recipe import Start
from nextitnet_tf.recipe import Transfer
from nextitnet_tf.stacking import METHODS
from nextitnet_tf.training import provenance
from nextitnet_tf.training import ranks

SCHEMA = 1
# What early stopping and the best weights look at, unless a task says.
MONITOR = "val_mrr_at_5"
SUMMARY = "run.json"
MODEL = "model.keras"
LOG = "log.csv"
# What a summary must have to be one.
_NEEDED: dict[str, type] = {
    "model": str,
    "model_config": dict,
    "stages": list,
    "protocol": dict,
    "batch_size": int,
    "data": dict,
    "test": dict,
    "curve": list,
    "best_step": int,
}


@dataclass(frozen=True)
class Run:
    """A stage that is done.

    Attributes:
        folder: holds model.keras (the best evaluation's weights), run.json,
            ranks.npz and log.csv.
        summary: what run.json says: `stages`, `curve` (a list with step,
            train_seconds and val_mrr_at_5 of each evaluation), `best_step`,
            `test` (metrics of the best weights), `num_sessions` (evaluated),
            `step_seconds`, ...
    """

    folder: Path
    summary: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> "Run":
        """A stage that was run before.

        Raises:
            ValueError: its run.json is damaged.
        """
        path = Path(folder) / SUMMARY
        why = None
        try:
            summary = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            why = "it is no JSON"
        else:
            if not isinstance(summary, dict):
                why = f"it holds a {type(summary).__name__}"
            elif missing := [n for n in _NEEDED if n not in summary]:
                why = f"it lacks {', '.join(missing)}"
            elif wrong := [
                name
                for name, kind in {**_NEEDED, "files": dict}.items()
                if not isinstance(summary.get(name, kind()), kind)
            ]:
                why = f"{', '.join(wrong)} cannot be what it says"
        if why:
            raise ValueError(
                f"Expected the summary of a run in {path}, but {why}: remove "
                f"the folder {folder} to train it again"
            )
        return cls(Path(folder), summary)

    @functools.cached_property
    def recipe(self) -> Recipe:
        """What was trained, up to this stage.

        Raises:
            ValueError: this version knows no such recipe.
        """
        try:
            return recipe_of(self.summary)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise ValueError(
                f"Expected a recipe in {self.folder / SUMMARY}. Received: "
                f"{' '.join(str(error).split())}"
            ) from error

    @functools.cached_property
    def transfer(self) -> Transfer | None:
        """What was fine-tuned; None of a run of next-item training."""
        if "fine_tuning" not in self.summary:
            return None
        return Transfer(
            self.recipe,
            _make(FineTuning, self.summary["fine_tuning"]),
            self.summary["is_pretrained"],
        )

    @property
    def name(self) -> str:
        """That of its folder."""
        return self.folder.name

    @property
    def trained_until(self) -> float | None:
        """When its latest training row was over, if known."""
        return self.summary["data"].get("trained_until")

    @property
    def has_model(self) -> bool:
        """Whether the file of the model is there."""
        return (self.folder / MODEL).is_file()

    @property
    def model_path(self) -> Path:
        """The file of the model, which may have been thrown away.

        Raises:
            ValueError: it is not the file that the run has written.
        """
        self._check(MODEL)
        return self.folder / MODEL

    def read_ranks(self, exclude_seen: bool = False) -> np.ndarray | None:
        """(num_sessions,) ranks of the test, 0 for the best, if kept.

        Args:
            exclude_seen: those among the items that are not in the history.

        Returns:
            uint8, `ranks.LAST` for all ranks from there on.

        Raises:
            ValueError: the file is damaged.
        """
        path = self.folder / ranks.FILE
        if not path.is_file():
            return None
        self._check(ranks.FILE)
        try:
            return ranks.load(path, exclude_seen)
        except Exception as error:  # NumPy raises whatever it meets.
            raise _damaged(path, self.folder) from error

    def load_model(self, with_optimizer: bool = False):
        """The best weights, as a built model."""
        return saved.load_model(self.model_path, with_optimizer)

    def _check(self, name: str) -> None:
        """Raises ValueError if a file is not as it was written."""
        path = self.folder / name
        known = self.summary.get("files", {}).get(name)
        if known and path.is_file() and atomic_files.file_digest(path) != known:
            raise _damaged(path, self.folder)


def _damaged(path: Path, folder: Path) -> ValueError:
    return ValueError(
        f"{path} is damaged: it is not what the run has written. Remove the "
        f"folder {folder} to train it again"
    )


def monitor_of(summary: Mapping[str, Any]) -> str:
    """The metric of the curve by which a run's best evaluation was chosen."""
    return summary.get("monitor", MONITOR)


def read_all(folder: Path) -> list[Run]:
    """All finished runs below a folder, by name."""
    return [Run.read(p.parent) for p in sorted(folder.glob(f"*/{SUMMARY}"))]


def recipe_of(summary: Mapping[str, Any]) -> Recipe:
    """The recipe that a run.json describes.

    Raises:
        ValueError: it has fields that this version does not know.
    """
    made: dict[str, Any] = {
        "stages": tuple(_make(Stage, stage) for stage in summary["stages"]),
        "protocol": _make(Protocol, summary["protocol"]),
    }
    if summary.get("start"):
        made["start"] = _make(Start, summary["start"])
    # A field that a run does not say is newer than it, and has its default.
    names = [f.name for f in dataclasses.fields(Recipe) if f.name in summary]
    return Recipe(**{**{name: summary[name] for name in names}, **made})


def _make(of_class, values: Mapping[str, Any]):
    known = {f.name for f in dataclasses.fields(of_class)}
    if not isinstance(values, Mapping):
        raise ValueError(
            f"Expected the fields of a {of_class.__name__}. "
            f"Received: {values!r}"
        )
    if not set(values) <= known:
        raise ValueError(
            f"Expected the fields of a {of_class.__name__}. Received: "
            f"{', '.join(sorted(set(values) - known))}, of another version"
        )
    values = dict(values)
    if "switches" in values:
        values["switches"] = tuple(map(tuple, values["switches"]))
    try:
        return of_class(**values)
    except TypeError as error:
        raise ValueError(
            f"Expected the fields of a {of_class.__name__}. Received: {error}"
        ) from error


def describe(recipe: Recipe, sessions: Sessions) -> dict[str, Any]:
    """What a recipe's last stage is, for its run.json."""
    return {
        "schema": SCHEMA,
        **dataclasses.asdict(recipe),
        "protocol_differences": protocol_differences(recipe.protocol),
        "data": {
            "source": sessions.meta.get("source"),
            "num_rows": len(sessions.rows),
            "t": sessions.rows.shape[1],
            "num_items": sessions.num_items,
            "fingerprint": sessions.fingerprint_for(recipe.protocol),
        },
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "device": distribution.device_name(),
    }


def name_of(recipe: Recipe, fingerprint: str) -> str:
    """A readable name of a recipe's last stage, that no other shares.

    Args:
        recipe: up to this stage.
        fingerprint: of the sessions.
    """
    stage = recipe.stages[-1]
    how = stage.method or "scratch"
    if how in METHODS:
        how = f"{how}-{_preset(stage, recipe.model)}"
    return (
        f"{recipe.model}-{stage.num_blocks}-{how}"
        f"-{round(100 * stage.data_ratio)}pct-seed{recipe.seed}"
        f"-{_digest(identity(recipe), fingerprint)}"
    )


def name_of_transfer(transfer: Transfer, fingerprint: str, pairs: Pairs) -> str:
    """The same of a fine-tuned model."""
    recipe = transfer.pretraining
    last = recipe.stages[-1]
    how = last.method or "scratch" if transfer.is_pretrained else "untrained"
    digest = _digest(
        *(identity(recipe), identity(transfer.fine_tuning)),
        *(transfer.is_pretrained, fingerprint, pairs.fingerprint),
    )
    return (
        f"{recipe.model}-{last.num_blocks}-{how}-transfer-"
        f"{transfer.fine_tuning.name}-seed{recipe.seed}-{digest}"
    )


def identity(instance) -> dict[str, Any]:
    """What of a recipe, or of a part of one, determines numbers.

    Args:
        instance: a `Recipe`, or a part of one.

    Returns:
        Fields by name, but for those that have their default and those that
        are labels.
    """
    found: dict[str, Any] = {}
    for f in dataclasses.fields(instance):
        value = getattr(instance, f.name)
        if f.metadata.get("is_label"):
            continue
        if f.name == "stages":
            found["stages"] = [_of_stage(s, instance.model) for s in value]
        elif dataclasses.is_dataclass(value):
            found[f.name] = identity(value)
        elif value != _default(f):
            found[f.name] = dict(value) if f.name == "model_config" else value
    return found


def _of_stage(stage: Stage, model: str) -> dict[str, Any]:
    """Identity of a stage: what it copies, if it stacks, by name."""
    found = identity(stage)
    if stage.method in METHODS:
        return {**found, "preset": _preset(stage, model)}
    keeps = stage.method == "continue" and ("optimizer", True) in stage.switches
    unused = {"preset"} if keeps else {"preset", "switches"}
    return {k: v for k, v in found.items() if k not in unused}


def _preset(stage: Stage, model: str) -> str:
    return stage.preset or MODELS[model].best_preset


def _default(f: dataclasses.Field) -> Any:
    if f.default_factory is not dataclasses.MISSING:
        return f.default_factory()
    return f.default


def _digest(*what: Any) -> str:
    text = json.dumps([SCHEMA, *what], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]
