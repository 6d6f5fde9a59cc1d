"""How fast and how surely the service answers, asked on this machine.

Starts `make serve` on 127.0.0.1 and asks it at a steady rate; with as many bad
requests in between; as fast as it answers; while its model is replaced; while
it ends. Latencies count from when a request was due. Writes load.json and
load.md into --output. The model has 8 blocks and 4,000 items. Run it on an
otherwise idle machine, of which the client takes its part, too.
"""

import tempfile
from pathlib import Path
from typing import Any

from absl import flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from experiments.benchmark import load
from experiments.benchmark import machine
from nextitnet_tf import atomic_files
from nextitnet_tf.training import provenance

_OUTPUT = flags.DEFINE_string("output", "results/serving", "Folder of results.")
_RATE = flags.DEFINE_float("rate", 350, "Requests a second.", 1)
_SECONDS = flags.DEFINE_float("seconds", 30, "Of the longest phase.", 1)
_PHASES = {
    "steady": "at a steady rate",
    "with_bad": "with as many bad ones in between",
    "at_once": "32 clients, each as fast as it is answered",
    "replaced": "while the model is replaced",
    "ended": "256 histories each, when it is told to end",
}


def main() -> None:
    output = Path(_OUTPUT.value)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        model, other = (Path(folder, f"{name}.keras") for name in "ab")
        load.write_model(model)
        load.write_model(other, seed=1)
        found = load.measure(model, other, _RATE.value, _SECONDS.value)
    found = {
        "machine": machine.describe(),
        "versions": provenance.versions(),
        "commit": provenance.commit(),
        "goals": load.GOALS,
        "asked_rate": _RATE.value,
        **found,
    }
    atomic_files.write_json(output / "load.json", found)
    markdown = to_markdown(found)
    atomic_files.write_text(output / "load.md", markdown)
    print(markdown)


def to_markdown(found: dict[str, Any]) -> str:
    """What load.json holds, for people."""
    memory = found["memory_mb"]
    lines = [
        "# The service under load",
        "",
        f"{found['machine']['processor']}, {found['machine']['cores']} cores, "
        f"the client among them; commit {found['commit']}; "
        f"{load.NUM_BLOCKS} blocks, {load.NUM_ITEMS:,} items, k = {load.K}.",
        "",
        "| Requests | sent | answered | refused | errors | a second | p50 ms "
        "| p99 ms | most ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {words} | {p['requests']} | {p['answered']} | {p['refused']} | "
        f"{p['errors']} | {p['rate']:.0f} | {p['p50_ms']:.1f} | "
        f"{p['p99_ms']:.1f} | {p['most_ms']:.1f} |"
        for p, words in ((found[name], text) for name, text in _PHASES.items())
    ]
    goals = ", ".join(f"{name} {goal}" for name, goal in found["goals"].items())
    lines += [
        "",
        f"Goals: {goals}. Ready after {found['start_s']:.0f} s; ended with "
        f"status {found['ended']['status']}. Memory: {memory[0]:.0f} MB at "
        f"first, {memory[-1]:.0f} MB at the end: "
        f"{'flat' if load.is_flat(memory) else 'NOT flat'}; "
        f"{found['memory_replaced_mb']:.0f} MB after a new model.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    command.run(main)
