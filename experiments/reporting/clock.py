"""Seconds of a training step, the same for all lines of one kind.

Tables count time as steps times these seconds: what was measured on an idle
machine (step_times.json), else the median over the runs; so that a run that
shared its machine is not blamed for it.
"""

import json
import os
import statistics
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nextitnet_tf import atomic_files
from nextitnet_tf import data
from nextitnet_tf import training
from nextitnet_tf.models import COUNTED
from nextitnet_tf.recipe import Recipe

FILE_NAME = "step_times.json"
# What the time of a step depends on besides sizes, where it is not this.
_USUAL = {
    "dtype": "float32",
    "use_alpha": True,
    "num_heads": 1,
    "kernel_size": 3,
    "variant": "stackrec",
    "compression": None,
    "skip": None,
    "distill": None,
}


def key(summary: Mapping[str, Any]) -> str:
    """What the time of a step depends on but for the device, as text.

    Args:
        summary: of a run.

    Returns:
        Model, sizes, and what is not usual of its configuration, so that a
        time that was kept before something could be unusual is found.
    """
    model = summary["model_config"]
    unusual = [
        f", {name}={model[name]}"
        for name, usual in _USUAL.items()
        if model.get(name, usual) != usual
    ]
    return (
        f"{summary['model']}, {summary['stages'][-1]['num_blocks']} blocks, "
        f"embedding_dim {model.get('embedding_dim', 64)}, "
        f"batch {summary['batch_size']}, t {summary['data']['t']}, "
        f"{summary['data']['num_items']} items, "
        f"{summary['protocol']['sampled_fraction']:.0%} sampled"
        + "".join(unusual)
    )


def _on_device(summary: Mapping[str, Any]) -> str:
    return f"{key(summary)}, on {summary.get('device')}"


def _is_processor(summary: Mapping[str, Any]) -> bool:
    """Whether a run was trained without an accelerator, as far as it says."""
    device = summary.get("device")
    return device is None or device.endswith(" cores")


class Clock:
    """Seconds of a step of each kind.

    Args:
        path: of step_times.json, which need not be there.
        summaries: of the runs that share the clock.
    """

    def __init__(self, path: Path, summaries: Iterable[Mapping[str, Any]]):
        self._measured = read(path)
        times: dict[str, list[float]] = {}
        compiled: dict[str, list[float]] = {}
        # Several rows may share a run, which counts once.
        for summary in {id(s): s for s in summaries}.values():
            seconds = self._idle(summary)
            holds = summary.get("step_seconds_with_compilation", False)
            of_kind = compiled if seconds is None and holds else times
            of_kind.setdefault(self._kind(summary), []).append(
                seconds or summary["step_seconds"]
            )
        # Times that hold compilation count where there are no others.
        self._seconds = {
            kind: statistics.median(of_kind)
            for kind, of_kind in {**compiled, **times}.items()
        }

    def step_seconds(self, summary: Mapping[str, Any]) -> float:
        """Of a step of one of the runs."""
        return self._seconds[self._kind(summary)]

    def is_idle(self, summary: Mapping[str, Any]) -> bool:
        """Whether that was measured on an idle machine."""
        return self._idle(summary) is not None

    def _idle(self, summary: Mapping[str, Any]) -> float | None:
        names = [_on_device(summary)]
        if _is_processor(summary):
            names.append(key(summary))  # older files name no device
        for name in names:
            if name in self._measured:
                return self._measured[name]["seconds"]
        return None

    @staticmethod
    def _kind(summary: Mapping[str, Any]) -> str:
        """Runs of one kind count the same seconds a step."""
        if _is_processor(summary):
            return key(summary)
        return _on_device(summary)


def measure(recipes: Iterable[Recipe], store, path: Path) -> None:
    """Measures a step of each kind and adds it to a file.

    Args:
        recipes: model, depth, protocol and batch size of their last stages
            count; what takes the same time is measured once.
        store: their sessions (`Store.sessions_of`).
        path: step_times.json; what it has of other steps is kept.
    """
    done = set()
    for recipe in recipes:
        if recipe.model in COUNTED:
            continue
        sessions: data.Sessions = store.sessions_of(recipe)
        depth = recipe.stages[-1].num_blocks
        name = _on_device(training.describe(recipe.at_depth(depth), sessions))
        if name in done:
            continue
        done.add(name)
        load_before = os.getloadavg()[0]
        seconds = training.measure_step_seconds(recipe, depth, sessions)
        times = read(path)
        times[name] = {"seconds": seconds, "load_average_before": load_before}
        atomic_files.write_json(path, times)
        print(f"{name}: {1000 * seconds:.1f} ms a step", flush=True)


def measure_missing(recipes: Iterable[Recipe], store, path: Path) -> None:
    """`measure`, of the kinds of step that the file has not."""
    missing = []
    for recipe in recipes:
        depth = recipe.stages[-1].num_blocks
        sessions = store.sessions_of(recipe)
        name = _on_device(training.describe(recipe.at_depth(depth), sessions))
        if name not in read(path):
            missing.append(recipe)
    measure(missing, store, path)


def read(path: Path) -> dict[str, Any]:
    """What was measured before; {} if nothing was."""
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"Expected times that were measured before. Received: {path}, "
            f"which is no JSON ({error}); remove it to measure again"
        ) from error
