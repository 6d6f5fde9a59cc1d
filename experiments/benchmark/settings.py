"""What every case of the benchmark is told."""

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to measure, and what a measurement is compared with.

    Attributes:
        repetitions: timings of a step, after warm-up.
        gflop_per_second: rate of the machine's large matrix product.
        table: table.json that time to accuracy is read from.
    """

    repetitions: int
    gflop_per_second: float
    table: Path
