"""Flags of dataclasses and lists, and flags that a command does not take."""

import dataclasses
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from typing import Any

from absl import flags

# What every command takes (`command.run`).
_EVERYWHERE = ("verbose",)


def define_fields(
    of_class: type, named: Mapping[str, Any], prefix: str, what: str
) -> dict[str, flags.FlagHolder]:
    """Defines one flag a field; None is "as the named one has it".

    Args:
        of_class: a dataclass with a `name`.
        named: instances by name, which the flags change.
        prefix: of the flags' names.
        what: is changed, in words.
    """
    kinds: dict[str, Callable] = {
        "bool": flags.DEFINE_boolean,
        "float": flags.DEFINE_float,
        "int": flags.DEFINE_integer,
        "int | None": flags.DEFINE_integer,
        "str": flags.DEFINE_string,
    }
    return {
        field.name: kinds[getattr(field.type, "__name__", str(field.type))](
            f"{prefix}{field.name}",
            None,
            f"Changes {what}, which has "
            + ", ".join(
                f"{getattr(instance, field.name)} in {name}"
                for name, instance in named.items()
            )
            + f" (see the {of_class.__name__} class).",
        )
        for field in dataclasses.fields(of_class)
        if field.name != "name"
    }


def given(holders: Mapping[str, flags.FlagHolder]) -> dict[str, Any]:
    """What was said, by name."""
    return {
        name: flag.value
        for name, flag in holders.items()
        if flag.value is not None
    }


def whole_numbers(flag: flags.FlagHolder) -> list[int]:
    """The values of a list flag of whole numbers."""
    return parse(flag.name, flag.value or [], int)


def numbers(flag: flags.FlagHolder) -> list[float]:
    """The values of a list flag of numbers."""
    return parse(flag.name, flag.value or [], float)


def parse(name: str, texts: Iterable[str], kind: Callable) -> list:
    """Texts of a flag as numbers.

    Args:
        name: of the flag.
        texts: one a number.
        kind: int or float.

    Raises:
        ValueError: one that is no such number.
    """
    found = []
    for text in texts:
        try:
            found.append(kind(text))
        except ValueError:
            what = "whole numbers" if kind is int else "numbers"
            raise ValueError(
                f"--{name} takes {what}. Received: {text!r}"
            ) from None
    return found


def check_used(who: str, used: Collection[str]) -> None:
    """Raises ValueError if a flag was given that a command does not take.

    Args:
        who: the command, in words.
        used: names of the flags that it takes.
    """
    ours = (
        flag
        for module, of_module in flags.FLAGS.flags_by_module_dict().items()
        if not module.startswith("absl")
        for flag in of_module
    )
    for flag in ours:
        name = flag.name
        if flag.present and name not in (*used, *_EVERYWHERE):
            value = flag.value
            shown = ",".join(value) if isinstance(value, list) else value
            raise ValueError(
                f"{who} takes {', '.join(f'--{n}' for n in used)}. "
                f"Received: --{name}={shown}"
            )
