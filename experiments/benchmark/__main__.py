r"""Measures what training, evaluating, reading and starting cost.

  python -m experiments.benchmark
  python -m experiments.benchmark --cases=steps,growth

First the machine, then each case as a share of what that allows; medians over
--repetitions after warm-up. Writes benchmark.json, benchmark.md and
benchmark.png into --output. Run it on an otherwise idle machine: about 7
minutes on 2 cores.

Cases: steps (training and evaluation), processes (import, first step, memory,
reading), growth (a step's time against blocks, t and items), accuracy (how
soon a stacked model is as good as one from scratch: read from --table, not
measured; alone, it goes into the report that is there). `steps` and
`growth` need Keras alone: where only JAX is installed,
`KERAS_BACKEND=jax python -m experiments.benchmark --cases=steps` runs them.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments.benchmark import accuracy
from experiments.benchmark import machine
from experiments.benchmark import processes
from experiments.benchmark import report
from experiments.benchmark import steps
from nextitnet_tf import atomic_files

CASES = ("steps", "processes", "growth", "accuracy")
_OUTPUT = flags.DEFINE_string(
    "output", "results/benchmark", "Folder of results."
)
_CASES = flags.DEFINE_list("cases", list(CASES), "Which cases to measure.")
_TABLE = flags.DEFINE_string(
    "table",
    "results/ml1m/table.json",
    "What `make reproduce-table2` wrote: time to accuracy is taken from it.",
)
_REPETITIONS = flags.DEFINE_integer(
    "repetitions", 7, "Timings a case, after warm-up.", lower_bound=1
)

# The machine that goals and the TF1 release were measured on.
REFERENCE_GFLOP_PER_SECOND = 242
# Name, step, ms to reach there, ms of the release there.
STEPS: tuple[tuple[str, steps.Step, float | None, float | None], ...] = (
    (
        "8 blocks, 3,500 items, 20 % sampled",
        steps.Step(),
        36,
        accuracy.RELEASE_MS[8],
    ),
    (
        "32 blocks, 3,500 items, 20 % sampled",
        steps.Step(num_blocks=32),
        125,
        accuracy.RELEASE_MS[32],
    ),
    (
        "8 blocks, 24,000 items, 20 % sampled",
        steps.Step(num_items=24_000),
        76,
        301,
    ),
    (
        "8 blocks, 3,500 items, full softmax",
        steps.Step(sampled_fraction=0),
        63,
        None,
    ),
    (
        "8 blocks, 24,000 items, full softmax",
        steps.Step(num_items=24_000, sampled_fraction=0),
        250,
        None,
    ),
)
# On an accelerator also the paper's largest model at ML20's size, whose pass
# over the training sessions has so many steps.
ML20 = ("32 blocks, 24,000 items, 20 % sampled (ML20)", 4_565)
ML20_STEP = steps.Step(num_blocks=32, num_items=24_000)
# What a step's time should be linear in, and the values to look at.
GROWTH: tuple[tuple[str, str, steps.Step, tuple[int, ...]], ...] = (
    ("blocks", "num_blocks", steps.Step(), (4, 8, 16, 32, 64)),
    ("t", "t", steps.Step(batch_size=64), (20, 50, 100, 200)),
    (
        "items, full softmax",
        "num_items",
        steps.Step(num_blocks=2, sampled_fraction=0),
        (1_000, 4_000, 12_000, 24_000),
    ),
)


def main() -> None:
    wrong = [case for case in _CASES.value if case not in CASES]
    if wrong:
        raise ValueError(
            f"--cases must be among {', '.join(CASES)}. "
            f"Received: {', '.join(wrong)}"
        )
    output = Path(_OUTPUT.value)
    output.mkdir(parents=True, exist_ok=True)
    result = _begin(output / "benchmark.json")
    for case, measure in (
        ("steps", _measure_steps),
        ("processes", _measure_processes),
        ("growth", _measure_growth),
        ("accuracy", _measure_accuracy),
    ):
        if case in _CASES.value:
            result[case] = measure(result["machine"]["gflop_per_second"])
            atomic_files.write_json(output / "benchmark.json", result)
    markdown = report.to_markdown(result)
    atomic_files.write_text(output / "benchmark.md", markdown)
    report.draw(result, output / "benchmark.png")
    print(markdown)


def _begin(earlier: Path) -> dict[str, Any]:
    """A report with the machine in it."""
    if _CASES.value == ["accuracy"] and earlier.is_file():
        return json.loads(earlier.read_text(encoding="utf-8"))
    print("measuring the machine", flush=True)
    found = processes.run("machine", str(_REPETITIONS.value))
    if found["device"] == "cpu":
        print("no accelerator here: measuring the CPU", flush=True)
    return {"machine": found}


def _measure_steps(rate: float) -> list[dict[str, Any]]:
    found = []
    for name, step, goal, release in STEPS:
        timing = steps.time_training(step, _REPETITIONS.value)
        found.append(_step(name, timing, step.gflop, rate, goal, release))
    if machine.has_accelerator():
        name, steps_a_pass = ML20
        timing = steps.time_training(ML20_STEP, _REPETITIONS.value)
        found.append(_step(name, timing, ML20_STEP.gflop, rate))
        found[-1]["pass_seconds"] = steps_a_pass * timing.median
        print(f"a pass over ML20: {found[-1]['pass_seconds']:.0f} s")
    evaluation = steps.time_evaluation(steps.Step(), _REPETITIONS.value)
    found.append(
        _step("evaluation of 256 sessions, 8 blocks", evaluation, 0, rate)
    )
    return found


def _step(
    name: str,
    timing: steps.Timing,
    gflop: float,
    rate: float,
    goal: float | None = None,
    release: float | None = None,
) -> dict[str, Any]:
    print(f"{name}: {1000 * timing.median:.1f} ms", flush=True)
    per_second = gflop / timing.median

    def share(milliseconds: float | None) -> float | None:
        if not milliseconds:
            return None
        return 1000 * gflop / milliseconds / REFERENCE_GFLOP_PER_SECOND

    return {
        "name": name,
        "gflop": gflop,
        "seconds": timing.median,
        "repetition_seconds": timing.seconds,
        "min": min(timing.seconds),
        "max": max(timing.seconds),
        "repetitions": len(timing.seconds),
        "first_seconds": timing.first_seconds,
        "gflop_per_second": per_second,
        "share": per_second / rate if gflop else None,
        "goal_share": share(goal),
        "release_share": share(release),
    }


def _measure_processes(rate: float) -> list[dict[str, Any]]:
    del rate
    found = []

    def add(name: str, goal: str, figures: dict[str, float], shown: str):
        shown = shown.format(**figures)
        print(f"{name}: {shown}", flush=True)
        found.append(
            {"name": name, "goal": goal, "shown": shown, "figures": figures}
        )

    add(
        "import nextitnet_tf",
        "2.5 s",
        processes.run("import"),
        "{seconds:.1f} s",
    )
    add(
        "first training step, 32 blocks",
        "8 s",
        processes.run("first_step", "32"),
        "{seconds:.1f} s (whole process {process_seconds:.1f} s)",
    )
    add(
        "a step of the full softmax, 500,000 items, batch 64, t 50: memory "
        "beyond the built model",
        "1 GB",
        processes.run("memory"),
        "{more_gb:.2f} GB (the logits alone are {logits_gb:.1f} GB)",
    )
    reading = (
        f"reading a csv of {processes.NUM_SESSIONS:,} sessions of "
        f"{processes.T} "
    )
    for kind, goal, job, how in (
        ("numbers (the release: 14.6 s)", "1.5 s, 2 GB", "read_sessions", {}),
        ("words", "2.9 s, 3 GB", "read_sessions", {"item": "item-{}"}),
        (
            "numbers, three of them targets",
            "2.9 s, 3 GB",
            "read_transfer",
            {"num_targets": 3},
        ),
    ):
        add(
            reading + kind,
            goal,
            processes.read_csv(job, **how),
            "{seconds:.2f} s ({lines_per_second:,.0f} lines a second), peak "
            "{peak_gb:.2f} GB",
        )
    return found


def _measure_growth(rate: float) -> list[dict[str, Any]]:
    del rate
    found = []
    for name, field, base, values in GROWTH:
        seconds = [
            steps.time_training(
                dataclasses.replace(base, **{field: value}),
                min(_REPETITIONS.value, 5),
            ).median
            for value in values
        ]
        fit = report.fit_line(list(values), seconds)
        print(f"{name}: {fit}", flush=True)
        found.append(
            {"name": name, "x": list(values), "seconds": seconds, **fit}
        )
    return found


def _measure_accuracy(rate: float) -> list[dict[str, Any]]:
    del rate
    found = accuracy.measure(Path(_TABLE.value))
    if not found:
        print(f"no time to accuracy: {_TABLE.value} has no such rows")
    return found


if __name__ == "__main__":
    command.run(main)
