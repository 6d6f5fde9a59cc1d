"""The cases of the benchmark, in the order in which they run.

A case is a module: `measure(settings)` gives what goes into benchmark.json
under its name, `to_markdown(found)` the lines that show it.
"""

from types import ModuleType

from experiments.benchmark import accuracy
from experiments.benchmark import batch
from experiments.benchmark import compression
from experiments.benchmark import growth
from experiments.benchmark import inference
from experiments.benchmark import padding
from experiments.benchmark import processes
from experiments.benchmark import recommending
from experiments.benchmark import scaling
from experiments.benchmark import training_steps

CASES: dict[str, ModuleType] = {
    "steps": training_steps,
    "processes": processes,
    "growth": growth,
    "recommend": recommending,
    "batch": batch,
    "padding": padding,
    "compression": compression,
    "inference": inference,
    "scaling": scaling,
    "accuracy": accuracy,
}


def choose(names: list[str]) -> dict[str, ModuleType]:
    """Cases by name, in the order in which they run.

    Raises:
        ValueError: a name of none, or no name.
    """
    wrong = [name for name in names if name not in CASES]
    if wrong or not names:
        raise ValueError(
            f"--cases must be among {', '.join(CASES)}. "
            f"Received: {', '.join(wrong) or 'none'}"
        )
    return {name: case for name, case in CASES.items() if name in names}
