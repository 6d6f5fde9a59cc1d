r"""Measures what training, evaluating, recommending, reading, starting cost.

  python -m experiments.benchmark
  python -m experiments.benchmark --cases=steps,growth

First the machine, then each case as a share of what that allows; medians over
--repetitions after warm-up. Writes benchmark.json, benchmark.md and
benchmark.png into --output. Run it on an otherwise idle machine: about 25
minutes on 2 cores. Cases without `steps` go into the report that is there, if
it is of this machine.

Cases: steps (training and evaluation), processes (import, first step, memory,
reading), growth (a step's time against blocks, t and items), recommend
(histories a second and memory, against a full sort), batch (a file of a
million histories answered, against evaluating them), padding (a step with
every position counted, and with real targets only), compression (steps,
answers, files and memory of CpRec's models against those in full), inference
(a policy that skips half of the blocks against all of them; a click, and what
the last position sees, against a full pass), accuracy (how soon a stacked
model is as good as one from scratch: read from --table, not measured, so that
it goes into a report of any machine). `steps` and `growth` need Keras alone:
where only JAX is installed, `KERAS_BACKEND=jax python -m experiments.benchmark
--cases=steps` runs them.
"""

import json
from pathlib import Path
from typing import Any

from absl import flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from experiments.benchmark import cases
from experiments.benchmark import machine
from experiments.benchmark import processes
from experiments.benchmark import report
from experiments.benchmark.settings import Settings
from nextitnet_tf import atomic_files

_OUTPUT = flags.DEFINE_string(
    "output", "results/benchmark", "Folder of results."
)
_CASES = flags.DEFINE_list("cases", list(cases.CASES), "Cases to measure.")
_TABLE = flags.DEFINE_string(
    "table",
    "results/ml1m/table.json",
    "What `make reproduce-table2` wrote: time to accuracy is taken from it.",
)
_REPETITIONS = flags.DEFINE_integer(
    "repetitions", 7, "Timings a case, after warm-up.", lower_bound=1
)


def main() -> None:
    chosen = cases.choose(_CASES.value)
    output = Path(_OUTPUT.value)
    output.mkdir(parents=True, exist_ok=True)
    result = _begin(output / "benchmark.json", set(chosen))
    settings = Settings(
        repetitions=_REPETITIONS.value,
        gflop_per_second=result["machine"]["gflop_per_second"],
        table=Path(_TABLE.value),
    )
    for name, case in chosen.items():
        result[name] = case.measure(settings)
        atomic_files.write_json(output / "benchmark.json", result)
    markdown = report.to_markdown(result)
    atomic_files.write_text(output / "benchmark.md", markdown)
    report.draw(result, output / "benchmark.png")
    print(markdown)


def _begin(earlier: Path, chosen: set[str]) -> dict[str, Any]:
    """The report that is there, if the cases can go into it; or a new one."""
    if "steps" not in chosen and earlier.is_file():
        result = json.loads(earlier.read_text(encoding="utf-8"))
        if chosen == {"accuracy"} or machine.is_this_one(result["machine"]):
            return result
    print("measuring the machine", flush=True)
    found = processes.run("machine", str(_REPETITIONS.value))
    if found["device"] == "cpu":
        print("no accelerator here: measuring the CPU", flush=True)
    return {"machine": found}


if __name__ == "__main__":
    command.run(main)
