"""Histories as text: one a line, its items as csv has them."""

import csv
from collections.abc import Collection
from pathlib import Path


def read_lines(path: str) -> dict[str, str]:
    r"""Lines of a file; "\n" and "\r\n" end one, and nothing else does.

    Args:
        path: of UTF-8 text.

    Returns:
        Each line by its place, for errors: "FILE, line 1", ...

    Raises:
        ValueError: an empty file, or another encoding; a compressed one.
    """
    content = Path(path).read_bytes()
    check_is_not_compressed(content, path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"Expected UTF-8 text. Received: {path}, line {number}: {error}"
        ) from None
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    if not lines[-1]:
        del lines[-1]
    if not lines:
        raise ValueError(
            "Expected a history a line, an empty line for a user without one. "
            f"Received: {path}, an empty file"
        )
    return {f"{path}, line {i}": line for i, line in enumerate(lines, start=1)}


def check_is_not_compressed(content: bytes, place: str) -> None:
    """Raises ValueError for a file that begins as those of gzip do.

    Args:
        content: its first bytes.
        place: what messages call it.
    """
    if content.startswith(b"\x1f\x8b"):
        raise ValueError(
            "Expected text, which gunzip makes of it. Received: "
            f"{place}, compressed by gzip"
        )


def parse(line: str, place: str, known: Collection[str]) -> list[str]:
    """Items of a line.

    Args:
        line: items separated by commas, quoted as in csv.
        place: where the line stands, for errors.
        known: items; spaces around one are cut off unless it is known with
            them.

    Returns:
        The items; nothing stands for an empty field.

    Raises:
        ValueError: quotes that are not closed within the line.
    """
    return [f for f in fields(line, place, known) if f or f in known]


def fields(line: str, place: str, known: Collection[str]) -> list[str]:
    """What stands between the commas of a line, empty ones included: `parse`.

    Raises:
        ValueError: see there.
    """
    try:
        found = next(csv.reader([line], strict=True), [])
    except csv.Error as error:
        raise ValueError(
            "Expected items separated by commas, quotes closed within the "
            f"line. Received: {place}: {error}"
        ) from None
    return [field if field in known else field.strip() for field in found]
