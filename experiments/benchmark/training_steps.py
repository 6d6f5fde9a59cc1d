"""The case `steps`: training and evaluation, as shares of the machine."""

from typing import Any

from experiments.benchmark import accuracy
from experiments.benchmark import machine
from experiments.benchmark import steps
from experiments.benchmark.settings import Settings

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


def measure(settings: Settings) -> list[dict[str, Any]]:
    """Times every step of `STEPS`, and an evaluation."""
    rate, repetitions = settings.gflop_per_second, settings.repetitions
    found = []
    for name, step, goal, release in STEPS:
        timing = steps.time_training(step, repetitions)
        found.append(_step(name, timing, step.gflop, rate, goal, release))
    if machine.has_accelerator():
        name, steps_a_pass = ML20
        timing = steps.time_training(ML20_STEP, repetitions)
        found.append(_step(name, timing, ML20_STEP.gflop, rate))
        found[-1]["pass_seconds"] = steps_a_pass * timing.median
        print(f"a pass over ML20: {found[-1]['pass_seconds']:.0f} s")
    evaluation = steps.time_evaluation(steps.Step(), repetitions)
    found.append(
        _step("evaluation of 256 sessions, 8 blocks", evaluation, 0, rate)
    )
    return found


def to_markdown(found: list[dict[str, Any]]) -> list[str]:
    """The table of the steps."""
    return [
        "| Step | GFLOP | ms | from - to | GFLOP/s | Share of the "
        "product's rate | Goal | Release | First step, s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(_line(step) for step in found),
        "",
        "Medians over repetitions after warm-up; compiling apart. Goal "
        "and Release (the TF1 original) were measured on another machine "
        "and are given as shares of that machine's 242 GFLOP/s.",
        "",
    ]


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


def _line(step: dict[str, Any]) -> str:
    cells = [
        step["name"],
        f"{step['gflop']:.1f}" if step["gflop"] else "",
        f"{1000 * step['seconds']:.1f}",
        f"{1000 * step['min']:.1f} - {1000 * step['max']:.1f}",
        f"{step['gflop_per_second']:.0f}" if step["gflop"] else "",
        _percent(step["share"]),
        _percent(step["goal_share"]),
        _percent(step["release_share"]),
        f"{step['first_seconds']:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
