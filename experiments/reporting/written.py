"""What a command has written, read again: by another, and later."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any]:
    """The content of a table's json.

    Raises:
        ValueError: the file is damaged; the message names it.
    """
    with naming(path):
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__}")
        return content


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Has what goes wrong over the content of a file name it.

    Args:
        path: of the file; some of its name, where there may be several.
    """
    try:
        yield
    except (
        *(ArithmeticError, AttributeError, LookupError, RecursionError),
        *(TypeError, ValueError),
    ) as error:
        if str(path) in str(error):
            raise
        raise ValueError(
            f"Expected what a command wrote. Received: {path}, which is "
            f"damaged ({type(error).__name__}: "
            f"{' '.join(str(error).split())}); run its target with "
            "ARGS=--table_only"
        ) from error
