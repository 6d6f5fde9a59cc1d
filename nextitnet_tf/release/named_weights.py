"""Weights of a release by its names, into the variables of a model."""

import contextlib
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from nextitnet_tf.release import checkpoints
from nextitnet_tf.release import state_dicts

# Before the names of variables in an npz that holds other arrays, too.
_STATE = "state/"
# (name, variable, whether the release has it transposed)
Named = tuple[str, keras.Variable, bool]


def read(source) -> dict[str, np.ndarray]:
    """Tensors by the release's names, without those of optimizers.

    Args:
        source: prefix of a TF1 checkpoint, or path of an npz of its variables
            by name (of those that begin with `state/`, if some do).

    Raises:
        ValueError: no such file, or a damaged one.
    """
    if Path(source).suffix != ".npz":
        return checkpoints.read_weights(source)
    tensors = state_dicts.read_npz(source)
    states = {
        name.removeprefix(_STATE): tensor
        for name, tensor in tensors.items()
        if name.startswith(_STATE)
    }
    return checkpoints.without_optimizer(states or tensors)


@contextlib.contextmanager
def naming(source) -> Iterator[None]:
    """Has errors over what names and shapes tell name the file, too."""
    try:
        yield
    except (ValueError, LookupError, TypeError) as error:
        text = " ".join(str(error).split())
        if str(source) in text:
            raise
        raise ValueError(
            f"{source}: its variables are of no model. Received: {text}"
        ) from error


def check_dilations(source, rates, given) -> None:
    """Raises ValueError for dilations that are not those of the names.

    Args:
        source: of the names, for messages.
        rates: one a block, by the names.
        given: one or more, cycled, or None.
    """
    given = given or rates
    for i, rate in enumerate(rates):
        if given[i % len(given)] != rate:
            raise ValueError(
                f"{source}: the names say that block {i} has dilation {rate}. "
                f"Received: dilation_rates={tuple(given)}"
            )


def assign(
    source, tensors: dict[str, np.ndarray], named: Iterable[Named], expected
) -> None:
    """Gives each variable its tensor.

    Args:
        source: of the tensors, for messages.
        tensors: by name (`read`).
        named: every variable of the model, once.
        expected: what the file should hold, for messages.

    Raises:
        ValueError: a variable is missing, superfluous or of another shape.
    """
    variables = {name: rest for name, *rest in named}
    for name in sorted(variables.keys() ^ tensors.keys()):
        what = "lacks" if name in variables else "has, beyond them,"
        raise ValueError(
            f"{source}: {expected}. Received: a file that {what} {name}"
        )
    for name, (variable, is_transposed) in variables.items():
        tensor = tensors[name].T if is_transposed else tensors[name]
        shape = tuple(variable.shape)
        # An image of height 1, a convolution of width 1, an alpha.
        if tensor.ndim == len(shape) + 1 and len(tensor) == 1:
            tensor = tensor[0]
        if tensor.shape != shape:
            raise ValueError(
                f"{source}: {expected}. Received: {name} of shape "
                f"{tensors[name].shape}, which gives no {shape}"
            )
        variable.assign(tensor)
