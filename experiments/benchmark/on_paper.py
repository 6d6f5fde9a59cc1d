"""What a large job would take, as docs/scaling.md shows it.

`python -m experiments.benchmark.on_paper` prints the table.
"""

import dataclasses

from nextitnet_tf import scaling

NUM_INTERACTIONS = 10_000_000_000
NUM_ITEMS = 100_000_000
# An accelerator with 80 GB. Assumed, not measured: a third of the arithmetic
# and of the memory's speed that its maker names, half of a 400 Gbit/s link.
DEVICE = scaling.Machine(
    flop_per_second=3e14,
    bytes_per_second=1e12,
    seconds_a_step=0.005,
    seconds_a_block=0.0002,
    sent_per_second=25e9,
    memory_bytes=80e9,
)
_FULL = scaling.Training(
    num_items=NUM_ITEMS,
    embedding_dim=256,
    num_blocks=32,
    batch_size=64 * 256,
    t=50,
    num_replicas=64,
)
_SAMPLED = dataclasses.replace(_FULL, num_sampled=20_000)
_BOUNDARIES = (1_000_000, 10_000_000, NUM_ITEMS + 1)
JOBS = {
    "full softmax, width 256": _FULL,
    "sampled softmax (20,000), width 256": _SAMPLED,
    "sampled softmax (20,000), width 64": dataclasses.replace(
        _SAMPLED, embedding_dim=64
    ),
    "sampled softmax (20,000), width 32": dataclasses.replace(
        _SAMPLED, embedding_dim=32
    ),
    "CpRec, width 256, ranks 256, 64, 16": dataclasses.replace(
        _FULL, clusters=_BOUNDARIES, ranks=(256, 64, 16)
    ),
    "CpRec, width 256, ranks 64, 16, 4": dataclasses.replace(
        _FULL, clusters=_BOUNDARIES, ranks=(64, 16, 4)
    ),
}


def table() -> str:
    """The jobs, as markdown."""
    lines = [
        "| Job | Weights, 10^9 | Memory of a device, GB | Fits in 80 | "
        "Arithmetic, s | Memory traffic, s | Sending, s | A step, s | A pass, "
        "days |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, job in JOBS.items():
        seconds = DEVICE.seconds(job)
        steps = NUM_INTERACTIONS / (job.batch_size * (job.t - 1))
        cells = [
            name,
            f"{job.num_weights / 1e9:.1f}",
            f"{job.memory_bytes / 1e9:.0f}",
            "yes" if DEVICE.fits(job) else "no",
            f"{job.flop / DEVICE.flop_per_second:.2g}",
            f"{job.moved_bytes / DEVICE.bytes_per_second:.2g}",
            f"{job.sent_bytes / DEVICE.sent_per_second:.2g}",
            f"{seconds:.2g}",
            f"{seconds * steps / 86_400:.2g}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
