"""What one request, and all of them together, may ask for."""

from dataclasses import dataclass
from dataclasses import fields


@dataclass(frozen=True)
class Limits:
    """Bounds of a service.

    Attributes:
        max_body: bytes of a request.
        max_histories: of a request.
        max_items: of a history; of a longer one the latest count.
        max_k: items that a history gets, where the model knows as many.
        max_batch: histories that are computed together, a power of 2.
        max_waiting: histories of all requests that wait.
        timeout: seconds a request may take to come in, and again to be
            answered.

    Raises:
        ValueError: one that is below 1, or no power of 2.
    """

    max_body: int = 1_000_000
    max_histories: int = 256
    max_items: int = 4096
    max_k: int = 1000
    max_batch: int = 32
    max_waiting: int = 4096
    timeout: float = 10.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value < 1:
                raise ValueError(
                    f"`{field.name}` must be at least 1. "
                    f"Received: {field.name}={value}"
                )
        if self.max_batch & (self.max_batch - 1):
            raise ValueError(
                "`max_batch` must be a power of 2. "
                f"Received: max_batch={self.max_batch}"
            )
